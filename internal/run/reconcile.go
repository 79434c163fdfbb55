package run

import (
	"context"
	"errors"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
	"github.com/zaffre-ml/zaffre/internal/store"
)

const (
	callWithin = 20 * time.Second       // one call to a target
	pollEvery  = time.Second            // for targets that cannot tell of changes
	pollAgain  = 100 * time.Millisecond // for jobs whose target waits for another Start
	pollRarely = 5 * time.Second        // for those that can
	maxSteps   = 10                     // of one Reconcile
)

// step is what the Func of one state decides: go on at once, or look again after a while. Zero:
// when woken.
type step struct {
	again bool
	after time.Duration
}

// Reconcile moves a run as far as it goes without waiting. Each state has its file.
func (s *Service) Reconcile(ctx context.Context, id string) (reconcile.Result, error) {
	ctx = identity.System(ctx)
	for range maxSteps {
		r, err := s.Runs.Get(ctx, store.ParseKey(id))
		if fault.CodeOf(err) == fault.NotFound || err == nil && (r.Origin != Managed || r.Status.State.Final() && r.abandoned() < 0) {
			return reconcile.Result{}, nil
		}
		if err != nil {
			return reconcile.Result{}, err
		}
		if i := r.abandoned(); i >= 0 {
			switch err := s.clear(ctx, r, i); {
			case err == nil:
				continue
			case errors.Is(err, store.ErrUnanswered):
				return reconcile.Result{}, err
			case r.Status.State.Final() || !r.Status.Cancel:
				return reconcile.Result{After: clearAgain}, nil
			}
		}
		next, err := s.step(ctx, r)
		if err != nil {
			return s.cope(ctx, r, err)
		}
		if !next.again {
			return reconcile.Result{After: next.after}, nil
		}
	}
	return reconcile.Result{After: time.Millisecond}, nil
}

func (s *Service) step(ctx context.Context, r Run) (step, error) {
	switch r.Status.State {
	case NotStarted, Preparing:
		return s.prepare(ctx, r)
	case Queued:
		return s.start(ctx, r)
	case Running:
		return s.watchRunning(ctx, r)
	case CancelRequested:
		return s.watchCanceled(ctx, r)
	case Finalizing:
		return s.finalize(ctx, r)
	}
	return step{}, nil
}

// cope records what went wrong. What may go away is a condition, and is tried again; a conflict is
// read again, and so is what the database did not answer, which says nothing of the target; anything else ends the run. A
// job that was started goes on whatever its target thinks of our credentials, and giving new ones is for the user.
func (s *Service) cope(ctx context.Context, r Run, cause error) (next reconcile.Result, err error) {
	switch {
	case ctx.Err() != nil || fault.CodeOf(cause) == fault.Conflict:
		return next, retryable(cause)
	case errors.Is(cause, store.ErrUnanswered):
		return next, cause
	case !fault.Retryable(cause) && !(r.begun() && shutOut(cause)):
		return next, s.fail(ctx, r, cause)
	}
	f := fault.From(cause)
	now, err := s.Runs.Update(ctx, r.Key(), func(now *Run) ([]store.Effect, error) {
		if busy(f) {
			return now.hindered(r, f), nil
		}
		return now.silence(r, f, time.Now())
	})
	if err != nil {
		return next, err
	}
	if now.Status.State == r.Status.State {
		return again(now, cause)
	}
	s.unfollow(r)
	s.watchers.remove(r.Attempt().JobID)
	s.logs.tell(logBlob(r, r.Attempt().Number))
	return next, nil
}

// again is when to look again at a run whose target does not answer: who bounds that has it looked at on time.
func again(r Run, cause error) (next reconcile.Result, err error) {
	if left, is := r.patience(time.Now()); is && !shutOut(cause) {
		return reconcile.Result{After: min(max(left, pollAgain), pollRarely)}, nil
	}
	if shutOut(cause) {
		return next, retryable(cause)
	}
	return next, cause
}

// begun reports whether the current attempt was started on its target.
func (r Run) begun() bool { return r.Attempt() != nil && r.Attempt().Handle != nil }

// shutOut reports whether the target refuses us, which says nothing of the job there.
func shutOut(cause error) bool {
	return fault.CodeOf(cause) == fault.Unauthorized || fault.CodeOf(cause) == fault.Denied
}

// busy reports whether the target answered that it cannot, for now.
func busy(cause error) bool { return fault.CodeOf(cause) == fault.Exhausted }

// retryable returns a fault as one that the loop tries again.
func retryable(err error) error {
	f := *fault.From(err)
	f.Code = fault.Unavailable
	return &f
}

// fail ends a run that cannot go on, gives its slots back, and says why.
func (s *Service) fail(ctx context.Context, r Run, cause error) error {
	_, err := s.Runs.Update(ctx, r.Key(), func(r *Run) ([]store.Effect, error) {
		if r.Status.State.Final() {
			return nil, nil
		}
		r.Status.Error = fault.From(fault.Doing("the run failed", cause))
		next := Failed
		effects := append(r.free(), wakePlacement(*r))
		moved, err := r.move(next)
		return append(effects, moved...), err
	})
	if err == nil {
		s.Log.InfoContext(ctx, "run failed", "workspace", r.Workspace, "run", r.Name, "err", cause)
	}
	return err
}

// free returns the effects that give back what the current attempt took.
func (r *Run) free() []store.Effect {
	a := r.Attempt()
	if a == nil {
		return nil
	}
	var out []store.Effect
	for _, slot := range a.Slots {
		out = append(out, store.Free{Space: slotSpace(slot.Machine), Holder: a.JobID})
	}
	return out
}

func slotSpace(machine string) string { return "slots/" + machine }

// target returns the run's target; fault.NotFound, Reason "TargetGone", if it was detached, also if
// another has its name now.
func (s *Service) target(ctx context.Context, r Run) (compute.Target, error) {
	t, err := s.Computes.Get(ctx, r.TargetKey())
	a := r.Attempt()
	if fault.CodeOf(err) != fault.NotFound && (err != nil || a == nil || a.Target == t.ID) {
		return t, err
	}
	return t, &fault.Error{
		Code: fault.NotFound, Reason: "TargetGone", What: "the run's compute target is gone",
		Why: r.Spec.Target + " was detached while the run was on it", Fix: "submit the run again; run: zaffre run submit --help",
	}
}

// onTarget calls f with the run's target and an open connection as a Runner.
func (s *Service) onTarget(ctx context.Context, r Run, f func(context.Context, compute.Target, driver.Conn, driver.Runner) error) error {
	t, err := s.target(ctx, r)
	if err != nil {
		return err
	}
	return s.Computes.Use(ctx, t, func(c driver.Conn) error {
		ctx, cancel := context.WithTimeoutCause(ctx, callWithin, context.DeadlineExceeded)
		defer cancel()
		runner, err := driver.As[driver.Runner](c)
		if err != nil {
			return err
		}
		return f(ctx, t, c, runner)
	})
}
