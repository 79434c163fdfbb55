package client

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// hashes remembers the hash of files that did not change, as git's index does. A file counts as
// unchanged if size, times and inode are the same, and if it was not written so shortly before the
// hash was taken that a later write could bear the same times.
type hashes struct {
	taken time.Time // before the first file of this round was looked at
	old   map[string]hashed
	fresh map[string]hashed
}

type hashed struct {
	Size    int64  `json:"s"`
	Written int64  `json:"m"` // mtime, ns
	Changed int64  `json:"c"` // ctime, ns; 0: not known here
	Inode   uint64 `json:"i"`
	Hash    string `json:"h"`
}

// loadHashes reads a cache; one that is not there or cannot be read is an empty one.
func loadHashes(file string) *hashes {
	h := &hashes{taken: time.Now(), fresh: map[string]hashed{}}
	if b, err := os.ReadFile(file); file != "" && err == nil {
		_ = json.Unmarshal(b, &h.old)
	}
	return h
}

func (h *hashes) get(path string, info fs.FileInfo) (string, bool) {
	known, ok := h.old[path]
	now := stampOf(info)
	now.Hash = known.Hash
	if !ok || known != now || known.Hash == "" {
		return "", false
	}
	h.fresh[path] = known
	return known.Hash, true
}

func (h *hashes) put(path string, info fs.FileInfo, hash string) {
	s := stampOf(info)
	if h.taken.Sub(time.Unix(0, max(s.Written, s.Changed))) < grain(s) {
		return
	}
	s.Hash = hash
	h.fresh[path] = s
}

// grain is how far apart two writes must be to be told apart by their times: file systems that keep
// whole seconds show it by their zeros; the others tick with the kernel, every 10 ms at most.
func grain(s hashed) time.Duration {
	if s.Written%int64(time.Second) == 0 && s.Changed%int64(time.Second) == 0 {
		return 3 * time.Second
	}
	return 50 * time.Millisecond
}

// save writes the cache. It is a help and no more, so that an error is no error.
func (h *hashes) save(file string) {
	if file == "" {
		return
	}
	b, err := json.Marshal(h.fresh)
	if err != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".hashes-*")
	if err != nil {
		return
	}
	_, err = f.Write(b)
	if f.Close() != nil || err != nil || os.Rename(f.Name(), file) != nil {
		os.Remove(f.Name())
	}
}
