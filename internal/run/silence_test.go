package run_test

import (
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func reachable(r run.Run) run.Condition { return is(r, "Reachable") }

// is returns a condition of a run; one that it has not is well.
func is(r run.Run, name string) (c run.Condition) {
	for _, c = range r.Status.Conditions {
		if c.Type == name {
			return c
		}
	}
	return run.Condition{OK: true}
}

// wake has the reconciler look at a run now.
func wake(t *testing.T, s *domaintest.Server, r run.Run) {
	t.Helper()
	domaintest.Insist(t, func() (struct{}, error) {
		return struct{}{}, s.DB.Wake(t.Context(), store.Wake{Kind: run.WorkKind, ID: r.Key().String()})
	})
}

// eventually returns the run when it is as ok says.
func eventually(t *testing.T, s *domaintest.Server, r run.Run, ok func(run.Run) bool) run.Run {
	t.Helper()
	return domaintest.Eventually(t, func() (run.Run, bool) {
		got, err := s.Runs.Get(owner(t.Context()), r.Key())
		return got, err == nil && ok(got)
	})
}

// TestSilenceLosesNothing: a run whose target does not answer says so, and goes on when it is back.
func TestSilenceLosesNothing(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.Submit(t, "hang")
	s.Await(t, r, run.Running)
	s.Fake.Away(true)
	silent := eventually(t, s, r, func(r run.Run) bool { return !reachable(r).OK })
	if c := reachable(silent); c.Reason != "TimedOut" || c.Message != "it does not answer" || c.Since.IsZero() || silent.Status.State != run.Running {
		t.Errorf("the run is %s, its condition %+v", silent.Status.State, c)
	}
	s.Fake.Away(false)
	back := eventually(t, s, r, func(r run.Run) bool { return reachable(r).OK })
	if back.Status.State != run.Running || len(back.Status.Attempts) != 1 {
		t.Errorf("the run is %s in attempt %d", back.Status.State, len(back.Status.Attempts))
	}
	s.Fake.Finish("z-"+r.ID+"-1", 0)
	s.Await(t, r, run.Completed)
}

// TestAFullDiskIsNoSilence: a target that answers that its disk is full is not silent, however long that lasts, and the run
// goes on. Neither is one that was silent before and answers that.
func TestAFullDiskIsNoSilence(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	const patience = 200 * time.Millisecond
	r := s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"hang"}, LostAfter: patience})
	s.Await(t, r, run.Running)
	s.Fake.Refuse(&fault.Error{Code: fault.Exhausted, Reason: "DiskFull", What: "the agent cannot read the job", Why: "the disk of its folder is full", Fix: "free space"})
	full := eventually(t, s, r, func(r run.Run) bool { return !is(r, "Usable").OK })
	if c := is(full, "Usable"); c.Reason != "DiskFull" || c.Message != "the disk of its folder is full" || !reachable(full).OK {
		t.Errorf("the run says %+v", full.Status.Conditions)
	}
	for end := time.Now().Add(3 * patience); time.Now().Before(end); <-time.After(patience / 10) {
		wake(t, s, r)
	}
	if now := eventually(t, s, r, func(run.Run) bool { return true }); now.Status.State != run.Running || len(now.Status.Attempts) != 1 {
		t.Fatalf("its disk full for longer than silence may last, the run is %s: %+v", now.Status.State, now.Attempt())
	}
	s.Fake.Refuse(nil)
	wake(t, s, r)
	eventually(t, s, r, func(r run.Run) bool { return is(r, "Usable").OK })
	s.Fake.Finish("z-"+r.ID+"-1", 0)
	s.Await(t, r, run.Completed)
}

// TestLostAfter: who set how long he waits has the run tried again, but not before what it had there has ended, and its
// place is free for nobody else until then.
func TestLostAfter(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	s.Attach(t, "one", map[string]any{"slots": 1})
	r := s.SubmitSpec(t, run.Spec{Target: "one", Command: []string{"hang"}, Retries: 1, LostAfter: 300 * time.Millisecond})
	s.Await(t, r, run.Running)
	s.Fake.Away(true)
	gone := eventually(t, s, r, func(r run.Run) bool { return r.Status.State == run.Queued })
	a := gone.Attempt()
	if a.Outcome.Reason != "Unreachable" || !strings.Contains(a.Outcome.Message, "300ms") || !a.Abandoned {
		t.Errorf("the attempt is %+v", a)
	}
	other := s.SubmitSpec(t, run.Spec{Target: "one", Command: []string{"true"}})
	if n := s.Fake.Starts()["z-"+r.ID+"-2"]; n != 0 || len(gone.Status.Attempts) != 1 {
		t.Errorf("a second attempt was begun %d times on a target that is away", n)
	}
	s.Fake.Away(false)
	wake(t, s, r)
	again := eventually(t, s, r, func(r run.Run) bool { return r.Status.State == run.Running && len(r.Status.Attempts) == 2 })
	if again.Status.Attempts[0].Abandoned || s.Fake.Known("z-"+r.ID+"-1") {
		t.Error("the first attempt is still on the target")
	}
	s.Fake.Finish("z-"+r.ID+"-2", 0)
	s.Await(t, r, run.Completed)
	s.Await(t, other, run.Completed)
}

// TestLostAfterWithoutRetries: the run fails at once; what it has on the target goes when that is back.
func TestLostAfterWithoutRetries(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"hang"}, LostAfter: 100 * time.Millisecond})
	s.Await(t, r, run.Running)
	s.Fake.Away(true)
	failed := s.Await(t, r, run.Failed)
	if f := failed.Status.Error; f.Reason != "Unreachable" || !s.Fake.Known("z-"+r.ID+"-1") {
		t.Errorf("the run failed by %+v", f)
	}
	s.Fake.Away(false)
	wake(t, s, r)
	eventually(t, s, r, func(r run.Run) bool { return !r.Attempt().Abandoned })
	if s.Fake.Known("z-" + r.ID + "-1") {
		t.Error("its job is still on the target")
	}
}

// TestLostAfterIsCanceled: nobody has to wait for a target that is away to be rid of a run.
func TestLostAfterIsCanceled(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"hang"}, LostAfter: 100 * time.Millisecond, Retries: 3})
	s.Await(t, r, run.Running)
	s.Fake.Away(true)
	eventually(t, s, r, func(r run.Run) bool { return r.Status.State == run.Queued })
	if _, err := s.Runs.Cancel(owner(t.Context()), r.Key()); err != nil {
		t.Fatal(err)
	}
	s.Await(t, r, run.Canceled)
}
