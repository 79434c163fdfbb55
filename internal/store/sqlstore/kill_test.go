package sqlstore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/faultsql"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

var counter = run.Experiment{Workspace: "ws", Name: "e"}

// addOne adds one to the counter, with an effect of each kind under a name of its own.
func addOne(t *testing.T, db *sqlstore.DB, name string, n int64) error {
	ctx := store.WithOrigin(t.Context(), store.Origin{Run: "r", Attempt: 1, Lane: name, Sequence: n})
	_, err := db.Experiments().Update(ctx, counter.Key(), func(e *run.Experiment) ([]store.Effect, error) {
		e.Runs++
		return []store.Effect{
			store.Take{Space: "s", Name: fmt.Sprint(name, n), Holder: name},
			store.Wake{Kind: "k", ID: fmt.Sprint(name, n)},
			store.Emit{Workspace: "ws", Subject: "x/" + name, Type: "t"},
		}, nil
	})
	return err
}

// addUntilDead has two workers add until the database fails; it returns how many were acknowledged.
func addUntilDead(t *testing.T, db *sqlstore.DB) (acknowledged int64) {
	var n atomic.Int64
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for i := int64(1); i <= 20; i++ {
				if err := addOne(t, db, fmt.Sprint("w", w, "-"), i); err != nil {
					if fault.CodeOf(err) != fault.Unavailable {
						t.Errorf("a dead database is %v, want %s", err, fault.Unavailable)
					}
					return
				}
				n.Add(1)
				if _, err := db.Claim(t.Context(), "k", 1, time.Hour); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return n.Load()
}

// checkWhole checks that each update happened with all its effects or not at all.
func checkWhole(t *testing.T, db *sqlstore.DB, acknowledged, doubtful int64) {
	t.Helper()
	ctx := t.Context()
	e, err := db.Experiments().Get(ctx, counter.Key())
	if err != nil {
		t.Fatal(err)
	}
	if e.Runs < acknowledged || e.Runs > acknowledged+doubtful {
		t.Errorf("%d updates are there, %d were acknowledged and %d in doubt", e.Runs, acknowledged, doubtful)
	}
	taken, err := db.Taken(ctx, "s")
	if err != nil || int64(len(taken)) != e.Runs {
		t.Errorf("%d things are taken after %d updates, %v", len(taken), e.Runs, err)
	}
	events, err := db.Events(ctx, "ws", "", 0, 1000)
	if err != nil || int64(len(events)) != e.Runs {
		t.Errorf("%d events after %d updates, %v", len(events), e.Runs, err)
	}
	leases, err := db.Claim(ctx, "k", 1000, time.Hour)
	if err != nil || int64(len(leases)) != e.Runs {
		t.Errorf("%d records are due after %d updates, %v", len(leases), e.Runs, err)
	}
}

// TestKillPoints has the database die at each of the first statements of a workload, before the
// statement and after it, and looks at what is left.
func TestKillPoints(t *testing.T) {
	t.Parallel()
	points := int64(200)
	if testing.Short() {
		points = 40
	}
	for _, answered := range []bool{false, true} {
		for n := int64(1); n <= points; n++ {
			killAt(t, n, answered)
		}
	}
}

func killAt(t *testing.T, n int64, answered bool) {
	t.Helper()
	path, d := filepath.Join(t.TempDir(), "z.db"), &faultsql.Driver{}
	db := openFile(t, path, sqlstore.Options{Wrap: d.Wrap, NoSync: true})
	if err := db.Experiments().Insert(t.Context(), counter, store.Fence{Run: "r", Attempt: 1}); err != nil {
		t.Fatal(err)
	}
	d.DieIn(n, answered)
	acknowledged := addUntilDead(t, db)
	if !d.Dead() {
		t.Fatalf("the workload has fewer than %d statements", n)
	}
	if err := addOne(t, db, "late", 1); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("a write after the death returned %v", err)
	}
	db.Close() // what it says of dead connections is of no interest
	db = openFile(t, path, sqlstore.Options{NoSync: true})
	defer db.Close()
	checkWhole(t, db, acknowledged, 2)
	if t.Failed() {
		t.Fatalf("after the death at statement %d, answered %t", n, answered)
	}
}

// TestFailingStatements has statements fail at random and the callers repeat their writes, which are
// named: in the end each happened once.
func TestFailingStatements(t *testing.T) {
	t.Parallel()
	d := &faultsql.Driver{}
	db := openFile(t, filepath.Join(t.TempDir(), "z.db"), sqlstore.Options{Wrap: d.Wrap, NoSync: true})
	defer db.Close()
	if err := db.Experiments().Insert(t.Context(), counter, store.Fence{Run: "r", Attempt: 1}); err != nil {
		t.Fatal(err)
	}
	d.Fail(0.02, 1)
	var failures atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := int64(1); i <= 50; i++ {
				for addOne(t, db, fmt.Sprint("w", w, "-"), i) != nil {
					failures.Add(1)
				}
			}
		})
	}
	wg.Wait()
	d.Fail(0, 0)
	if failures.Load() == 0 {
		t.Error("no statement failed")
	}
	checkWhole(t, db, 8*50, 0)
}

// TestPanicStaysWithItsCaller has one of two writers panic: the other does not notice.
func TestPanicStaysWithItsCaller(t *testing.T) {
	t.Parallel()
	db := open(t)
	if err := db.Experiments().Insert(t.Context(), counter, store.Fence{Run: "r", Attempt: 1}); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if v := recover(); v != "a bug" {
				t.Errorf("recovered %v, want the caller's own panic", v)
			}
		}()
		_, _ = db.Experiments().Update(t.Context(), counter.Key(), func(e *run.Experiment) ([]store.Effect, error) {
			e.Runs = 100
			panic("a bug")
		})
	}()
	if err := addOne(t, db, "w", 1); err != nil {
		t.Error(err)
	}
	if e, err := db.Experiments().Get(t.Context(), counter.Key()); err != nil || e.Runs != 1 {
		t.Errorf("the counter is %d, %v; want 1", e.Runs, err)
	}
}

var errDied error = faultsql.ErrDied

func TestDeathIsInTheFault(t *testing.T) {
	t.Parallel()
	d := &faultsql.Driver{}
	db := openFile(t, filepath.Join(t.TempDir(), "z.db"), sqlstore.Options{Wrap: d.Wrap, NoSync: true})
	defer db.Close()
	d.DieIn(1, false)
	if _, err := db.Setting(t.Context(), "x"); !errors.Is(err, errDied) {
		t.Errorf("a query of a dead database returned %v", err)
	}
}
