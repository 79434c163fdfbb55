package oci

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// entry is a file, a folder or a symbolic link of a layer.
type entry struct {
	path string // slash-separated, relative, clean
	mode fs.FileMode
	link string // of a symbolic link
	size int64
	open func() (io.ReadCloser, error)
}

// pipeBuffer is what lies between the tar and its compression, which run beside each other.
const pipeBuffer = 1 << 20

// writeLayer writes entries, and the folders that lead to them, as a compressed layer. Order, times, owners and modes
// are fixed, so that equal files make equal bytes.
func writeLayer(ctx context.Context, w io.Writer, entries []entry) (Layer, error) {
	pr, pw := io.Pipe()
	diff := sha256.New()
	go func() {
		out := bufio.NewWriterSize(pw, pipeBuffer)
		err := writeTar(ctx, io.MultiWriter(out, diff), withFolders(entries))
		if err == nil {
			err = out.Flush()
		}
		pw.CloseWithError(err)
	}()
	sum := &counted{w: w, sum: sha256.New()}
	z, err := gzip.NewWriterLevel(sum, gzip.BestSpeed) // a better one costs seconds and saves a tenth
	if err == nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{z}, pr, make([]byte, pipeBuffer))
	}
	pr.CloseWithError(err) // the tar's writer ends with us
	if err == nil {
		err = z.Close()
	}
	return Layer{Digest: digestOf(sum.sum), DiffID: digestOf(diff), Size: sum.n}, err
}

func digestOf(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

// counted counts and hashes what is written.
type counted struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	return n, err
}

// withFolders sorts entries and adds the folders above them.
func withFolders(entries []entry) []entry {
	all := map[string]entry{}
	for _, e := range entries {
		all[e.path] = e
		for dir := path.Dir(e.path); dir != "."; dir = path.Dir(dir) {
			if _, there := all[dir]; !there {
				all[dir] = entry{path: dir, mode: fs.ModeDir | 0o755}
			}
		}
	}
	out := make([]entry, 0, len(all))
	for _, e := range all {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return out
}

func writeTar(ctx context.Context, w io.Writer, entries []entry) error {
	out, buf := tar.NewWriter(w), make([]byte, 256<<10)
	for _, e := range entries {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := e.write(out, buf); err != nil {
			return err
		}
	}
	return out.Close()
}

// write writes one entry. Access and change times stay empty: PAX would keep them, and reading a file changes them.
func (e entry) write(out *tar.Writer, buf []byte) error {
	h := &tar.Header{Name: e.path, Mode: int64(e.mode.Perm()), ModTime: time.Unix(0, 0), Format: tar.FormatPAX, Typeflag: tar.TypeReg, Size: e.size}
	switch {
	case e.mode.IsDir():
		h.Name, h.Typeflag, h.Size = e.path+"/", tar.TypeDir, 0
	case e.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname, h.Size, h.Mode = tar.TypeSymlink, e.link, 0, 0o777
	}
	if err := out.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	in, err := e.open()
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, in, buf)
	return err
}

// text is an entry with contents of ours.
func text(name string, mode fs.FileMode, s string) entry {
	return entry{path: name, mode: mode, size: int64(len(s)), open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }}
}

func symlink(name, to string) entry { return entry{path: name, mode: fs.ModeSymlink, link: to} }
