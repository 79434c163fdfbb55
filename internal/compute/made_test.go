package compute_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// engine is where targets are made: it has rooms by the target's ID, with the size that each has.
type engine struct {
	*compute.Service
	mu      sync.Mutex
	rooms   map[string]int64
	created int
	slow    int // how many more times a room is still there after it was deleted
	down    error
	places  map[string]bool // that targets were connected with
	active  int             // runs
}

func newEngine(t testing.TB) *engine {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	db, err := sqlstore.OpenWith(t.Context(), "sqlite:"+filepath.Join(dir, "zaffre.db"), log, sqlstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	box, err := secret.OpenKeyring(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{rooms: map[string]int64{}, places: map[string]bool{}}
	e.Service = compute.New(compute.Config{
		Targets: db.Targets(), Box: box, Kinds: []driver.Kind{e.kind()}, Log: log, Installation: "this",
		InUse: func(context.Context, store.Key) (int, error) { return e.active, nil },
	})
	t.Cleanup(e.Close)
	return e
}

func (e *engine) kind() driver.Kind {
	return driver.Kind{
		Name: "fake", Attached: true, Prototype: (*room)(nil), Provision: &driver.Provision{},
		Options: []driver.Option{
			{Path: "size", Type: driver.Int, Only: driver.Making}, {Path: "door", Type: driver.String, Only: driver.Attaching}, {Path: "resourceId", Type: driver.String},
		},
		Connect: func(_ context.Context, t driver.Target) (driver.Conn, error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.places[t.Place] = true
			return &room{e, t}, nil
		},
	}
}

type room struct {
	*engine
	target driver.Target
}

func (r *room) Close() error { return nil }

func (r *room) Observe(context.Context) (driver.Observation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, there := r.rooms[r.target.ID]
	return driver.Observation{Exists: there, Ready: true, Identity: r.target.ID, Message: "nobody made it"}, r.down
}

func (r *room) Create(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down != nil {
		return r.down
	}
	r.created++
	r.rooms[r.target.ID], _ = r.target.Options["size"].(int64)
	return nil
}

func (r *room) Delete(_ context.Context, dryRun bool) ([]driver.Item, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	item := driver.Item{Type: "room", Name: r.target.ID}
	_, there := r.rooms[r.target.ID]
	switch {
	case r.down != nil:
		item.Remedy = "rm"
		return []driver.Item{item}, r.down
	case !there:
		return nil, nil
	case dryRun:
		return []driver.Item{item}, nil
	}
	if r.slow--; r.slow < 0 {
		delete(r.rooms, r.target.ID)
		item.Removed = true
	}
	return []driver.Item{item}, nil
}

func (e *engine) create(t testing.TB, size int64) compute.Target {
	t.Helper()
	q := request("aks", map[string]any{"size": size})
	q.Made = true
	if _, _, err := e.Attach(owner(t.Context()), q); err != nil {
		t.Fatal(err)
	}
	return e.check(t)
}

func (e *engine) check(t testing.TB) compute.Target {
	t.Helper()
	got, err := e.Check(owner(t.Context()), key("aks"))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestMade: a target is made once, changed, made anew where somebody took it away, and deleted with what it stands for.
func TestMade(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	got := e.create(t, 3)
	if !got.Spec.Made || got.Status.State != compute.Succeeded || e.rooms[got.ID] != 3 || e.created != 1 {
		t.Fatalf("it is %+v, and there are %v", got, e.rooms)
	}
	if got = e.create(t, 3); got.Revision != 1 || e.created != 1 {
		t.Errorf("the same again: revision %d, made %d times", got.Revision, e.created)
	}
	if got = e.create(t, 4); e.rooms[got.ID] != 4 || got.Status.Seen.Checks[0].Name != "create" {
		t.Errorf("larger: %v, %+v", e.rooms, got.Status.Seen.Checks)
	}
	delete(e.rooms, got.ID)
	e.check(t)
	if got = e.check(t); e.rooms[got.ID] != 4 || !got.Ready() {
		t.Errorf("taken away by somebody: %v, ready %v", e.rooms, got.Ready())
	}
	if items, err := e.Delete(owner(t.Context()), key("aks"), compute.DetachOptions{DryRun: true}); err != nil || len(items) != 1 || len(e.rooms) != 1 {
		t.Errorf("a dry run: %+v, %v", items, err)
	}
	e.slow = 2
	items, err := e.Delete(owner(t.Context()), key("aks"), compute.DetachOptions{})
	if err != nil || len(items) != 1 || items[0].Removed {
		t.Fatalf("deleting: %+v, %v", items, err)
	}
	if got = e.check(t); got.Status.State != compute.Deleting || !strings.Contains(got.Status.Conditions[2].Message, "room "+got.ID) {
		t.Errorf("meanwhile it is %s, %+v", got.Status.State, got.Status.Conditions)
	}
	_, err = e.Check(owner(t.Context()), key("aks"))
	domaintest.Refused(t, err, "ComputeNotFound")
	if len(e.rooms) != 0 {
		t.Errorf("left are %v", e.rooms)
	}
}

// TestMadeRefuses: what is made is not detached, what is attached is not deleted, and each has options of its own.
func TestMadeRefuses(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.create(t, 1)
	ctx := owner(t.Context())
	for _, tt := range []struct {
		reason string
		do     func() error
	}{
		{"DetachUnsupported", func() error {
			_, err := e.Detach(ctx, key("aks"), compute.DetachOptions{Force: true})
			return err
		}},
		{"OptionElsewhere", func() error {
			_, _, err := e.Attach(ctx, request("box", map[string]any{"size": 1}))
			return err
		}},
		{"OptionElsewhere", func() error {
			_, err := e.Update(ctx, key("aks"), map[string]any{"door": "x"})
			return err
		}},
		{"ComputeExists", func() error {
			_, _, err := e.Attach(ctx, request("aks", nil))
			return err
		}},
		{"DeleteUnsupported", func() error {
			if _, _, err := e.Attach(ctx, request("box", nil)); err != nil {
				return err
			}
			_, err := e.Delete(ctx, key("box"), compute.DetachOptions{Force: true})
			return err
		}},
		{"RunsActive", func() error {
			e.active = 1
			_, err := e.Delete(ctx, key("aks"), compute.DetachOptions{})
			return err
		}},
	} {
		domaintest.Refused(t, tt.do(), tt.reason)
	}
	if len(e.rooms) != 1 {
		t.Errorf("there are %v", e.rooms)
	}
}

// TestMadeAway: where the engine does not answer, deleting is refused, and forced, leaves what is there. One whose
// deletion was begun goes on.
func TestMadeAway(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	got := e.create(t, 1)
	ctx := owner(t.Context())
	e.slow = 1
	if _, err := e.Delete(ctx, key("aks"), compute.DetachOptions{}); err != nil {
		t.Fatal(err)
	}
	e.down = &fault.Error{Code: fault.Unavailable, Reason: "ConnectionRefused", What: "x", Why: "nobody listens", Fix: "x"}
	if again := e.check(t); again.Status.State != compute.Deleting || again.Status.Conditions[2].Reason != "ConnectionRefused" {
		t.Errorf("begun, and away: %s, %+v", again.Status.State, again.Status.Conditions)
	}
	items, err := e.Delete(ctx, key("aks"), compute.DetachOptions{Force: true})
	if err != nil || len(items) != 1 || items[0].Removed || items[0].Remedy == "" || len(e.rooms) != 1 {
		t.Errorf("forced: %+v, %v", items, err)
	}
	e.down = nil
	e.create(t, 1)
	e.down = &fault.Error{Code: fault.Unavailable, Reason: "ConnectionRefused", What: "x", Why: "nobody listens", Fix: "x"}
	_, err = e.Delete(ctx, key("aks"), compute.DetachOptions{})
	if f := fault.From(err); f == nil || f.Reason != "ConnectionRefused" || !strings.Contains(f.Fix, "zaffre compute delete --force aks") {
		t.Errorf("not begun, and away: %v", err)
	}
	if now, err := e.Get(ctx, key("aks")); err != nil || now.Status.State != compute.Succeeded || now.ID == got.ID {
		t.Errorf("refused, it is %+v, %v", now, err)
	}
	if len(e.places) != 1 {
		t.Errorf("two targets of one name have the places %v", e.places)
	}
}
