package envbuild

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	envsFolder = "envs"
	markerFile = "zaffre.json" // written last: what Run answered
	trashName  = "env.trash-"
	lockSuffix = ".lock"
)

var digestForm = lazy(`^[0-9A-Za-z][0-9A-Za-z_-]{0,127}$`)

func validDigest(d string) bool { return digestForm().MatchString(d) }

func invalidDigest(d string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "BuildInvalid", What: "cannot build the environment",
		Why: fmt.Sprintf("%q is not a digest", d), Fix: "give the digest of the definition",
	}
}

func unwritable(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return diskFull(err.Error())
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "EnvironmentUnwritable", What: "cannot build the environment",
		Why: err.Error(), Fix: "make the agent's folder writable for its user",
	}
}

func (b *build) prefix() string { return Prefix(b.root, b.Digest) }

// Prefix returns the folder of an environment, built or not.
func Prefix(root, digest string) string { return filepath.Join(root, envsFolder, digest, "env") }

// Built returns the result of a finished build of the digest, and false where there is none.
func Built(root, digest string) (wire.BuildResult, bool) {
	var r wire.BuildResult
	if !validDigest(digest) {
		return r, false
	}
	text, err := os.ReadFile(filepath.Join(Prefix(root, digest), markerFile))
	if err != nil || json.Unmarshal(text, &r) != nil || r.State != wire.BuildDone {
		return r, false
	}
	if r.Image != "" {
		there, err := ImageThere(context.Background(), r.Image)
		return r, there && err == nil
	}
	if _, err := os.Stat(r.Python); err != nil { // a link whose interpreter is gone
		return r, false
	}
	return r, true
}

// Touch notes that the environment is used now, so that Prune keeps it.
func Touch(root, digest string) {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(Prefix(root, digest), markerFile), now, now)
}

// Used returns when an environment was last used or built; zero if there is none.
func Used(root, digest string) (t time.Time) {
	if info, err := os.Stat(filepath.Join(Prefix(root, digest), markerFile)); err == nil {
		t = info.ModTime()
	}
	return t
}

func (b *build) built() (wire.BuildResult, bool) {
	r, ok := Built(b.root, b.Digest)
	if ok {
		b.log.printf("It is built already: Python %s in %s.", r.Version, cmp.Or(r.Image, r.Prefix))
		Touch(b.root, b.Digest)
	}
	return r, ok
}

// seal writes the marker.
func (b *build) seal(r wire.BuildResult) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(b.prefix(), markerFile), text)
}

// writeWhole makes the file appear whole or not at all.
func writeWhole(name string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// discard removes an environment. It is out of the way first and deleted then, so that no half of
// it is ever taken for a whole.
func discard(prefix string) error {
	if _, err := os.Lstat(prefix); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	trash, err := os.MkdirTemp(filepath.Dir(prefix), trashName)
	if err != nil {
		return err
	}
	if err := os.Rename(prefix, filepath.Join(trash, "env")); err != nil {
		return err
	}
	return os.RemoveAll(trash)
}

// lockInterval is how often a held lock is tried again.
const lockInterval = 50 * time.Millisecond

// lock takes an flock; waiting is called once if it is held.
func lock(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	_, unlock, err = hold(ctx, name, waiting)
	return unlock, err
}

// hold is lock, with the file that a program may inherit. The file stays: removing it would let two processes hold
// two locks of one name.
func hold(ctx context.Context, name string, waiting func()) (held *os.File, unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, unwritable(err)
	}
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, func() { release(f) }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, nil, unwritable(err)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, nil, context.Cause(ctx)
		case <-time.After(lockInterval):
		}
	}
}

// release gives the lock back, whoever inherited it.
func release(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	f.Close()
}

// tryLock takes an flock that nobody holds.
func tryLock(name string) (unlock func(), ok bool) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return nil, false
	}
	return func() { f.Close() }, true
}
