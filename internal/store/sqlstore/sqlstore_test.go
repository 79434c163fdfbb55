package sqlstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

func open(t testing.TB) *sqlstore.DB {
	t.Helper()
	db := openFile(t, filepath.Join(t.TempDir(), "z.db"), sqlstore.Options{})
	t.Cleanup(func() { db.Close() })
	return db
}

// empty holds a database of the present schema: to make it takes longer than most tests do.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "z.db")
	db, err := sqlstore.OpenWith(context.Background(), "sqlite:"+path, slog.New(slog.DiscardHandler), sqlstore.Options{NoSync: true})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// openFile opens a database, an empty one where there is none.
func openFile(t testing.TB, path string, o sqlstore.Options) *sqlstore.DB {
	t.Helper()
	if _, err := os.Stat(path); os.IsNotExist(err) {
		b, err := empty()
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlstore.OpenWith(t.Context(), "sqlite:"+path, slog.New(slog.DiscardHandler), o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func aRun(n int) run.Run {
	u := id.New()
	return run.Run{
		Workspace: "ws", Name: u, ID: u, Experiment: fmt.Sprint("exp", n%10), Number: int64(n), Origin: run.Managed,
		Tags: map[string]string{"lr": "0.1", "user": "somebody"},
		Spec: run.Spec{
			Target: "gpu-box", Command: []string{"python", "train.py", "--epochs", "10"}, Environment: "sklearn:3",
			Digest:   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			Snapshot: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			Env:      map[string]string{"A": "b"}, GPUs: 1, CPU: 2, Memory: 1 << 30, Timeout: time.Hour,
		},
		Status: run.Status{
			State: run.Queued, Changed: time.Now(),
			Conditions: []run.Condition{{Type: "Placed", Reason: "Waiting", Message: "2 of 4 GPUs free on gpu-box, 3 runs ahead", Since: time.Now()}},
		},
		CreatedBy: "admin", Created: time.Now(),
	}
}

// cpu returns the time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// step is the store's share of one step of the reconciler: claim, update with effects, settle.
func step(ctx context.Context, db *sqlstore.DB, runs run.Store, k store.Key) error {
	leases, err := db.Claim(ctx, "run", 1, time.Minute)
	if err != nil {
		return err
	}
	_, err = runs.Update(ctx, k, func(r *run.Run) ([]store.Effect, error) {
		if r.Attempt() == nil {
			r.Status.Attempts = []run.Attempt{{Number: 1, JobID: "z-1", Slots: []driver.Slot{{Machine: "m"}}}}
		}
		r.Status.Attempts[0].Outcome.ExitCode++
		if r.Status.State = run.Running; r.Status.Attempts[0].Outcome.ExitCode%2 == 0 {
			r.Status.State = run.Finalizing
		}
		return []store.Effect{
			store.Wake{Kind: "run", ID: k.String()},
			store.Emit{Workspace: "ws", Subject: "run/" + k.Name, Type: "run.state_changed", Data: map[string]string{"state": "Running"}},
		}, nil
	})
	if err != nil {
		return err
	}
	for _, l := range leases {
		if err := db.Settle(ctx, l, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkStep(b *testing.B) {
	db := open(b)
	runs := db.Runs()
	var keys []store.Key
	for n := range 100 {
		r := aRun(n)
		keys = append(keys, r.Key())
		if err := runs.Insert(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	start, n := cpu(), 0
	for b.Loop() {
		if err := step(b.Context(), db, runs, keys[n%len(keys)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-µs/op")
}

func BenchmarkStepParallel(b *testing.B) {
	db := open(b)
	runs := db.Runs()
	b.SetParallelism(16)
	start := cpu()
	b.RunParallel(func(p *testing.PB) {
		r := aRun(1)
		if err := runs.Insert(b.Context(), r); err != nil {
			b.Error(err)
			return
		}
		for p.Next() {
			if err := step(b.Context(), db, runs, r.Key()); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-µs/op")
}

func BenchmarkOpen(b *testing.B) {
	path := "sqlite:" + filepath.Join(b.TempDir(), "z.db")
	for b.Loop() {
		db, err := sqlstore.Open(b.Context(), path, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		db.Close()
	}
}

// BenchmarkList reads pages of 50 among 100,000 runs, of which all wait, and looks for work.
func BenchmarkList(b *testing.B) {
	db, err := sqlstore.OpenWith(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "z.db"), slog.New(slog.DiscardHandler), sqlstore.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	fillRuns(b, db, 100_000)
	ws := run.Filter{Workspace: "ws"}
	for name, f := range map[string]run.Filter{
		"workspace": ws, "experiment": {Workspace: "ws", Experiment: "exp3"}, "active": {Workspace: "ws", Active: true},
		"state": {Workspace: "ws", State: run.Queued}, "none": {Workspace: "ws", State: run.Failed},
		"target": {Workspace: "ws", Target: "gpu-box", Active: true}, "parent": {Workspace: "ws", Parent: "x"},
		"tag": {Workspace: "ws", Tag: "user=somebody"}, "notag": {Workspace: "ws", Tag: "nobody"},
	} {
		b.Run(name, func(b *testing.B) {
			cursor := ""
			for b.Loop() {
				_, next, err := db.Runs().List(b.Context(), f, store.Page{Limit: 50, Cursor: cursor})
				if err != nil {
					b.Fatal(err)
				}
				cursor = next
			}
		})
	}
	b.Run("queue", func(b *testing.B) {
		for b.Loop() {
			if got, err := db.Runs().Queue(b.Context(), store.Key{Workspace: "ws", Name: "gpu-box"}, 10); err != nil || len(got) != 10 {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("next due", func(b *testing.B) {
		for b.Loop() {
			if _, err := db.NextDue(b.Context(), "run"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func fillRuns(b *testing.B, db *sqlstore.DB, n int) {
	b.Helper()
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < n; i += 64 {
				r := aRun(i)
				if err := db.Runs().Insert(b.Context(), r, store.Wake{Kind: "run", ID: r.Key().String()}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for {
		leases, err := db.Claim(b.Context(), "run", 1000, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		if len(leases) == 0 {
			return
		}
		for _, l := range leases {
			wg.Go(func() {
				if err := db.Settle(b.Context(), l, time.Time{}); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
