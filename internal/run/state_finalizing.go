package run

import (
	"context"
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// finalize keeps what the attempt left, lets the target forget it, and gives the run its end or its
// next attempt. Each part may happen again after a crash.
func (s *Service) finalize(ctx context.Context, r Run) (step, error) {
	err := s.keep(ctx, r)
	if fault.CodeOf(err) == fault.NotFound {
		err = s.warn(ctx, r, fault.From(err)) // the target is gone, and what it had with it
	}
	if err != nil {
		return step{}, err
	}
	_, err = s.Runs.Update(ctx, r.Key(), func(r *Run) ([]store.Effect, error) {
		if r.Status.State != Finalizing {
			return nil, nil
		}
		r.dropCondition("Usable")
		return r.end()
	})
	s.watchers.remove(r.Attempt().JobID)
	s.kept.forget(r.Attempt().JobID)
	s.logs.tell(logBlob(r, r.Attempt().Number))
	return step{}, err
}

// end decides what comes after an attempt: the run's end, or the next attempt.
func (r *Run) end() ([]store.Effect, error) {
	o := r.Attempt().Outcome
	switch {
	case r.Status.Cancel && o.State != driver.JobDone:
		return r.move(Canceled)
	case o.State == driver.JobDone:
		return r.move(Completed)
	case o.Reason != "NotStarted" && len(r.Status.Attempts) <= r.Spec.Retries:
		r.setCondition(Condition{
			Type: "Retried", OK: true, Reason: o.Reason,
			Message: fmt.Sprintf("attempt %d of %d failed: %s", len(r.Status.Attempts), r.Spec.Retries+1, o.Message),
		})
		moved, err := r.move(Queued)
		return append(moved, wakePlacement(*r)), err
	}
	r.Status.Error = outcomeFault(*r, o)
	return r.move(Failed)
}

// outcomeFault says how the job failed, in the user's terms.
func outcomeFault(r Run, o driver.JobStatus) *fault.Error {
	fix := "read its log; run: zaffre run logs " + r.Name
	switch o.Reason {
	case "OutOfMemory":
		fix = "ask for more memory or use less; run: zaffre run submit --memory 8GB …"
	case "TimedOut":
		fix = "give it more time; run: zaffre run submit --timeout 2h …"
	case "Restarted":
		fix = "let it start again by itself; run: zaffre run submit --retries 2 …"
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: orElse(o.Reason, "JobLost"), What: "the run failed",
		Why: orElse(o.Message, "its target has no record of it"), Fix: fix,
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (s *Service) warn(ctx context.Context, r Run, f *fault.Error) error {
	_, err := s.Runs.Update(ctx, r.Key(), func(r *Run) ([]store.Effect, error) {
		r.Status.Warnings = append([]string(nil), append(r.Status.Warnings, "logs and outputs may be incomplete: "+f.Why)...)
		return nil, nil
	})
	return err
}

// keep copies the rest of the log and the outputs, and then lets the target forget the job.
func (s *Service) keep(ctx context.Context, r Run) error {
	a := r.Attempt()
	if a.Handle == nil {
		return nil
	}
	s.unfollow(r)
	t, err := s.target(ctx, r)
	if err != nil {
		return err
	}
	return s.Computes.Use(ctx, t, func(c driver.Conn) error {
		if a.Outcome.State != driver.JobLost {
			if err := s.drain(ctx, c, r); err != nil {
				return err
			}
			if err := s.keepOutputs(ctx, c, r); err != nil {
				return err
			}
		}
		return s.release(ctx, c, a)
	})
}

func (s *Service) release(ctx context.Context, c driver.Conn, a *Attempt) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callWithin, context.DeadlineExceeded)
	defer cancel()
	runner, err := driver.As[driver.Runner](c)
	if err != nil {
		return err
	}
	return runner.Release(ctx, *a.Handle)
}
