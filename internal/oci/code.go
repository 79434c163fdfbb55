package oci

import (
	"context"
	"io"
	"io/fs"
	"path"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// maxLink is the longest target of a symbolic link: PATH_MAX of Linux.
const maxLink = 4096

// WriteCode writes files as a layer in CodeDir.
func WriteCode(ctx context.Context, w io.Writer, files driver.Files) (Layer, error) {
	list, err := files.Manifest(ctx)
	if err != nil {
		return Layer{}, err
	}
	entries := []entry{{path: CodeDir[1:], mode: fs.ModeDir | 0o755}}
	for _, f := range list {
		e, err := codeEntry(ctx, files, f)
		if err != nil {
			return Layer{}, err
		}
		entries = append(entries, e)
	}
	return writeLayer(ctx, w, entries)
}

func codeEntry(ctx context.Context, files driver.Files, f driver.File) (entry, error) {
	name := path.Join(CodeDir[1:], f.Path)
	open := func() (io.ReadCloser, error) { return files.OpenHash(ctx, f.Hash) }
	if f.Mode&driver.ModeLink != driver.ModeLink {
		return entry{path: name, mode: 0o644 | fs.FileMode(f.Mode&0o111), size: f.Size, open: open}, nil
	}
	in, err := open()
	if err != nil {
		return entry{}, err
	}
	defer in.Close()
	to, err := io.ReadAll(io.LimitReader(in, maxLink))
	return symlink(name, string(to)), err
}
