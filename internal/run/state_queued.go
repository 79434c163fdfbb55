package run

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// start starts the job that placement has written down, or finds it if it was started before. A
// run without an attempt waits for placement, which wakes it.
func (s *Service) start(ctx context.Context, r Run) (step, error) {
	if r.Waiting() {
		if r.Status.Cancel {
			return s.moveTo(ctx, r, CancelRequested, nil)
		}
		return step{}, nil
	}
	if a := r.Attempt(); a.Handle != nil { // started, and the target has not begun to run it
		if r.Status.Cancel {
			return s.moveTo(ctx, r, CancelRequested, nil)
		}
		if !a.Outcome.Again {
			return s.poll(ctx, r, nil)
		}
	}
	job, rebuild, err := s.job(ctx, r)
	if rebuild || err != nil {
		return step{after: buildPoll}, err
	}
	var h driver.Handle
	var status driver.JobStatus
	err = s.onTarget(ctx, r, func(ctx context.Context, t compute.Target, c driver.Conn, runner driver.Runner) error {
		if job.Options, err = s.jobOptions(t, r); err != nil {
			return err
		}
		s.watchTarget(t)
		s.watchers.add(job.ID, r.Key())
		if h, err = runner.Start(ctx, job); err != nil {
			return err
		}
		status, err = runner.Poll(ctx, h)
		return err
	})
	if f := fault.From(err); fault.ReasonOf(err) == "Fenced" { // a later attempt has started, or this one came and went
		err, status = nil, driver.JobStatus{State: driver.JobLost, Reason: "Fenced", Message: f.What + ": " + f.Why}
	}
	if fault.ReasonOf(err) == "EnvironmentMissing" {
		return step{after: buildPoll}, s.rebuild(ctx, r)
	}
	if err != nil {
		return step{}, err
	}
	return s.started(ctx, r, h, job.Runtime, s.sinceBackup(r, status))
}

// started records the handle and how the job is.
func (s *Service) started(ctx context.Context, was Run, h driver.Handle, rt driver.Runtime, status driver.JobStatus) (step, error) {
	r, err := s.Runs.Update(ctx, was.Key(), func(r *Run) ([]store.Effect, error) {
		if !r.at(was) {
			return nil, nil
		}
		a := r.own()
		a.Runtime = rt
		if h.Version != 0 {
			a.Handle = &h
		}
		return r.answered(status)
	})
	if err != nil || r.Status.State != Queued {
		return step{again: err == nil}, err
	}
	return step{after: untilNext(status, pollEvery)}, nil
}

// untilNext is until the next look at a job: soon, where its target waits for another Start.
func untilNext(status driver.JobStatus, usual time.Duration) time.Duration {
	if status.Again {
		return pollAgain
	}
	return usual
}

// job resolves everything that the attempt needs. rebuild is true when the environment has to be
// built again first.
func (s *Service) job(ctx context.Context, r Run) (j driver.Job, rebuild bool, err error) {
	a := r.Attempt()
	j = driver.Job{
		ID: a.JobID, Run: r.ID, Attempt: a.Number, Command: r.Spec.Command, Dir: r.Spec.Dir,
		Env: map[string]string{}, Slots: a.Slots, Memory: r.Spec.Memory, Timeout: r.Spec.Timeout,
	}
	if r.Spec.Snapshot != "" {
		if j.Files, err = s.Snapshots.Files(ctx, snapshot.ID(r.Spec.Snapshot)); err != nil {
			return j, false, err
		}
	}
	if r.Spec.Digest != "" {
		b, err := s.build(ctx, r)
		if err != nil {
			return j, false, err
		}
		if b.Status.State == driver.BuildFailed {
			return j, false, buildFault(r, b)
		}
		if b.Status.State != driver.BuildDone {
			return j, true, nil
		}
		j.Runtime = b.Status.Runtime
		maps.Copy(j.Env, b.Definition.Env)
	}
	if err := s.reach(ctx, r, &j); err != nil {
		return j, false, err
	}
	maps.Copy(j.Env, r.Spec.Env)
	maps.Copy(j.Env, map[string]string{
		"ZAFFRE_RUN_ID": r.Name, "ZAFFRE_RUN_UID": r.ID, "ZAFFRE_ATTEMPT": strconv.Itoa(a.Number),
		"ZAFFRE_EXPERIMENT": r.Experiment, "ZAFFRE_WORKSPACE": r.Workspace,
	})
	return j, false, nil
}

func (s *Service) jobOptions(t compute.Target, r Run) (map[string]any, error) {
	kind, err := s.Computes.Kind(t.Kind)
	if err != nil {
		return nil, err
	}
	return compute.JobOptions(kind, r.Spec.Options)
}

// reach lets the run's process reach the server. A user who names another server of MLflow gets none of ours.
func (s *Service) reach(ctx context.Context, r Run, j *driver.Job) error {
	if s.Reach == nil {
		return nil
	}
	way, err := s.Reach(ctx, r)
	_, own := r.Spec.Env["MLFLOW_TRACKING_URI"]
	for k, v := range way.Env {
		if !own || !strings.HasPrefix(k, "MLFLOW_") {
			j.Env[k] = v
		}
	}
	j.Token = way.Token
	return err
}

// at reports whether r is still in the state and attempt in which it was read.
func (r *Run) at(was Run) bool {
	return r.Status.State == was.Status.State && len(r.Status.Attempts) == len(was.Status.Attempts)
}

// own returns the current attempt in a list of r's own, to be changed.
func (r *Run) own() *Attempt {
	r.Status.Attempts = append([]Attempt(nil), r.Status.Attempts...)
	return r.Attempt()
}

// outcome takes over what the target says of the job: it moves the run, and gives the slots back
// in the transaction that records the attempt's end.
func (r *Run) outcome(status driver.JobStatus) ([]store.Effect, error) {
	a := r.own()
	a.Outcome = status
	if !status.Started.IsZero() && r.Status.Started.IsZero() {
		r.Status.Started = status.Started
	}
	switch {
	case status.State.Final():
		effects := append(r.free(), wakePlacement(*r))
		moved, err := r.move(Finalizing)
		return append(effects, moved...), err
	case status.State == driver.JobRunning && r.Status.State == Queued:
		return r.move(Running)
	}
	return nil, nil
}
