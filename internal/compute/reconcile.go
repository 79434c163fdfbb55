package compute

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
	"github.com/zaffre-ml/zaffre/internal/store"
)

const (
	observeWithin = 30 * time.Second // one preflight
	observeEvery  = time.Minute      // a target that is well
	observeSoon   = 15 * time.Second // one that is not
	observeAway   = 8 * time.Second  // one that does not answer, at most: with the look itself that is 10
	// observeRefused is for one that refused our credentials: who tries them often is locked out.
	observeRefused = 5 * time.Minute
)

// Reconcile looks at a target and records what it saw: the first preflight is the verdict on the
// attach; later ones move its conditions. It never waits for a target that does not answer.
func (s *Service) Reconcile(ctx context.Context, id string) (reconcile.Result, error) {
	ctx = identity.System(ctx)
	t, err := s.Targets.Get(ctx, store.ParseKey(id))
	if fault.CodeOf(err) == fault.NotFound {
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if t.Spec.Refused && t.Status.State != Deleting {
		return reconcile.Result{}, nil
	}
	if t.Status.State == Deleting && t.Spec.Made {
		return s.unmakeOn(ctx, t)
	}
	if t.Status.State == Deleting {
		_, err := s.remove(ctx, t, t.Status.Force)
		return reconcile.Result{After: observeSoon}, err
	}
	seen, observeErr := s.observe(ctx, t)
	if errors.Is(observeErr, store.ErrUnanswered) {
		return reconcile.Result{}, observeErr // it says nothing of the target
	}
	t, err = s.record(ctx, t, seen, observeErr)
	if err != nil {
		return reconcile.Result{}, err
	}
	if t.Status.State == Succeeded && observeErr == nil {
		return reconcile.Result{After: observeEvery}, nil
	}
	if fault.CodeOf(observeErr) == fault.Unauthorized {
		return reconcile.Result{After: observeRefused}, nil
	}
	return reconcile.Result{After: t.lookAfter(time.Now())}, nil
}

// lookAfter is when to look again at a target that is not well. One that does not answer is looked at often at first, and
// never more rarely than every 8 seconds, so that it is used again soon after it is back; not all at the same time.
func (t Target) lookAfter(now time.Time) time.Duration {
	silent, is := t.silentSince()
	if !is {
		return observeSoon
	}
	d := min(max(now.Sub(silent)/4, time.Second), observeAway)
	return d/2 + rand.N(d/2)
}

// silentSince is since when the target does not answer.
func (t Target) silentSince() (since time.Time, is bool) {
	i := slices.IndexFunc(t.Status.Conditions, func(c Condition) bool { return c.Type == "Reachable" && !c.OK })
	if i < 0 {
		return time.Time{}, false
	}
	return t.Status.Conditions[i].Since, true
}

// backFor is how long a target counts as one that has just come back.
const backFor = time.Minute

// Back reports whether the target has begun to answer a moment ago.
func (t Target) Back(now time.Time) bool {
	i := slices.IndexFunc(t.Status.Conditions, func(c Condition) bool { return c.Type == "Reachable" && c.OK })
	return i >= 0 && now.Sub(t.Status.Conditions[i].Since).Abs() < backFor
}

// look is what looking at a target brought.
type look struct {
	driver.Observation
	foundAny bool           // the inventory was asked, and answered
	found    map[string]any // what it said: see Status.Found
}

func (s *Service) observe(ctx context.Context, t Target) (o look, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, observeWithin, context.DeadlineExceeded)
	defer cancel()
	before, found, err := s.lookUp(ctx, t)
	if err == nil {
		o.foundAny, o.found = true, found
		see := s.see
		if t.Status.State == Creating || t.Status.State == Updating {
			see = s.verdict
		}
		o.Observation, err = see(ctx, t)
	}
	o.Checks = append(before, o.Checks...)
	if err == nil && !o.Exists {
		err = &fault.Error{
			Code: fault.NotFound, Reason: "TargetGone", What: "the compute target is gone", Why: o.Message,
			Fix: "run: zaffre compute detach --force " + t.Name,
		}
	}
	if o.Observed.IsZero() {
		o.Observed = time.Now()
	}
	return o, err
}

// see looks at a target once, after it has made it where that is to be done.
func (s *Service) see(ctx context.Context, t Target) (o driver.Observation, err error) {
	err = s.Use(ctx, t, func(c driver.Conn) error {
		var made driver.Observation
		if err := s.make(ctx, t, c, &made); err != nil {
			o.Checks = made.Checks
			return err
		}
		o, err = c.Observe(ctx)
		o.Checks = append(made.Checks, o.Checks...)
		return err
	})
	return o, err
}

// verdict is see for the look by which a target is attached: it is repeated where the other side says when to ask again. A
// moment in which it is busy says nothing of the target, and clients give up on one that has failed.
func (s *Service) verdict(ctx context.Context, t Target) (o driver.Observation, err error) {
	err = patiently(ctx, func() error {
		o, err = s.see(ctx, t)
		return err
	})
	return o, err
}

// observed is the pure part: what an observation does to a record.
func observed(ctx context.Context, t *Target, revision int64, seen look, err error, effects []store.Effect) ([]store.Effect, error) {
	if t.Revision != revision || t.Status.State == Deleting {
		return nil, nil // changed meanwhile: whoever did so had it woken
	}
	next := Succeeded
	if err != nil && t.Status.State != Succeeded {
		next = Failed
	}
	state, moveErr := t.Status.State.Move(next)
	if moveErr != nil {
		return nil, moveErr
	}
	before := t.Status.State
	t.Status.State, t.Status.Revision, t.Status.Error = state, revision, nil
	if state == Failed {
		t.Status.Error = asAttachFault(*t, err)
	}
	t.keepSeen(seen.Observation, err)
	if seen.foundAny {
		t.Status.Found = seen.found
	}
	t.nameFixes()
	if err == nil {
		t.pin(seen.Pin)
	}
	if before != state {
		t.Status.Changed = seen.Observed
		effects = append(slices.Clone(effects), emit(ctx, *t, "compute.state_changed"))
	}
	return effects, nil
}

func asAttachFault(t Target, err error) *fault.Error {
	return fault.From(fault.Doing(fmt.Sprintf("cannot %s compute target %q", t.verb(), t.Name), err))
}

// keepSeen stores the observation and the conditions that follow from it. Of a target that did not
// answer it keeps the machines that were seen last, so that what runs there keeps its slots.
func (t *Target) keepSeen(seen driver.Observation, err error) {
	if err != nil {
		seen.Machines, seen.Identity, seen.Lasting = t.Status.Seen.Machines, t.Status.Seen.Identity, t.Status.Seen.Lasting
	}
	t.Status.Seen = seen
	reachable := Condition{Type: "Reachable", OK: fault.CodeOf(err) != fault.Unavailable, Since: seen.Observed}
	if reachable.OK {
		t.Status.Answered = seen.Observed
	}
	ready := Condition{Type: "Ready", OK: err == nil && seen.Ready, Reason: seen.Reason, Message: seen.Message, Since: seen.Observed}
	if err != nil {
		f := fault.From(err)
		ready.Reason, ready.Message = f.Reason, f.Why
		if !reachable.OK {
			reachable.Reason, reachable.Message = f.Reason, f.Why
		}
	}
	t.setCondition(reachable)
	t.setCondition(ready)
}

// setCondition replaces the condition of that type; Since stays while OK and Reason do.
func (t *Target) setCondition(c Condition) {
	i := slices.IndexFunc(t.Status.Conditions, func(old Condition) bool { return old.Type == c.Type })
	if i < 0 {
		t.Status.Conditions = append(t.Status.Conditions, c)
		return
	}
	list := slices.Clone(t.Status.Conditions)
	if old := list[i]; old.OK == c.OK && (old.Reason == c.Reason || c.Type == "Reachable") {
		c.Since = old.Since
	}
	list[i] = c
	t.Status.Conditions = list
}

// Ready reports whether runs may start on the target.
func (t Target) Ready() bool {
	i := slices.IndexFunc(t.Status.Conditions, func(c Condition) bool { return c.Type == "Ready" })
	return t.Status.State != Deleting && t.Status.State != Failed && i >= 0 && t.Status.Conditions[i].OK
}
