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
	due := func(s *domaintest.Server) time.Time {
		at, err := s.DB.NextDue(t.Context(), run.WorkKind)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	s := reopen(t, dir, world)
	s.Start()
	s.Attach(t, "box", map[string]any{"slots": 4})
	s.Await(t, s.Submit(t, "hang"), run.Running)
	domaintest.Eventually(t, func() (struct{}, bool) {
		in := time.Until(due(s))
		return struct{}{}, in > 2*time.Second && in < 4500*time.Millisecond // settled, not leased, and what the start had to say is long said
	})
	s.Close()
	s = reopen(t, dir, world)
	later := due(s)
	if err := s.Runs.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := due(s); !now.Before(later) || now.After(time.Now()) {
		t.Errorf("the run is looked at at %v, want now; it was %v", now, later)
	}
}

// reopen puts a server on the database of a folder, which one before it may have left.
func reopen(t *testing.T, dir string, world *fake.World) *domaintest.Server {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "zaffre.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := domaintest.Assemble(t, db, dir, world)
	t.Cleanup(s.Close)
	return s
}
