package run

import (
	"context"
	"reflect"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// watchRunning looks at the job and copies its log while it runs.
func (s *Service) watchRunning(ctx context.Context, r Run) (step, error) {
	if r.Status.Cancel {
		return s.moveTo(ctx, r, CancelRequested, nil)
	}
	return s.poll(ctx, r, func(ctx context.Context, t compute.Target, runner driver.Runner) error {
		s.follow(t, r)
		return nil
	})
}

// watchCanceled asks the job to end until it has.
func (s *Service) watchCanceled(ctx context.Context, r Run) (step, error) {
	a := r.Attempt()
	if a == nil || a.Outcome.State.Final() {
		return s.moveTo(ctx, r, Canceled, nil)
	}
	return s.poll(ctx, r, func(ctx context.Context, t compute.Target, runner driver.Runner) error {
		return runner.Cancel(ctx, *a.Handle)
	})
}

// poll reads the job's state after doing something to it (nil: nothing), and takes it over.
func (s *Service) poll(ctx context.Context, was Run, first func(context.Context, compute.Target, driver.Runner) error) (step, error) {
	var status driver.JobStatus
	after := pollEvery
	err := s.onTarget(ctx, was, func(ctx context.Context, t compute.Target, c driver.Conn, runner driver.Runner) (err error) {
		if first != nil {
			if err := first(ctx, t, runner); err != nil {
				return err
			}
		}
		if _, tells := c.(driver.Watcher); tells && was.Status.State != CancelRequested {
			after = pollRarely
			s.watchTarget(t)
			s.watchers.add(was.Attempt().JobID, was.Key())
		}
		status, err = runner.Poll(ctx, *was.Attempt().Handle)
		return err
	})
	if err != nil {
		return step{}, err
	}
	status = s.sinceBackup(was, status)
	if !status.State.Final() && reflect.DeepEqual(status, was.Attempt().Outcome) && !was.troubled() {
		return step{after: untilNext(status, after)}, nil
	}
	r, err := s.Runs.Update(ctx, was.Key(), func(r *Run) ([]store.Effect, error) {
		if !r.at(was) {
			return nil, nil
		}
		return r.answered(status)
	})
	if err != nil || r.Status.State != was.Status.State || status.Again {
		return step{again: err == nil}, err
	}
	return step{after: untilNext(status, after)}, nil
}
