package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Tree is a folder as it was when Walk read it.
type Tree struct {
	Files []File // in the order of their paths
	Bytes int64  // of all of them

	root   string
	byPath map[string]*entry
}

func newTree(root string, entries []*entry) *Tree {
	t := &Tree{root: root, byPath: make(map[string]*entry, len(entries)), Files: make([]File, len(entries))}
	for i, e := range entries {
		t.Files[i] = e.File
		t.Bytes += e.Size
		t.byPath[e.Path] = e
	}
	return t
}

// Open opens one of Files to send it; a link reads as its target. A file that is not as Walk saw
// it fails with fault.Precondition, Reason "FileChanged": here, or at the end of reading, instead
// of io.EOF. No more than File.Size bytes come out.
func (t *Tree) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	e, ok := t.byPath[path]
	if !ok {
		return nil, notInTree(path)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if e.Mode == ModeLink {
		return t.openLink(e)
	}
	name := filepath.Join(t.root, path)
	info, err := os.Lstat(name) // before opening: it may have become a pipe, which would block
	if err != nil {
		return nil, gone(path, err)
	}
	f, err := openRegular(name, info)
	if err != nil {
		return nil, gone(path, err)
	}
	if info, err = f.Stat(); err != nil || stampOf(info) != e.stamp {
		_ = f.Close()
		return nil, changed(path, "its size or its time of change is another than when it was hashed")
	}
	return &sending{f: f, e: e, left: e.Size, sum: sha256.New()}, nil
}

func openRegular(name string, info fs.FileInfo) (*os.File, error) {
	if !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	return os.Open(name)
}

func (t *Tree) openLink(e *entry) (io.ReadCloser, error) {
	target, err := os.Readlink(filepath.Join(t.root, e.Path))
	if err != nil {
		return nil, gone(e.Path, err)
	}
	if filepath.ToSlash(target) != e.target {
		return nil, changed(e.Path, "the link points elsewhere than when it was hashed")
	}
	return io.NopCloser(strings.NewReader(e.target)), nil
}

// sending reads a file and checks at its end that it was the one that was hashed.
type sending struct {
	f    *os.File
	e    *entry
	left int64
	sum  hash.Hash
}

func (s *sending) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, s.atEnd()
	}
	n, err := s.f.Read(p[:min(int64(len(p)), s.left)])
	s.sum.Write(p[:n])
	s.left -= int64(n)
	switch {
	case err == io.EOF && s.left > 0:
		return n, changed(s.e.Path, fmt.Sprintf("it is %d bytes shorter than when it was hashed", s.left))
	case err != nil && err != io.EOF:
		return n, unreadable(s.e.Path, err)
	}
	return n, nil
}

func (s *sending) atEnd() error {
	if hex.EncodeToString(s.sum.Sum(nil)) != s.e.Hash {
		return changed(s.e.Path, "its bytes are others than when it was hashed")
	}
	return io.EOF
}

func (s *sending) Close() error { return s.f.Close() }
