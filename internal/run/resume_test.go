package run_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// TestResume checks that a run that was on its target when the server ended is looked at at once, not
// when it is polled.
func TestResume(t *testing.T) {
	t.Parallel()
	dir, world := t.TempDir(), fake.NewWorld()
	open := func() *domaintest.Server {
		db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "zaffre.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		s := domaintest.Assemble(t, db, dir, world)
		t.Cleanup(s.Close)
		return s
	}
	due := func(s *domaintest.Server) time.Duration {
		at, err := s.DB.NextDue(t.Context(), run.WorkKind)
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(at)
	}
	s := open()
	s.Start()
	s.Attach(t, "box", map[string]any{"slots": 4})
	s.Await(t, s.Submit(t, "hang"), run.Running)
	domaintest.Eventually(t, func() (struct{}, bool) {
		in := due(s)
		return struct{}{}, in > 2*time.Second && in < 10*time.Second // settled, and not leased
	})
	s.Close()
	s = open()
	if in := due(s); in <= 0 {
		t.Fatalf("the run is looked at in %v, before it was resumed", in)
	}
	if err := s.Runs.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if in := due(s); in > 0 {
		t.Errorf("the run is looked at in %v, want now", in)
	}
}
