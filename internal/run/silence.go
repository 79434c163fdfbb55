package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// clearAgain is between two tries to take away what an abandoned attempt left on its target.
const clearAgain = 15 * time.Second

// silence notes that the target did not answer. A job is lost by evidence, never by silence, unless the user set
// LostAfter.
func (r *Run) silence(was Run, why *fault.Error, now time.Time) ([]store.Effect, error) {
	if !r.at(was) {
		return nil, nil
	}
	var effects []store.Effect
	if !r.unreachable() {
		effects = append(effects, store.Wake{Kind: compute.WorkKind, ID: r.TargetKey().String()}, r.emit("system", "run.unreachable", "reason", why.Reason))
	}
	r.dropCondition("Usable")
	r.setCondition(Condition{Type: "Reachable", Reason: why.Reason, Message: why.Why})
	if left, is := r.patience(now); !is || left > 0 || shutOut(why) {
		return effects, nil
	}
	given, err := r.giveUp(now)
	return append(effects, given...), err
}

// hindered notes that the target answered and cannot do what it was asked, for a while: its disk is full, or it has had too
// many requests. That is no silence.
func (r *Run) hindered(was Run, why *fault.Error) []store.Effect {
	if !r.at(was) {
		return nil
	}
	effects := r.setReachable()
	if !r.isHindered() {
		effects = append(effects, store.Wake{Kind: compute.WorkKind, ID: r.TargetKey().String()}, r.emit("system", "run.hindered", "reason", why.Reason))
	}
	r.setCondition(Condition{Type: "Usable", Reason: why.Reason, Message: why.Why})
	return effects
}

// isHindered reports whether the last word of the target was that it could not.
func (r Run) isHindered() bool {
	return slices.ContainsFunc(r.Status.Conditions, func(c Condition) bool { return c.Type == "Usable" })
}

// patience returns how long the target may still be silent, where that has a bound. What is not known to be started is
// not lost.
func (r *Run) patience(now time.Time) (left time.Duration, is bool) {
	since, silent := r.silentSince()
	if r.Spec.LostAfter == 0 || !silent || !r.begun() {
		return 0, false
	}
	return r.Spec.LostAfter - now.Sub(since), true
}

// silentSince is since when the target does not answer.
func (r Run) silentSince() (since time.Time, is bool) {
	i := slices.IndexFunc(r.Status.Conditions, func(c Condition) bool { return c.Type == "Reachable" && !c.OK })
	if i < 0 {
		return time.Time{}, false
	}
	return r.Status.Conditions[i].Since, true
}

func (r Run) unreachable() bool {
	_, is := r.silentSince()
	return is
}

func (r *Run) setReachable() []store.Effect {
	if !r.unreachable() {
		return nil
	}
	r.setCondition(Condition{Type: "Reachable", OK: true})
	return []store.Effect{r.emit("system", "run.reachable")}
}

// troubled reports whether the last word of the target was none, or that it could not.
func (r Run) troubled() bool { return r.isHindered() || r.unreachable() }

// answered takes over what the target says of the job, and that it says something.
func (r *Run) answered(status driver.JobStatus) ([]store.Effect, error) {
	effects := r.setReachable()
	r.dropCondition("Usable")
	moved, err := r.outcome(status)
	return append(effects, moved...), err
}

// giveUp gives the run its end, or its next attempt, without its target. What the attempt has there, and its slots,
// stay its own until the target answers again.
func (r *Run) giveUp(now time.Time) ([]store.Effect, error) {
	a := r.own()
	a.Abandoned = true
	silent := fmt.Sprintf("its target did not answer for %s", r.Spec.LostAfter)
	if !a.Outcome.State.Final() {
		a.Outcome = driver.JobStatus{State: driver.JobLost, Reason: "Unreachable", Message: silent, Started: a.Outcome.Started, Ended: now}
	} else {
		r.Status.Warnings = append(slices.Clone(r.Status.Warnings), "logs and outputs may be incomplete: "+silent)
	}
	effects, err := r.move(Finalizing)
	if err != nil {
		return nil, err
	}
	ended, err := r.end()
	return append(append(effects, ended...), wake(*r)), err
}

// abandoned returns the index of the first attempt that is still to be cleared, or -1.
func (r Run) abandoned() int {
	return slices.IndexFunc(r.Status.Attempts, func(a Attempt) bool { return a.Abandoned })
}

// cleared returns the runs that may start. The others have something on the target from before, and look whether it
// answers again.
func (s *Service) cleared(ctx context.Context, queue []Run) (free []Run, err error) {
	for _, r := range queue {
		if r.abandoned() < 0 {
			free = append(free, r)
		} else if err := s.wake(ctx, r.Key()); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// rouse has the runs looked at that did not hear of their target, once it answers again: the longer it was away, the
// more rarely they look by themselves.
func (s *Service) rouse(ctx context.Context, t compute.Target) error {
	if !t.Back(time.Now()) {
		return nil
	}
	for cursor := ""; ; {
		list, next, err := s.Runs.List(ctx, Filter{Workspace: t.Workspace, Target: t.Name, Active: true}, store.Page{Cursor: cursor})
		if err != nil {
			return err
		}
		for _, r := range list {
			if !r.unreachable() {
				continue
			}
			if err := s.wake(ctx, r.Key()); err != nil {
				return err
			}
		}
		if cursor = next; next == "" {
			return nil
		}
	}
}

// clear ends an abandoned attempt and takes away what it has on its target, once that answers. Its slots are free then.
func (s *Service) clear(ctx context.Context, r Run, i int) error {
	old := r
	old.Status.Attempts = r.Status.Attempts[:i+1]
	err := s.onTarget(ctx, old, func(ctx context.Context, _ compute.Target, _ driver.Conn, runner driver.Runner) error {
		return endAndRelease(ctx, runner, *old.Attempt().Handle)
	})
	if err != nil && fault.CodeOf(err) != fault.NotFound { // with the target went what it had
		return err
	}
	_, err = s.Runs.Update(ctx, r.Key(), func(r *Run) ([]store.Effect, error) {
		r.own()
		if !r.Status.Attempts[i].Abandoned {
			return nil, nil
		}
		r.Status.Attempts[i].Abandoned = false
		then := *r
		then.Status.Attempts = r.Status.Attempts[:i+1]
		return append(then.free(), wakePlacement(*r)), nil
	})
	return err
}

func endAndRelease(ctx context.Context, runner driver.Runner, h driver.Handle) error {
	if err := runner.Cancel(ctx, h); err != nil {
		return err
	}
	st, err := runner.Poll(ctx, h)
	if err != nil {
		return err
	}
	if !st.State.Final() {
		return &fault.Error{
			Code: fault.Unavailable, Reason: "JobActive", What: "an attempt that was given up is still there", Why: "it is being ended", Fix: "wait",
		}
	}
	return runner.Release(ctx, h)
}
