package blob

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	dataDir = "data" // the blobs, each in a file of its own name
	tempDir = "temp" // what Put is still writing
)

// staleAfter is the age from which a temporary file belongs to a process that died.
const staleAfter = 24 * time.Hour

// Dir is a Store of files below one folder. It may be used from several goroutines, and several
// processes may have the same folder open. A name is the path of its file, so no name may be the
// folder of another: who keeps very many blobs spreads them over folders by their names.
type Dir struct {
	root *os.Root
	data *os.Root
}

var _ Store = (*Dir)(nil)

// NewDir opens the folder root as a store and makes it if it is not there. Files that an
// interrupted Put left behind more than a day ago are removed.
func NewDir(root string) (*Dir, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, writeFault("open the blob folder", root, err)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, writeFault("open the blob folder", root, err)
	}
	d := &Dir{root: r}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(writeFault("open the blob folder", root, err), r.Close())
	}
	return d, nil
}

func (d *Dir) prepare() (err error) {
	for _, name := range []string{dataDir, tempDir} {
		if err := d.root.MkdirAll(name, 0o700); err != nil {
			return err
		}
	}
	if err := syncFile(d.root, "."); err != nil {
		return err
	}
	if err := d.removeStale(time.Now().Add(-staleAfter)); err != nil {
		return err
	}
	d.data, err = d.root.OpenRoot(dataDir)
	return err
}

func (d *Dir) removeStale(before time.Time) error {
	entries, err := fs.ReadDir(d.root.FS(), tempDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.ModTime().After(before) {
			continue // gone by now, or in use
		}
		if err := d.root.RemoveAll(path.Join(tempDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of the folder. Blobs that are open stay readable.
func (d *Dir) Close() error { return errors.Join(d.data.Close(), d.root.Close()) }

// Put writes a temporary file, syncs it, renames it to its name and syncs the folder: after a
// power cut the blob is there as a whole, or what was there before is. It fails with
// fault.Exhausted, Reason "DiskFull", if there is no room, and with r's own error if r fails.
func (d *Dir) Put(ctx context.Context, name string, r io.Reader) (int64, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	temp := path.Join(tempDir, rand.Text())
	n, err := d.writeTemp(ctx, temp, name, r)
	if err == nil {
		err = d.publish(temp, name)
	}
	if err != nil {
		_ = d.root.Remove(temp) // what stays is stale in a day
		return 0, err
	}
	return n, nil
}

func (d *Dir) writeTemp(ctx context.Context, temp, name string, r io.Reader) (n int64, err error) {
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, writeFault("store the blob", name, err)
	}
	src := &source{ctx: ctx, r: r}
	n, err = copyTo(f, src)
	if err == nil {
		err = f.Sync()
	}
	err = cmp.Or(err, f.Close())
	if src.err != nil {
		return 0, fmt.Errorf("store the blob %q: %w", name, src.err)
	}
	return n, writeFault("store the blob", name, err)
}

func (d *Dir) publish(temp, name string) error {
	target := path.Join(dataDir, name)
	err := d.root.Rename(temp, target)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.makeFolders(path.Dir(target)); err == nil {
			err = d.root.Rename(temp, target)
		}
	}
	if err == nil {
		err = syncFile(d.root, path.Dir(target))
	}
	return writeFault("store the blob", name, err)
}

// makeFolders makes dir and syncs the folder that each new one lies in.
func (d *Dir) makeFolders(dir string) error {
	err := d.root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.makeFolders(path.Dir(dir)); err == nil {
			err = d.root.Mkdir(dir, 0o700)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFile(d.root, path.Dir(dir))
}

// Append writes into the file and leaves it to Sync to make that last through a power cut; a
// crash of this process loses nothing. It fails with fault.Exhausted, Reason "DiskFull", if there
// is no room; what fitted stays, and the same Append may be repeated.
func (d *Dir) Append(ctx context.Context, name string, offset int64, p []byte) error {
	if err := cmp.Or(checkName(name), checkOffset(name, offset), ctx.Err()); err != nil {
		return err
	}
	f, err := d.openAppend(name)
	if err != nil {
		return writeFault("append to the blob", name, err)
	}
	err = appendAt(f, name, offset, p)
	return cmp.Or(err, writeFault("append to the blob", name, f.Close()))
}

func (d *Dir) openAppend(name string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE
	f, err := d.data.OpenFile(name, flags, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := d.data.MkdirAll(path.Dir(name), 0o700); err != nil {
		return nil, err
	}
	return d.data.OpenFile(name, flags, 0o600)
}

func appendAt(f *os.File, name string, offset int64, p []byte) error {
	info, err := f.Stat()
	if err != nil {
		return writeFault("append to the blob", name, err)
	}
	end := info.Size()
	if offset > end {
		return &fault.Error{
			Code: fault.Conflict, Reason: "OffsetGap", What: fmt.Sprintf("cannot append to the blob %q", name),
			Why: fmt.Sprintf("it ends at byte %d, and the bytes start at %d", end, offset),
			Fix: fmt.Sprintf("send the bytes from offset %d", end),
		}
	}
	have := min(end-offset, int64(len(p)))
	_, err = f.WriteAt(p[have:], offset+have)
	return writeFault("append to the blob", name, err)
}

// Sync makes all that was appended to a blob last through a power cut, with the folders that lead
// to it. It fails with fault.NotFound. Call it when a log is complete: Append itself syncs nothing.
func (d *Dir) Sync(ctx context.Context, name string) error {
	if err := cmp.Or(checkName(name), ctx.Err()); err != nil {
		return err
	}
	for p := name; ; p = path.Dir(p) {
		if err := syncFile(d.data, p); err != nil {
			return readFault("sync the blob", name, err)
		}
		if p == "." {
			return nil
		}
	}
}

// Open returns a reader that is an io.ReadSeeker too. A blob that grows while it is open is read
// to its newest end.
func (d *Dir) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	if err := cmp.Or(checkName(name), checkOffset(name, offset), ctx.Err()); err != nil {
		return nil, err
	}
	f, err := d.data.Open(name)
	if err != nil {
		return nil, readFault("open the blob", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err == nil && offset > 0 {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(readFault("open the blob", name, err), f.Close())
	}
	return f, nil
}

// Size returns a blob's length in bytes.
func (d *Dir) Size(ctx context.Context, name string) (int64, error) {
	if err := cmp.Or(checkName(name), ctx.Err()); err != nil {
		return 0, err
	}
	info, err := d.data.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return 0, readFault("look up the blob", name, err)
	}
	return info.Size(), nil
}

// Delete removes a blob. Its folder stays.
func (d *Dir) Delete(ctx context.Context, name string) error {
	if err := cmp.Or(checkName(name), ctx.Err()); err != nil {
		return err
	}
	info, err := d.data.Lstat(name)
	if err == nil && info.IsDir() {
		return nil // no blob of that name
	}
	if err == nil {
		err = d.data.Remove(name)
	}
	if err == nil {
		err = syncFile(d.data, path.Dir(name))
	}
	if isAbsent(err) {
		return nil
	}
	return writeFault("delete the blob", name, err)
}

// List passes over blobs that come or go while it runs; it sees all others.
func (d *Dir) List(ctx context.Context, prefix string, visit func(name string, size int64) error) error {
	dir := strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		dir = "."
	} else if dir == prefix {
		return invalidName(prefix, "a prefix ends in a slash")
	} else if err := checkName(dir); err != nil {
		return err
	}
	return fs.WalkDir(d.data.FS(), dir, func(name string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		switch {
		case isAbsent(err):
			return nil
		case err != nil:
			return readFault("list the blobs below", prefix, err)
		case !info.Mode().IsRegular():
			return nil
		}
		return visit(name, info.Size())
	})
}

// syncFile syncs a file or a folder.
func syncFile(r *os.Root, name string) error {
	f, err := r.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// source reads r until ctx ends, and keeps its error apart from those of the disk.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = context.Cause(s.ctx); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
