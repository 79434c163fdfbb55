package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// The files of a build's folder, beside lock and log.
const (
	buildFile  = "build.json"
	resultFile = "result.json"
)

// build starts a build or finds it. One that failed is started anew. As with a job, the lock is
// taken first and handed on, so that a digest is built once.
func (s *server) build(b wire.Build) (out wire.Empty, err error) {
	dir, err := s.buildFolder(b.Digest)
	if err != nil {
		return out, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return out, diskFault("build the environment", err)
	}
	lock, err := lockOf(dir)
	if err != nil || lock == nil {
		return out, err
	}
	defer lock.Close()
	r, err := s.result(dir)
	if err != nil || r.State == wire.BuildDone {
		return out, err
	}
	if r.State != wire.BuildRunning { // one that lost its builder goes on where it was
		for _, n := range []string{resultFile, logFile} {
			if err := os.RemoveAll(filepath.Join(dir, n)); err != nil {
				return out, diskFault("build the environment", err)
			}
		}
		if err := writeJSON(filepath.Join(dir, buildFile), b); err != nil {
			return out, diskFault("build the environment", err)
		}
	}
	return out, s.spawn("build", dir, lock)
}

func (s *server) buildFolder(digest string) (string, error) {
	if !validHash(digest) {
		return "", invalid("the environment's digest is none")
	}
	return filepath.Join(s.root, buildsDir, digest), nil
}

// result reads how a build stands. One whose environment was taken away is none.
func (s *server) result(dir string) (r wire.BuildResult, err error) {
	ok, err := readJSON(filepath.Join(dir, resultFile), &r)
	switch {
	case err != nil:
		return r, diskFault("read the build", err)
	case ok && r.State == wire.BuildDone && gone(r):
		return wire.BuildResult{State: wire.BuildMissing}, nil
	case ok:
		return r, nil
	case exists(filepath.Join(dir, buildFile)):
		return wire.BuildResult{State: wire.BuildRunning}, nil
	}
	return wire.BuildResult{State: wire.BuildMissing}, nil
}

// gone reports whether what a build made is no longer there. Where Docker does not answer, nobody knows.
func gone(r wire.BuildResult) bool {
	if r.Image == "" {
		return !exists(r.Interpreter())
	}
	there, err := envbuild.ImageThere(context.Background(), r.Image)
	return err == nil && !there
}

func (s *server) buildStatus(ref wire.BuildRef) (wire.BuildResult, error) {
	dir, err := s.buildFolder(ref.Digest)
	if err != nil {
		return wire.BuildResult{}, err
	}
	r, err := s.result(dir)
	if err == nil && r.State == wire.BuildRunning {
		s.ensureVerb("build", dir)
	}
	return r, err
}

// buildLog sends a build's log until the build has ended.
func (s *server) buildLog(c *call, ref wire.BuildRef) error {
	dir, err := s.buildFolder(ref.Digest)
	if err != nil {
		return err
	}
	if !exists(filepath.Join(dir, buildFile)) {
		return notFound("BuildUnknown", "the build has no log", "the machine has no record of it")
	}
	return s.tail(c, tailed{
		name: ref.Digest, file: filepath.Join(dir, logFile), offset: ref.Offset,
		complete: func() bool {
			r, err := s.result(dir)
			return err != nil || r.State != wire.BuildRunning
		},
	})
}

// buildMain builds the environment of dir, as the supervisor of a job watches over the job.
func buildMain(dir string) int {
	syscall.CloseOnExec(lockFD)
	if !holdsLock(lockFD, filepath.Join(dir, lockFile)) {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := runBuild(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "build", filepath.Base(dir), err)
		return 1
	}
	return 0
}

func runBuild(ctx context.Context, dir string) error {
	var b wire.Build
	if ok, err := readJSON(filepath.Join(dir, buildFile), &b); err != nil || !ok {
		return errors.Join(errors.New("no build"), err)
	}
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	r := envbuild.RunWith(ctx, rootOf(dir), b, log, asker{rootOf(dir), b.Digest})
	if ctx.Err() != nil {
		return context.Cause(ctx) // the machine stops: the next builder goes on
	}
	if err := writeJSON(filepath.Join(dir, resultFile), r); err != nil {
		return err
	}
	tell(rootOf(dir), filepath.Base(dir))
	return nil
}
