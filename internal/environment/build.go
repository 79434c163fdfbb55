package environment

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Build has an environment built on a target, or finds the build. One that failed is built anew.
func (s *Service) Build(ctx context.Context, workspace, ref string, target store.Key) (Build, error) {
	if err := identity.Require(ctx, workspace, identity.Contributor); err != nil {
		return Build{}, err
	}
	e, err := s.Get(ctx, workspace, ref)
	if err != nil {
		return Build{}, err
	}
	t, err := s.Computes.Get(ctx, target)
	if err != nil {
		return Build{}, err
	}
	return s.Ensure(ctx, e.Digest, e.Definition, t, time.Now())
}

// Ensure returns the build of a definition on a target, and starts it if there is none. A build
// that failed before asked is started anew: what failed for others may work now.
func (s *Service) Ensure(ctx context.Context, digest string, d driver.Definition, t compute.Target, asked time.Time) (Build, error) {
	builds, err := s.builds(ctx, t)
	if err != nil {
		return Build{}, err
	}
	if !builds {
		return Build{}, &fault.Error{
			Code: fault.Unsupported, Reason: "EnvironmentUnsupported", What: "the environment cannot be used on " + t.Name,
			Why: "it is a target of kind " + t.Kind + ", and builds no environments", Fix: "submit without an environment, or to another target",
		}
	}
	b := Build{Digest: digest, Target: t.ID, TargetKey: t.Key(), Definition: d, Status: driver.BuildStatus{State: driver.BuildRunning}, Started: time.Now()}
	old, err := s.Builds.Get(ctx, b.Key())
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		if err = s.Builds.Insert(ctx, b, wake(b)); fault.CodeOf(err) == fault.Exists {
			return s.Builds.Get(ctx, b.Key())
		}
		return b, err
	case err != nil || old.Status.State != driver.BuildFailed || !old.Ended.Before(asked):
		return old, err
	}
	return s.Builds.Update(ctx, b.Key(), func(now *Build) ([]store.Effect, error) {
		if now.Status.State != driver.BuildFailed || !now.Ended.Before(asked) {
			return nil, nil
		}
		*now = b
		return []store.Effect{wake(b)}, nil
	})
}

// BuildsOn reports whether a target builds environments.
func (s *Service) BuildsOn(ctx context.Context, target store.Key) (bool, error) {
	t, err := s.Computes.Get(ctx, target)
	if err != nil {
		return false, err
	}
	return s.builds(ctx, t)
}

// builds asks the connection too: others of the target's kind may build environments where it does not. One that
// cannot be made now is no reason to refuse: the build tells.
func (s *Service) builds(ctx context.Context, t compute.Target) (bool, error) {
	kind, err := s.Computes.Kind(t.Kind)
	if err != nil || !driver.Can[driver.EnvBuilder](kind) {
		return false, err
	}
	err = s.Computes.Use(ctx, t, func(c driver.Conn) error {
		_, err := driver.As[driver.EnvBuilder](c)
		return err
	})
	return fault.ReasonOf(err) != "CapabilityMissing", nil
}

func wake(b Build) store.Effect { return store.Wake{Kind: WorkKind, ID: b.Key().String()} }

// Missing forgets a finished build whose environment is no longer on the target, so that it is
// built anew.
func (s *Service) Missing(ctx context.Context, b Build) error {
	_, err := s.Builds.Update(ctx, b.Key(), func(now *Build) ([]store.Effect, error) {
		if now.Status.State != driver.BuildDone {
			return nil, nil
		}
		now.Status, now.Started, now.Ended, now.Handed = driver.BuildStatus{State: driver.BuildRunning}, time.Now(), time.Time{}, false
		return []store.Effect{wake(*now)}, nil
	})
	return err
}

// BuildOf returns the build of an environment on a target; one that nobody asked for has the state
// BuildMissing.
func (s *Service) BuildOf(ctx context.Context, workspace, ref string, target store.Key) (Build, error) {
	e, err := s.Get(ctx, workspace, ref)
	if err != nil {
		return Build{}, err
	}
	t, err := s.Computes.Get(ctx, target)
	if err != nil {
		return Build{}, err
	}
	b, err := s.Builds.Get(ctx, store.Key{Workspace: t.ID, Name: e.Digest})
	if fault.CodeOf(err) == fault.NotFound {
		return Build{Digest: e.Digest, Target: t.ID, TargetKey: target, Status: driver.BuildStatus{State: driver.BuildMissing}}, nil
	}
	return b, err
}

const (
	buildSoon  = 20 * time.Millisecond // between looks at a young build
	buildLater = time.Second
	callWithin = 20 * time.Second // one call to a target
)

// Reconcile moves one build: starts it on its target, and records its end with its log.
func (s *Service) Reconcile(ctx context.Context, id string) (reconcile.Result, error) {
	ctx = identity.System(ctx)
	b, err := s.Builds.Get(ctx, store.ParseKey(id))
	if fault.CodeOf(err) == fault.NotFound || err == nil && b.Status.State != driver.BuildRunning {
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	status, err := s.advance(ctx, b)
	switch {
	case fault.Retryable(err):
		return reconcile.Result{}, err
	case err != nil:
		f := fault.From(err)
		status = driver.BuildStatus{State: driver.BuildFailed, Reason: f.Reason, Message: f.Why, Fix: f.Fix}
	case status.State == driver.BuildRunning:
		if time.Since(b.Started) < 5*time.Second {
			return reconcile.Result{After: buildSoon}, nil
		}
		return reconcile.Result{After: buildLater}, nil
	}
	return reconcile.Result{}, s.finish(ctx, b, status)
}

// advance starts the build or looks at it, and keeps the log of one that ended.
func (s *Service) advance(ctx context.Context, b Build) (status driver.BuildStatus, err error) {
	t, err := s.Computes.Get(ctx, b.TargetKey)
	if err != nil {
		return status, err
	}
	err = s.Computes.Use(ctx, t, func(c driver.Conn) error {
		ctx, cancel := context.WithTimeoutCause(ctx, callWithin, context.DeadlineExceeded)
		defer cancel()
		builder, err := driver.As[driver.EnvBuilder](c)
		if err != nil {
			return err
		}
		if status, err = builder.BuildStatus(ctx, b.Digest); err != nil {
			return err
		}
		if status.State == driver.BuildMissing || status.State == driver.BuildFailed && !b.Handed {
			if err := builder.Build(ctx, b.Digest, b.Definition); err != nil {
				return err
			}
			if status, err = builder.BuildStatus(ctx, b.Digest); err != nil {
				return err
			}
			return s.handed(ctx, b)
		}
		if status.State == driver.BuildRunning {
			return s.handed(ctx, b)
		}
		return s.keepLog(ctx, builder, b)
	})
	return status, err
}

// handed records that this build was given to its target: a failure seen there before that is the
// failure of an earlier one. Dying before it costs one more build at most.
func (s *Service) handed(ctx context.Context, b Build) error {
	if b.Handed {
		return nil
	}
	_, err := s.Builds.Update(ctx, b.Key(), func(now *Build) ([]store.Effect, error) {
		now.Handed = now.Handed || now.Started.Equal(b.Started)
		return nil, nil
	})
	return err
}

func logName(b Build) string { return "builds/" + b.Target + "/" + b.Digest + "/log.txt" }

func (s *Service) keepLog(ctx context.Context, builder driver.EnvBuilder, b Build) error {
	r, err := builder.BuildLog(ctx, b.Digest, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = s.Blobs.Put(ctx, logName(b), r)
	return err
}

func (s *Service) finish(ctx context.Context, b Build, status driver.BuildStatus) error {
	_, err := s.Builds.Update(ctx, b.Key(), func(now *Build) ([]store.Effect, error) {
		if !now.Started.Equal(b.Started) || now.Status.State != driver.BuildRunning {
			return nil, nil
		}
		now.Status, now.Ended = status, time.Now()
		return []store.Effect{store.Emit{
			Workspace: b.TargetKey.Workspace, Subject: b.Subject(), Type: "build." + string(status.State), Actor: "system",
			Data: map[string]string{"way": status.Way, "reason": status.Reason},
		}}, nil
	})
	return err
}

// OpenLog opens a build's log at a byte offset. follow keeps it open while the build goes on.
func (s *Service) OpenLog(ctx context.Context, workspace, ref string, target store.Key, offset int64, follow bool) (io.ReadCloser, error) {
	b, err := s.BuildOf(ctx, workspace, ref, target)
	if err != nil {
		return nil, err
	}
	if b.Status.State != driver.BuildRunning {
		r, err := s.Blobs.Open(ctx, logName(b), offset)
		if fault.CodeOf(err) == fault.NotFound {
			return io.NopCloser(bytes.NewReader(nil)), nil
		}
		return r, err
	}
	return s.openLive(ctx, b, offset, follow)
}

// openLive reads the log from the target, which pushes it until the build ends.
func (s *Service) openLive(ctx context.Context, b Build, offset int64, follow bool) (io.ReadCloser, error) {
	t, err := s.Computes.Get(identity.System(ctx), b.TargetKey)
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	ctx, cancel := context.WithCancelCause(ctx)
	if !follow {
		time.AfterFunc(time.Second, func() { cancel(nil) })
	}
	go func() {
		pw.CloseWithError(ignoreCanceled(ctx, s.Computes.Use(ctx, t, func(c driver.Conn) error {
			builder, err := driver.As[driver.EnvBuilder](c)
			if err != nil {
				return err
			}
			r, err := builder.BuildLog(ctx, b.Digest, offset)
			if err != nil {
				return err
			}
			defer r.Close()
			stop := context.AfterFunc(ctx, func() { r.Close() })
			defer stop()
			_, err = io.Copy(pw, r)
			return err
		})))
		cancel(nil)
	}()
	return &liveLog{pr, cancel}, nil
}

func ignoreCanceled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type liveLog struct {
	*io.PipeReader
	cancel context.CancelCauseFunc
}

func (l *liveLog) Close() error {
	l.cancel(nil)
	return l.PipeReader.Close()
}
