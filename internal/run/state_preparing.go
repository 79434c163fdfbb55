package run

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// buildPoll is how often a run looks at the build that it waits for, if nobody wakes it.
const buildPoll = time.Second

// prepare waits until the run's environment is built, and then puts the run into the queue.
func (s *Service) prepare(ctx context.Context, r Run) (step, error) {
	if r.Status.Cancel {
		return s.moveTo(ctx, r, CancelRequested, nil)
	}
	b, err := s.build(ctx, r)
	if err != nil {
		return step{}, err
	}
	switch b.Status.State {
	case driver.BuildDone:
		return s.enqueue(ctx, r, b)
	case driver.BuildFailed:
		return step{}, buildFault(r, b)
	}
	if _, err := s.moveTo(ctx, r, Preparing, func(r *Run) {
		r.setCondition(Condition{Type: "Environment", Reason: "Building", Message: "the environment " + r.Spec.Environment + " is being built"})
	}); err != nil {
		return step{}, err
	}
	s.awaitBuild(b, r.Key())
	return step{after: buildPoll}, nil
}

// awaitBuild has a run woken when a build ends. There is one watch per build, however many runs
// wait for it.
func (s *Service) awaitBuild(b environment.Build, run store.Key) {
	if !s.builds.add(b.Subject(), run) || s.ctx.Err() != nil {
		return
	}
	changed, stop := s.Events.Subscribe(b.TargetKey.Workspace, b.Subject())
	s.wg.Go(func() {
		defer stop()
		for s.ctx.Err() == nil {
			now, err := s.Environments.Builds.Get(s.ctx, b.Key())
			if err != nil || now.Status.State != driver.BuildRunning {
				break
			}
			select {
			case <-changed:
			case <-time.After(buildPoll):
			case <-s.ctx.Done():
			}
		}
		for _, k := range s.builds.take(b.Subject()) {
			if err := s.wake(s.ctx, k); err != nil {
				s.Log.DebugContext(s.ctx, "run not woken", "run", k.Name, "err", err)
			}
		}
	})
}

// waiting knows which runs wait for which build.
type waiting struct {
	mu   sync.Mutex
	runs map[string][]store.Key // by the build's subject
}

// add reports whether the run is the first that waits for the build.
func (w *waiting) add(build string, run store.Key) (first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first = w.runs[build] == nil
	if !slices.Contains(w.runs[build], run) {
		w.runs[build] = append(w.runs[build], run)
	}
	return first
}

func (w *waiting) take(build string) []store.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.runs[build]
	delete(w.runs, build)
	return out
}

func (s *Service) build(ctx context.Context, r Run) (environment.Build, error) {
	e, err := s.Environments.Get(ctx, r.Workspace, r.Spec.Environment)
	if err != nil {
		return environment.Build{}, err
	}
	t, err := s.Computes.Get(ctx, r.TargetKey())
	if err != nil {
		return environment.Build{}, err
	}
	return s.Environments.Ensure(ctx, r.Spec.Digest, e.Definition, t, r.Created)
}

// rebuild has the run's environment built again, which its target no longer has.
func (s *Service) rebuild(ctx context.Context, r Run) error {
	b, err := s.build(ctx, r)
	if err != nil {
		return err
	}
	return s.Environments.Missing(ctx, b)
}

func buildFault(r Run, b environment.Build) error {
	fix := b.Status.Fix
	if fix == "" {
		fix = "read the build's log; run: zaffre environment build " + r.Spec.Environment
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: b.Status.Reason, What: "the run failed",
		Why: fmt.Sprintf("its environment %s: %s", r.Spec.Environment, b.Status.Message), Fix: fix,
	}
}

func (s *Service) enqueue(ctx context.Context, r Run, b environment.Build) (step, error) {
	_, err := s.Runs.Update(ctx, r.Key(), func(r *Run) ([]store.Effect, error) {
		if r.Status.State != NotStarted && r.Status.State != Preparing {
			return nil, nil
		}
		for _, w := range b.Status.Warnings {
			r.Status.Warnings = with(r.Status.Warnings, w)
		}
		if !b.Started.Before(r.Created) {
			r.setCondition(Condition{Type: "Environment", OK: true, Reason: "Built", Message: "the environment was built by " + b.Status.Way + " with Python " + b.Status.Python})
		}
		moved, err := r.move(Queued)
		return append(moved, wakePlacement(*r)), err
	})
	return step{}, err // placement wakes it
}

// moveTo moves a run that is still in the state in which it was read.
func (s *Service) moveTo(ctx context.Context, was Run, next State, also func(*Run)) (step, error) {
	_, err := s.Runs.Update(ctx, was.Key(), func(r *Run) ([]store.Effect, error) {
		if r.Status.State != was.Status.State {
			return nil, nil
		}
		if also != nil {
			also(r)
		}
		return r.move(next)
	})
	return step{again: true}, err
}
