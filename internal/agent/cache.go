package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// cacheFresh is how old a file may be that counts as one that was just asked for.
const cacheFresh = 24 * time.Hour

// missing returns what the cache lacks of a job's code: the hash of the manifest, or without that those of its files.
func (s *server) missing(in wire.Code) (wire.Hashes, error) {
	if !validHash(in.Manifest) {
		return wire.Hashes{}, invalid(strconv.Quote(in.Manifest) + " is no hash")
	}
	if !s.has(in.Manifest) {
		return wire.Hashes{Hashes: []string{in.Manifest}}, nil
	}
	files, err := readManifest(s.root, in.Manifest)
	if err != nil {
		return wire.Hashes{}, err
	}
	return wire.Hashes{Hashes: s.lacking(files)}, nil
}

// lacking returns the hashes of the files that the cache has not, each once.
func (s *server) lacking(files []wire.File) []string {
	out, seen := []string{}, map[string]bool{}
	for _, f := range files {
		if !seen[f.Hash] && !s.has(f.Hash) {
			out = append(out, f.Hash)
		}
		seen[f.Hash] = true
	}
	return out
}

// has reports whether the cache has a file, which then is one that was asked for.
func (s *server) has(hash string) bool {
	name := cachePath(filepath.Join(s.root, filesDir), hash)
	fi, err := os.Stat(name)
	if err != nil {
		return false
	}
	if now := time.Now(); now.Sub(fi.ModTime()) > cacheFresh {
		_ = os.Chtimes(name, now, now)
	}
	return true
}

// readManifest returns the files of a job's code. Paths that leave its folder are refused.
func readManifest(root, hash string) (files []wire.File, err error) {
	if hash == "" {
		return nil, nil
	}
	b, err := os.ReadFile(cachePath(filepath.Join(root, filesDir), hash))
	if err != nil {
		return nil, diskFault("read the list of the code", err)
	}
	if err := json.Unmarshal(b, &files); err != nil {
		return nil, invalid("the list of the code is no JSON: " + err.Error())
	}
	for _, f := range files {
		if !validHash(f.Hash) || !filepath.IsLocal(f.Path) || filepath.Clean(f.Path) != f.Path {
			return nil, invalid("the manifest's entry " + strconv.Quote(f.Path) + " is no clean path with a hash")
		}
	}
	return files, nil
}

// put takes files, each announced by its hash, until the end.
func (s *server) put(c *call) error {
	if err := c.Recv(&wire.Empty{}); err != nil {
		return err
	}
	for {
		var p wire.PutFile
		more, err := c.RecvMore(&p)
		if err != nil {
			return err
		}
		if !more {
			return c.Send(wire.Empty{})
		}
		c.NextBody()
		if err := s.putFile(p.Hash, c); err != nil {
			return err
		}
	}
}

// putFile puts one file into the cache, if it has the hash that was said.
func (s *server) putFile(hash string, r io.Reader) error {
	if !validHash(hash) {
		return invalid(strconv.Quote(hash) + " is no hash")
	}
	name := cachePath(filepath.Join(s.root, filesDir), hash)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return diskFault("keep a file", err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "put-")
	if err != nil {
		return diskFault("keep a file", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), r); err != nil {
		return diskFault("keep a file", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != hash {
		return &fault.Error{
			Code: fault.Invalid, Reason: "HashMismatch", What: "a file of the code did not arrive",
			Why: "its bytes hash to " + got + " instead of " + hash, Fix: "submit the run again; if it happens again, check the server's disk",
		}
	}
	if err := f.Close(); err != nil {
		return diskFault("keep a file", err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return diskFault("keep a file", err)
	}
	return nil
}

// checkCode refuses code of which the cache lacks anything.
func (s *server) checkCode(manifest string) error {
	if manifest == "" {
		return nil
	}
	lacking, err := s.missing(wire.Code{Manifest: manifest})
	if err != nil || len(lacking.Hashes) == 0 {
		return err
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "FilesMissing", What: "the job cannot be started",
		Why: "the machine lacks " + strconv.Itoa(len(lacking.Hashes)) + " files of its code", Fix: "send them first",
	}
}

// tidy takes up what a process before us left undone: jobs and builds without a supervisor,
// folders that were to be removed. Then it tends what lies there.
func (s *server) tidy() {
	s.python() // so that the first job need not wait for it
	for _, dir := range s.folders(jobsDir) {
		s.ensure(dir)
	}
	for _, dir := range s.folders(buildsDir) {
		s.ensureVerb("build", dir)
	}
	for _, dir := range s.folders(trashDir) {
		_ = removeAll(dir)
	}
	s.tend()
}

func (s *server) folders(sub string) []string {
	entries, _ := os.ReadDir(filepath.Join(s.root, sub))
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = filepath.Join(s.root, sub, e.Name())
	}
	return list
}

func (s *server) expire(sub string, keep time.Duration) {
	for _, name := range s.folders(sub) {
		if fi, err := os.Stat(name); err == nil && time.Since(fi.ModTime()) > keep {
			_ = removeAll(name)
		}
	}
}
