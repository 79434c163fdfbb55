package run_test

import (
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// TestResume checks that a run that was on its target when the server ended is looked at at once, not
// when it is polled.
func TestResume(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	s.Await(t, s.Submit(t, "hang"), run.Running)
	due := func() time.Duration {
		at, err := s.DB.NextDue(t.Context(), run.WorkKind)
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(at)
	}
	domaintest.Eventually(t, func() (struct{}, bool) { return struct{}{}, due() > time.Second }) // it waits to be polled
	s.Halt()
	if due() < time.Second {
		t.Skip("it became due just now")
	}
	if err := s.Runs.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if in := due(); in > 0 {
		t.Errorf("the run is looked at in %v, want now", in)
	}
}
