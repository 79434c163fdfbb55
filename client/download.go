package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// Download fetches artifacts of a run into a folder, under their paths. A file that is there with the
// right bytes stays, one that was begun is continued, and one appears under its name only once its
// bytes are verified. No path, and no link in the folder, leads out of it. progress is told how many
// bytes more are there; it may be nil.
func (c *Client) Download(ctx context.Context, ws, id string, files []Artifact, dir string, progress func(more int64)) error {
	return c.download(ctx, files, dir, progress, func(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
		return c.OpenArtifact(ctx, ws, id, path, offset)
	})
}

// opener opens a file of the server from an offset.
type opener func(ctx context.Context, path string, offset int64) (io.ReadCloser, error)

func (c *Client) download(ctx context.Context, files []Artifact, dir string, progress func(more int64), open opener) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return unwritable(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return unwritable(dir, err)
	}
	defer root.Close()
	if progress == nil {
		progress = func(int64) {}
	}
	for _, f := range files {
		if !fs.ValidPath(f.Path) || f.Path == "." {
			return invalid("ArtifactPathInvalid", fmt.Sprintf("the artifact %q is not written", f.Path), "its path leads out of the folder", "open it by the API, if you trust it")
		}
		d := &fetcher{c: c, root: root, open: open, f: f, progress: progress}
		if err := d.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fetcher brings one file.
type fetcher struct {
	c        *Client
	root     *os.Root
	open     opener
	f        Artifact
	progress func(int64)
}

func (d *fetcher) run(ctx context.Context) error {
	if h, err := d.hashOf(d.f.Path); err == nil && h == d.f.Hash {
		d.progress(d.f.Size)
		return nil
	}
	if err := d.root.MkdirAll(path.Dir(d.f.Path), 0o777); err != nil {
		return unwritable(d.f.Path, err)
	}
	part := path.Join(path.Dir(d.f.Path), ".zaffre-"+d.f.Hash[:min(16, len(d.f.Hash))]+".part")
	for try := 0; ; try++ {
		err := d.fill(ctx, part)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if CodeOf(err) != CodeUnavailable || try >= d.c.retries {
			return err
		}
		if err := pause(ctx, backoff(try)); err != nil {
			return err
		}
	}
	if h, err := d.hashOf(part); err != nil || h != d.f.Hash {
		_ = d.root.Remove(part)
		return &Fault{
			Code: CodeInternal, Reason: "HashMismatch", Title: fmt.Sprintf("the artifact %q arrived with other bytes than it has", d.f.Path),
			Detail: fmt.Sprintf("its SHA-256 is %s and should be %s", h, d.f.Hash), Fix: "download again; if it stays so, check the server's disk",
		}
	}
	if err := d.root.Rename(part, d.f.Path); err != nil {
		return unwritable(d.f.Path, err)
	}
	return nil
}

// fill appends what part lacks.
func (d *fetcher) fill(ctx context.Context, part string) error {
	out, err := d.root.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return unwritable(part, err)
	}
	defer out.Close()
	info, err := out.Stat()
	if err != nil {
		return unwritable(part, err)
	}
	at := info.Size()
	if at > d.f.Size {
		if at = 0; out.Truncate(0) != nil {
			return unwritable(part, errors.New("cannot shorten it"))
		}
	}
	d.progress(at)
	if at == d.f.Size {
		return nil
	}
	in, err := d.open(ctx, d.f.Path, at)
	if err != nil {
		d.progress(-at)
		return err
	}
	defer in.Close()
	n, err := copyTo(out, in, d.progress)
	if err == nil && at+n < d.f.Size {
		err = d.c.unreachable(io.ErrUnexpectedEOF)
	}
	if err != nil {
		d.progress(-at - n)
	}
	return err
}

// copyTo copies and tells apart whose error it was.
func copyTo(out io.Writer, in io.Reader, progress func(int64)) (int64, error) {
	buf := make([]byte, 128<<10)
	total := int64(0)
	for {
		n, rerr := in.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return total, unwritable("", err)
			}
			total += int64(n)
			progress(int64(n))
		}
		if rerr == io.EOF {
			return total, nil
		}
		if rerr != nil {
			return total, &Fault{
				Code: CodeUnavailable, Reason: "ServerUnreachable", Title: "the connection to the server broke",
				Detail: rerr.Error(), Fix: "run the same command again: it goes on where it was",
			}
		}
	}
}

func (d *fetcher) hashOf(name string) (string, error) {
	info, err := d.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != d.f.Size {
		return "", fs.ErrNotExist
	}
	r, err := d.root.Open(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func unwritable(name string, err error) error {
	return &Fault{
		Code: CodePrecondition, Reason: "FileUnwritable", Title: fmt.Sprintf("the file %q cannot be written", name),
		Detail: err.Error(), Fix: "choose another folder, or make room on the disk",
	}
}
