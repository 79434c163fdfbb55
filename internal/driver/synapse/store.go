package synapse

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// hostStore is our folder on the machine of another target.
type hostStore struct {
	fs   driver.FS
	root string
}

func (h *hostStore) at(name string) string { return path.Join(h.root, name) }

func (h *hostStore) Put(ctx context.Context, name string, open func() (io.ReadCloser, error), _ int64) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	return h.fs.WriteFile(ctx, h.at(name), 0o644, r)
}

func (h *hostStore) Read(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	return h.fs.OpenFile(ctx, h.at(name), offset)
}

func (h *hostStore) List(ctx context.Context, folder string) ([]launchx.Entry, error) {
	list, err := h.fs.ReadDir(ctx, h.at(folder))
	return entries(list), err
}

func (h *hostStore) Remove(ctx context.Context, name string) error {
	return h.fs.RemoveAll(ctx, h.at(name))
}

// entries are those of a folder that are whole: the launcher and we write beside the name first.
func entries(list []fs.FileInfo) []launchx.Entry {
	var out []launchx.Entry
	for _, fi := range list {
		if !strings.HasSuffix(fi.Name(), partSuffix) {
			out = append(out, launchx.Entry{Name: fi.Name(), Size: fi.Size(), Folder: fi.IsDir()})
		}
	}
	slices.SortFunc(out, func(a, b launchx.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

const partSuffix = ".part"

// localStore is our folder on the server's machine, in one that the pool sees too. That one must be there: its mode
// says who shares it, and holds for all that we put there. Links out of it are not followed, since others write there.
type localStore struct {
	folder string
	sub    string
}

func (l *localStore) within(do func(*os.Root) error) error {
	root, err := os.OpenRoot(l.folder)
	if err != nil {
		return l.fault(err, "")
	}
	defer root.Close()
	return do(root)
}

func (l *localStore) Put(_ context.Context, name string, open func() (io.ReadCloser, error), _ int64) error {
	return l.within(func(root *os.Root) error {
		r, err := open()
		if err != nil {
			return err
		}
		defer r.Close()
		return l.fault(put(root, path.Join(l.sub, name), r), name)
	})
}

func put(root *os.Root, name string, r io.Reader) error {
	fi, err := root.Stat(".")
	if err != nil {
		return err
	}
	mode := fi.Mode().Perm()
	if err := makeFolders(root, path.Dir(name), mode); err != nil {
		return err
	}
	part := name + "." + rand.Text() + partSuffix
	f, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode&0o666)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	err = errors.Join(err, f.Chmod(mode&0o666), f.Close())
	if err == nil {
		err = root.Rename(part, name)
	}
	if err != nil {
		_ = root.Remove(part)
	}
	return err
}

// makeFolders makes what is not there, whatever the umask.
func makeFolders(root *os.Root, name string, mode fs.FileMode) error {
	if name == "." {
		return nil
	}
	err := root.Mkdir(name, mode)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeFolders(root, path.Dir(name), mode); err == nil {
			err = root.Mkdir(name, mode)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return root.Chmod(name, mode)
}

func (l *localStore) Read(_ context.Context, name string, offset int64) (r io.ReadCloser, err error) {
	err = l.within(func(root *os.Root) error {
		f, err := root.Open(path.Join(l.sub, name))
		if err == nil {
			_, err = f.Seek(offset, io.SeekStart)
		}
		r = f
		return l.fault(err, name)
	})
	return r, err
}

func (l *localStore) List(_ context.Context, folder string) (out []launchx.Entry, err error) {
	err = l.within(func(root *os.Root) error {
		d, err := root.Open(path.Join(l.sub, folder))
		if err != nil {
			return l.fault(err, path.Join(l.sub, folder))
		}
		defer d.Close()
		list, err := d.Readdir(0)
		out = entries(list)
		return l.fault(err, path.Join(l.sub, folder))
	})
	return out, err
}

func (l *localStore) Remove(_ context.Context, name string) error {
	return l.within(func(root *os.Root) error { return l.fault(root.RemoveAll(path.Join(l.sub, name)), name) })
}

// fault says what is wrong with a file, or with the whole folder where name is "".
func (l *localStore) fault(err error, name string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && name == "":
		return folderFault(fault.Unavailable, "FolderMissing", "the folder "+l.folder+" is not there on the server's machine",
			"make it, for the server's user and the pool's; or detach and attach with another --folder", err)
	case errors.Is(err, fs.ErrNotExist):
		return folderFault(fault.NotFound, "FileNotFound", "it has no "+name, "submit the run again; run: zaffre run submit --help", err)
	case errors.Is(err, fs.ErrPermission):
		return folderFault(fault.Precondition, "FolderUnwritable", "the server's user may not write in "+l.folder, "let a group of the server's user and the pool's write there: chmod 2770 "+l.folder, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return folderFault(fault.Exhausted, "DiskFull", "no space is left in "+l.folder, "free space there", err)
	}
	return folderFault(fault.Unavailable, "FolderUnusable", "it cannot be used now: "+l.folder, "look at it on the server's machine; run: zaffre compute check NAME", err)
}

func folderFault(code fault.Code, reason, why, fix string, err error) error {
	return &fault.Error{Code: code, Reason: reason, What: "the folder that the pool shares cannot be used", Why: why, Fix: fix, Err: err}
}
