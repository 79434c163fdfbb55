// Package uvx is the server's own uv: machines without one are given it, and it knows which package indexes
// this server uses. Nothing of a user's runs here: uv is asked for wheels and for its settings only.
package uvx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Store keeps uv in a folder of the server, which several processes may share.
type Store struct {
	dir string

	mu    sync.Mutex
	index *Index
	until time.Time // as long index is taken as it is
	asked sync.Once
	set   map[string]string // see settings
}

// New returns a Store that keeps what it has in dir, which is made when it is needed. "" keeps nothing: every
// call fails.
func New(dir string) *Store { return &Store{dir: dir} }

// File is a program for one architecture.
type File struct {
	Path string
	Hash string // SHA-256 in lower-case hex
	Size int64
}

// platform is uv's name of an architecture; musl: a static binary, for any Linux.
func platform(arch string) string {
	switch arch {
	case "amd64":
		return "x86_64-unknown-linux-musl"
	case "arm64":
		return "aarch64-unknown-linux-musl"
	}
	return ""
}

// Binary returns uv for an architecture. It is downloaded once; where it cannot be, the server's own will do
// for machines like it.
func (s *Store) Binary(ctx context.Context, arch string) (File, error) {
	name := filepath.Join(s.dir, "uv-"+arch)
	if f, err := describe(name); err == nil {
		return f, nil
	}
	unlock, err := s.lock()
	if err != nil {
		return File{}, err
	}
	defer unlock()
	if f, err := describe(name); err == nil { // of another who was here first
		return f, nil
	}
	native, err := s.native(ctx)
	if err != nil {
		return File{}, err
	}
	if err = s.download(ctx, native, arch, name); err == nil {
		return describe(name)
	}
	if arch == runtime.GOARCH && runtime.GOOS == "linux" {
		return describe(native)
	}
	return File{}, missing(fmt.Sprintf("uv for %s cannot be downloaded: %v", arch, err), err)
}

// describe reads what a program is.
func describe(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return File{Path: name, Hash: hex.EncodeToString(h.Sum(nil)), Size: n}, err
}

// download gets uv from the index, by uv.
func (s *Store) download(ctx context.Context, native, arch, name string) error {
	if platform(arch) == "" {
		return errors.New("no uv is made for it")
	}
	tmp, err := os.MkdirTemp(s.dir, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	_, err = s.run(ctx, "", native, "pip", "install", "--quiet", "--no-config", "--target", tmp, "--python-platform", platform(arch),
		"--only-binary", ":all:", "--no-deps", "uv")
	if err != nil {
		return err
	}
	return os.Rename(filepath.Join(tmp, "bin", "uv"), name)
}

// native returns a uv that runs here: one that is installed, else one that pip installs into the folder.
func (s *Store) native(ctx context.Context) (string, error) {
	if uv, err := exec.LookPath("uv"); err == nil {
		if real, err := filepath.EvalSymlinks(uv); err == nil {
			return real, nil
		}
	}
	uv := filepath.Join(s.dir, "native", "bin", "uv")
	if _, err := os.Stat(uv); err == nil {
		return uv, nil
	}
	failed := errors.New("there is no python3 with pip")
	for _, python := range []string{"python3", "/usr/bin/python3", "/usr/local/bin/python3"} {
		if _, err := exec.LookPath(python); err != nil {
			continue
		}
		if failed = s.install(ctx, python); failed == nil {
			return uv, nil
		}
	}
	return "", missing("the server has none itself, and could not install one: "+failed.Error(), failed)
}

// install has pip put uv into the folder; an interpreter without pip makes an environment that has it.
func (s *Store) install(ctx context.Context, python string) error {
	tmp := filepath.Join(s.dir, "native.new")
	pip := []string{"-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--only-binary", ":all:"}
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	_, err := s.run(ctx, "", python, append(pip, "--target", tmp, "uv")...)
	if err != nil {
		if _, venv := s.run(ctx, "", python, "-m", "venv", tmp); venv != nil {
			return err
		}
		if _, err = s.run(ctx, "", filepath.Join(tmp, "bin", "python"), append(pip, "uv")...); err != nil {
			return err
		}
	}
	to := filepath.Join(s.dir, "native")
	return errors.Join(os.RemoveAll(to), os.Rename(tmp, to))
}

// lock keeps others from making the same files.
func (s *Store) lock() (unlock func(), err error) {
	if s.dir == "" {
		return nil, missing("the server has no folder to keep one in", nil)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, missing(err.Error(), err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, missing(err.Error(), err)
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, missing(err.Error(), err)
	}
	return func() { f.Close() }, nil
}

func missing(why string, err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ServerUvMissing", What: "the server has no uv to give to the machine", Why: why,
		Fix: "put uv on the server's PATH, or see that its python3 has pip and reaches a package index", Err: err,
	}
}

// Command returns a command of a uv that runs here, with the server's settings for indexes and certificates. Its packages
// are kept in the folder, unless UV_CACHE_DIR names another. The caller says where its output goes.
func (s *Store) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	uv, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, uv, args...)
	cmd.Dir, cmd.WaitDelay = s.dir, time.Second
	cmd.Env = append(os.Environ(), "UV_NO_PROGRESS=1", "NO_COLOR=1")
	if os.Getenv("UV_CACHE_DIR") == "" {
		cmd.Env = append(cmd.Env, "UV_CACHE_DIR="+filepath.Join(s.dir, "cache"))
	}
	for k, v := range s.settings(ctx) {
		if v != "" {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	return cmd, nil
}

// ready is native, in the folder that others may be making it in.
func (s *Store) ready(ctx context.Context) (string, error) {
	unlock, err := s.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	return s.native(ctx)
}
