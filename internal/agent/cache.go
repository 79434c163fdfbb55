package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// How long things that nobody asks for are kept. A file that is asked for counts as new when it
// was a day old, so that the one does not happen beside the other.
const (
	cacheFresh = 24 * time.Hour
	cacheKeep  = 14 * 24 * time.Hour
	fenceKeep  = 60 * 24 * time.Hour
)

// missing returns those of the hashes that the cache lacks.
func (s *server) missing(in wire.Hashes) (wire.Hashes, error) {
	out := wire.Hashes{Hashes: []string{}}
	now := time.Now()
	for _, h := range in.Hashes {
		if !validHash(h) {
			return out, invalid(strconv.Quote(h) + " is no hash")
		}
		name := cachePath(filepath.Join(s.root, filesDir), h)
		fi, err := os.Stat(name)
		if err != nil {
			out.Hashes = append(out.Hashes, h)
			continue
		}
		if now.Sub(fi.ModTime()) > cacheFresh {
			_ = os.Chtimes(name, now, now)
		}
	}
	return out, nil
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

// checkFiles refuses files that the cache lacks, and paths that leave the folder.
func (s *server) checkFiles(files []wire.File) error {
	lacking := 0
	for _, f := range files {
		if !validHash(f.Hash) || !filepath.IsLocal(f.Path) || filepath.Clean(f.Path) != f.Path {
			return invalid("the manifest's entry " + strconv.Quote(f.Path) + " is no clean path with a hash")
		}
		if !exists(cachePath(filepath.Join(s.root, filesDir), f.Hash)) {
			lacking++
		}
	}
	if lacking == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "FilesMissing", What: "the job cannot be started",
		Why: "the machine lacks " + strconv.Itoa(lacking) + " files of its code", Fix: "send them first",
	}
}

// tidy takes up what a process before us left undone: jobs and builds without a supervisor,
// folders that were to be removed, files that nobody has asked for in a while.
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
	s.expire(runsDir, fenceKeep)
	for _, dir := range s.folders(filesDir) {
		s.expire(filepath.Join(filesDir, filepath.Base(dir)), cacheKeep)
	}
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
