package secret

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// maxKeyFile bounds what is read: a key takes about 200 bytes.
const maxKeyFile = 1 << 20

func readKeys(path string) (*box, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, keyIO("read", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, keyIO("read", path, err)
	}
	if err := checkMode(path, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, keyIO("read", path, err)
	}
	b, err := decode(text)
	if err != nil { // its text may quote the file: it goes nowhere
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "KeyFileDamaged", What: fmt.Sprintf("cannot read the key file %q", path),
			Why: "it is not a set of keys in tink's JSON form", Fix: "restore it from a backup: without it the stored secrets cannot be opened",
		}
	}
	return b, nil
}

func checkMode(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "KeyFileOpen", What: fmt.Sprintf("refuse to use the key file %q", path),
		Why: fmt.Sprintf("its mode is %s, so others than its owner can use it", info.Mode()),
		Fix: "run: chmod 600 " + quoteArg(path),
	}
}

// createKeys makes the key file unless there is one by the time it is written.
func createKeys(path string) error {
	b, err := rotated(nil)
	if err != nil {
		return err
	}
	temp, err := writeTemp(path, b)
	if err != nil {
		return keyIO("make", path, err)
	}
	err = os.Link(temp, path)
	if errors.Is(err, fs.ErrExist) {
		err = nil // another was first
	}
	if err = cmp.Or(err, os.Remove(temp), syncDir(filepath.Dir(path))); err != nil {
		return keyIO("make", path, err)
	}
	return nil
}

func writeKeys(path string, b *box) error {
	temp, err := writeTemp(path, b)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(path))
}

func writeTemp(path string, b *box) (string, error) {
	text, err := b.encode()
	if err != nil {
		return "", err
	}
	temp := path + "." + rand.Text() + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	err = cmp.Or(err, f.Sync())
	if err = cmp.Or(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp))
	}
	return temp, nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// quoteArg quotes s for a POSIX shell.
func quoteArg(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// lock holds path for this process until unlock; the kernel lets go of it if we die.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func keyIO(doing, path string, err error) error {
	what := fmt.Sprintf("cannot %s the key file %q", doing, path)
	if errors.Is(err, fs.ErrNotExist) {
		return &fault.Error{
			Code: fault.NotFound, Reason: "KeyFileMissing", What: what, Why: "there is no such file",
			Fix: "restore it from the backup that the database came from", Err: err,
		}
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "KeyFileUnavailable", What: what, Why: "the file system refused",
		Fix: "look at the folder's owner, permissions and free space, then try again", Err: err,
	}
}
