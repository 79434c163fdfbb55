package run_test

import (
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// TestRouse checks that a run whose target was away is looked at when that is seen to answer again, not when the run's
// own pause ends.
func TestRouse(t *testing.T) {
	t.Parallel()
	dir, world := t.TempDir(), fake.NewWorld()
	s := reopen(t, dir, world)
	s.Start()
	box := s.Attach(t, "box", map[string]any{"slots": 4}).Key()
	r := s.Submit(t, "hang")
	s.Await(t, r, run.Running)
	world.Away(true)
	eventually(t, s, r, func(r run.Run) bool { return !reachable(r).OK })
	s.Close()

	s = reopen(t, dir, world) // whose records nobody works on
	domaintest.Eventually(t, func() (struct{}, bool) {
		leases, err := s.DB.Claim(t.Context(), run.WorkKind, 1, time.Minute)
		if err != nil || len(leases) == 0 {
			return struct{}{}, false
		}
		return struct{}{}, s.DB.Settle(t.Context(), leases[0], time.Now().Add(time.Hour)) == nil
	})
	look := func() time.Duration {
		t.Helper()
		if _, err := s.Computes.Reconcile(t.Context(), box.String()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Runs.Place(t.Context(), box.String()); err != nil {
			t.Fatal(err)
		}
		at, err := s.DB.NextDue(t.Context(), run.WorkKind)
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(at)
	}
	if in := look(); in <= 0 {
		t.Errorf("the run is looked at in %v, and its target is away", in)
	}
	world.Away(false)
	if in := look(); in > 0 {
		t.Errorf("the run is looked at in %v, and its target is back", in)
	}
}
