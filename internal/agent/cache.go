package agent

import (
	"encoding/json"
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
	return s.lacking(files), nil
}

// lacking returns the hashes of the files that the cache has not, each once, and what has come of them.
func (s *server) lacking(files []wire.File) wire.Hashes {
	out, seen, parts := wire.Hashes{Hashes: []string{}, Begun: map[string]int64{}}, map[string]bool{}, s.parts()
	for _, f := range files {
		if !seen[f.Hash] && !s.has(f.Hash) {
			out.Hashes = append(out.Hashes, f.Hash)
			if n := parts[f.Hash].size; n > 0 && n <= f.Size {
				out.Begun[f.Hash] = n
			}
		}
		seen[f.Hash] = true
	}
	return out
}

func (s *server) cached(hash string) string { return cachePath(filepath.Join(s.root, filesDir), hash) }

// has reports whether the cache has a file, which then is one that was asked for.
func (s *server) has(hash string) bool {
	name := s.cached(hash)
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
