// Package domaintest puts the domain together on a real database and a fake compute kind, for
// tests.
package domaintest

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// Workspace is where the tests work.
const Workspace = "ws"

// Server is a control plane without its faces.
type Server struct {
	DB           *sqlstore.DB
	Blobs        blob.Store
	Snapshots    snapshot.Store
	Computes     *compute.Service
	Environments *environment.Service
	Runs         *run.Service
	Fake         *fake.World

	loop *reconcile.Loop
	stop context.CancelCauseFunc
	done sync.WaitGroup
}

// New starts a server on a new SQLite file, with an attached fake target "box" of 4 slots. Its statements fail as
// FaultsVariable says; nobody in the tests then sees more than that things take longer.
func New(t testing.TB) *Server {
	t.Helper()
	dir := t.TempDir()
	d, begin := faults(t)
	opt := sqlstore.Options{}
	if d != nil {
		opt.Wrap = d.Wrap
	}
	db, err := sqlstore.OpenWith(t.Context(), "sqlite:"+filepath.Join(dir, "zaffre.db"), slog.New(slog.DiscardHandler), opt)
	if err != nil {
		t.Fatal(err)
	}
	on := storesOf(db)
	if d != nil {
		on = on.patient()
	}
	s := assemble(t, db, on, dir, fake.NewWorld())
	begin()
	s.Start()
	t.Cleanup(s.Close)
	if d != nil {
		t.Cleanup(func() { s.blamesNobody(t) })
	}
	s.Attach(t, "box", map[string]any{"slots": 4, "gpus": 2, "memory": 1000})
	return s
}

// Assemble puts services on a database and a folder, without starting the reconciler.
func Assemble(t testing.TB, db *sqlstore.DB, dir string, world *fake.World) *Server {
	t.Helper()
	return assemble(t, db, storesOf(db), dir, world)
}

func assemble(t testing.TB, db *sqlstore.DB, on stores, dir string, world *fake.World) *Server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	blobs, err := blob.NewDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := secret.OpenKeyring(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{DB: db, Blobs: blobs, Fake: world, Snapshots: snapshot.New(blobs, snapshot.Limits{})}
	s.Computes = compute.New(compute.Config{
		Targets: on.targets, Box: box, Kinds: []driver.Kind{fake.Kind(world)}, Log: log,
		InUse: func(ctx context.Context, k store.Key) (int, error) { return s.Runs.Active(ctx, k) },
	})
	s.Environments = environment.New(environment.Config{
		Environments: on.environments, Builds: on.builds, Computes: s.Computes, Blobs: blobs, Log: log,
	})
	s.Runs = run.New(run.Config{
		Runs: on.runs, Experiments: on.experiments, Artifacts: on.artifacts, Codes: on.codes, Claims: on.claims, Queue: db, Events: db,
		Metrics: on.metrics, Computes: s.Computes, Environments: s.Environments, Snapshots: s.Snapshots, Blobs: blobs, Log: log,
	})
	s.loop = reconcile.New(db, log, map[string]reconcile.Worker{
		compute.WorkKind:      {Func: s.Computes.Reconcile, N: 2},
		compute.PlacementKind: {Func: s.Runs.Place, N: 2},
		environment.WorkKind:  {Func: s.Environments.Reconcile, N: 2},
		run.WorkKind:          {Func: s.Runs.Reconcile, N: 8},
	})
	return s
}

// Start starts the reconciler.
func (s *Server) Start() {
	ctx, stop := context.WithCancelCause(context.Background())
	s.stop = stop
	s.done.Go(func() { _ = s.loop.Run(ctx) })
}

// Close stops everything. It may be called twice.
func (s *Server) Close() {
	if s.stop != nil {
		s.stop(context.Canceled)
		s.done.Wait()
		s.stop = nil
	}
	s.Runs.Close()
	s.Computes.Close()
	_ = s.DB.Close()
}

// Owner returns a context of a caller who may do anything in Workspace.
func Owner(ctx context.Context) context.Context {
	return identity.With(ctx, identity.Caller{Name: "ann", Roles: map[string]identity.Role{Workspace: identity.Owner}})
}

// Attach attaches a fake target and waits until it takes runs.
func (s *Server) Attach(t testing.TB, name string, options map[string]any) compute.Target {
	t.Helper()
	ctx := Owner(t.Context())
	_, _, err := s.Computes.Attach(ctx, compute.AttachRequest{Workspace: Workspace, Name: name, Kind: "fake", Options: options})
	if err != nil {
		t.Fatal(err)
	}
	return Eventually(t, func() (compute.Target, bool) {
		target, err := s.Computes.Get(ctx, store.Key{Workspace: Workspace, Name: name})
		return target, err == nil && target.Status.State != compute.Creating
	})
}

// Submit submits a command to the target "box".
func (s *Server) Submit(t testing.TB, command ...string) run.Run {
	t.Helper()
	return s.SubmitSpec(t, run.Spec{Target: "box", Command: command})
}

// SubmitSpec submits a run.
func (s *Server) SubmitSpec(t testing.TB, spec run.Spec) run.Run {
	t.Helper()
	r, _, err := s.Runs.Submit(Owner(t.Context()), run.Request{Workspace: Workspace, Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Await waits until a run has a state.
func (s *Server) Await(t testing.TB, r run.Run, state run.State) run.Run {
	t.Helper()
	var last run.Run
	ok := poll(t.Context(), func() bool {
		got, err := s.Runs.Get(Owner(t.Context()), r.Key())
		last = got
		return err == nil && got.Status.State == state
	})
	if !ok {
		t.Fatalf("run %s is %s, want %s; conditions %+v, error %v", r.Name, last.Status.State, state, last.Status.Conditions, last.Status.Error)
	}
	return last
}

// Log returns the whole log of a run.
func (s *Server) Log(t testing.TB, r run.Run) string {
	t.Helper()
	body, err := s.Runs.OpenLog(Owner(t.Context()), r.Key(), 0, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Eventually calls get until it says so, and fails the test after three minutes.
func Eventually[T any](t testing.TB, get func() (T, bool)) T {
	t.Helper()
	var v T
	if !poll(t.Context(), func() (ok bool) { v, ok = get(); return ok }) {
		t.Fatalf("never came true; last %+v", v)
	}
	return v
}

func poll(ctx context.Context, done func() bool) bool {
	deadline, tick := time.After(3*time.Minute), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-deadline:
			return done()
		case <-tick.C:
		}
	}
	return true
}

// Refused fails the test unless err is a fault with the reason.
func Refused(t testing.TB, err error, reason string) {
	t.Helper()
	if got := fault.ReasonOf(err); got != reason {
		t.Errorf("refused with %q (%v), want %q", got, err, reason)
	}
}
