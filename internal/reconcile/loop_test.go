package reconcile_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const kind = "thing"

// bench is a loop on a real SQLite file, with the clock of a synctest bubble.
type bench struct {
	*testing.T
	db    *sqlstore.DB
	start time.Time
	stop  context.CancelFunc
	ended chan error
	log   *bytes.Buffer // to be read once the loop has ended

	mu    sync.Mutex
	steps []string // "id@time since start"
}

// try runs a loop with n workers in a bubble; do drives it.
func try(t *testing.T, n int, f reconcile.Func, do func(b *bench)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, start: time.Now(), ended: make(chan error, 1), log: new(bytes.Buffer)}
		log := slog.New(slog.NewTextHandler(b.log, nil))
		db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "z.db"), log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		b.db = db
		ctx, stop := context.WithCancel(t.Context())
		b.stop = stop
		counted := func(ctx context.Context, id string) (reconcile.Result, error) {
			b.mu.Lock()
			b.steps = append(b.steps, id+"@"+time.Since(b.start).String())
			b.mu.Unlock()
			return f(ctx, id)
		}
		go func() {
			b.ended <- reconcile.New(db, log, map[string]reconcile.Worker{kind: {Func: counted, N: n}}).Run(ctx)
		}()
		synctest.Wait()
		do(b)
		stop()
	})
}

func (b *bench) wake(id string, after time.Duration) {
	b.Helper()
	w := store.Wake{Kind: kind, ID: id, At: time.Now().Add(after)}
	name := "w" + strconv.FormatInt(time.Now().UnixNano(), 10) + id
	if err := b.db.Workspaces().Insert(b.Context(), workspace.Workspace{Name: name}, w); err != nil {
		b.Fatal(err)
	}
}

// at lets time pass until some time after the start.
func (b *bench) at(d time.Duration) {
	time.Sleep(time.Until(b.start.Add(d)))
	synctest.Wait()
}

func (b *bench) want(steps ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := slices.Clone(b.steps)
	if diff := cmp.Diff(steps, got); diff != "" {
		b.Errorf("steps (-want +got):\n%s", diff)
	}
}

func (b *bench) end() error {
	b.stop()
	return <-b.ended
}

var unreachable = &fault.Error{
	Code: fault.Unavailable, Reason: "Unreachable", What: "no answer", Why: "test", Fix: "wait",
}

func TestLoopHonoursTimes(t *testing.T) {
	var n atomic.Int32
	f := func(context.Context, string) (reconcile.Result, error) {
		switch n.Add(1) {
		case 1:
			return reconcile.Result{After: 50 * time.Millisecond}, nil
		case 2:
			return reconcile.Result{After: time.Hour}, nil
		}
		return reconcile.Result{}, nil
	}
	try(t, 2, f, func(b *bench) {
		b.wake("a", 0)
		b.at(time.Second)
		b.want("a@0s", "a@50ms")
		b.at(2 * time.Hour)
		b.want("a@0s", "a@50ms", "a@1h0m0.05s")
		b.wake("a", 300*time.Millisecond)
		b.at(3 * time.Hour)
		b.want("a@0s", "a@50ms", "a@1h0m0.05s", "a@2h0m0.3s")
	})
}

// The times in the queue are of a clock that was an hour ahead before the server started.
func TestLoopRecallsWhatAWrongClockPutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "z.db"), log)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		b := &bench{T: t, db: db, start: time.Now()}
		b.wake("late", time.Hour)
		b.wake("soon", 5*time.Minute)
		ctx, stop := context.WithCancel(t.Context())
		f := func(_ context.Context, id string) (reconcile.Result, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.steps = append(b.steps, id+"@"+time.Since(b.start).String())
			return reconcile.Result{}, nil
		}
		ended := make(chan error)
		go func() { ended <- reconcile.New(db, log, map[string]reconcile.Worker{kind: {Func: f, N: 1}}).Run(ctx) }()
		b.at(10 * time.Minute)
		b.want("late@0s", "soon@5m0s")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestLoopSeesWakeDuringStep(t *testing.T) {
	f := func(context.Context, string) (reconcile.Result, error) {
		time.Sleep(3 * time.Second)
		return reconcile.Result{After: time.Hour}, nil
	}
	try(t, 2, f, func(b *bench) {
		b.wake("a", 0)
		b.at(time.Second)
		b.wake("a", 0)
		b.at(10 * time.Second)
		b.want("a@0s", "a@3s")
	})
}

func TestLoopBacksOff(t *testing.T) {
	var failures atomic.Int32
	f := func(context.Context, string) (reconcile.Result, error) {
		if failures.Add(1) <= 12 {
			return reconcile.Result{}, unreachable
		}
		return reconcile.Result{}, nil
	}
	try(t, 1, f, func(b *bench) {
		b.wake("a", 0)
		b.at(time.Hour)
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.steps) != 13 {
			b.Fatalf("%d steps, want 12 failures and a success: %v", len(b.steps), b.steps)
		}
		var last time.Duration
		for i, s := range b.steps {
			at, err := time.ParseDuration(strings.TrimPrefix(s, "a@"))
			if err != nil {
				b.Fatal(err)
			}
			longest := min(time.Minute, 100*time.Millisecond<<max(i-1, 0))
			if gap := at - last; i > 0 && (gap < longest/2-time.Millisecond || gap > longest+time.Millisecond) {
				b.Errorf("failure %d was followed by a wait of %v, want %v to %v", i, gap, longest/2, longest)
			}
			last = at
		}
	})
}

func TestLoopHonoursRetryAfter(t *testing.T) {
	var n atomic.Int32
	f := func(context.Context, string) (reconcile.Result, error) {
		if n.Add(1) == 1 {
			e := *unreachable
			e.RetryAfter = 7 * time.Second
			return reconcile.Result{}, &e
		}
		return reconcile.Result{}, nil
	}
	try(t, 1, f, func(b *bench) {
		b.wake("a", 0)
		b.at(time.Minute)
		b.want("a@0s", "a@7s")
	})
}

func TestLoopLeavesFinalErrors(t *testing.T) {
	f := func(_ context.Context, id string) (reconcile.Result, error) {
		return reconcile.Result{}, errors.New("boom " + id)
	}
	try(t, 1, f, func(b *bench) {
		b.wake("a", 0)
		b.at(time.Hour)
		b.want("a@0s")
		b.wake("a", 0)
		b.at(2 * time.Hour)
		b.want("a@0s", "a@1h0m0s")
		if err := b.end(); err != nil {
			b.Error(err)
		}
		if log := b.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "boom a") {
			b.Errorf("the log lacks the error:\n%s", log)
		}
	})
}

func TestLoopSurvivesPanic(t *testing.T) {
	var n atomic.Int32
	f := func(context.Context, string) (reconcile.Result, error) {
		if n.Add(1) == 1 {
			panic("a bug")
		}
		return reconcile.Result{}, nil
	}
	try(t, 1, f, func(b *bench) {
		b.wake("a", 0)
		b.at(time.Minute)
		if err := b.end(); err != nil {
			b.Error(err)
		}
		if len(b.steps) != 2 {
			b.Errorf("steps %v, want a second after the panic", b.steps)
		}
		if log := b.log.String(); !strings.Contains(log, "a bug") || !strings.Contains(log, "loop_test.go") {
			b.Errorf("the log lacks the panic or its stack:\n%s", log)
		}
	})
}

func TestLoopExtendsLongSteps(t *testing.T) {
	f := func(context.Context, string) (reconcile.Result, error) {
		time.Sleep(5 * time.Minute)
		return reconcile.Result{}, nil
	}
	try(t, 4, f, func(b *bench) {
		b.wake("a", 0)
		for m := range 4 {
			b.at(time.Duration(m)*time.Minute + time.Second)
			if got, err := b.db.Claim(b.Context(), kind, 5, time.Minute); err != nil || len(got) != 0 {
				b.Errorf("claimed %v, %v, of a loop that works on it", got, err)
			}
		}
		b.at(10 * time.Minute)
		b.want("a@0s")
	})
}

func TestLoopUsesItsWorkers(t *testing.T) {
	var now, most atomic.Int32
	f := func(context.Context, string) (reconcile.Result, error) {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(time.Second)
		now.Add(-1)
		return reconcile.Result{}, nil
	}
	try(t, 3, f, func(b *bench) {
		for i := range 9 {
			b.wake(strconv.Itoa(i), time.Minute)
		}
		b.at(time.Minute + 3*time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.steps) != 9 || most.Load() != 3 {
			b.Errorf("%d steps, at most %d at once; want 9, 3", len(b.steps), most.Load())
		}
	})
}

func TestLoopGivesBackOnStop(t *testing.T) {
	cause := make(chan error, 1)
	f := func(ctx context.Context, _ string) (reconcile.Result, error) {
		<-ctx.Done()
		cause <- context.Cause(ctx)
		time.Sleep(5 * time.Second) // tidies up
		return reconcile.Result{}, ctx.Err()
	}
	try(t, 1, f, func(b *bench) {
		b.wake("a", 0)
		b.wake("b", 0) // waits for the worker
		b.at(time.Second)
		if err := b.end(); err != nil {
			b.Error(err)
		}
		if err := <-cause; !errors.Is(err, reconcile.ErrStop) {
			b.Errorf("the step was ended with %v, want ErrStop", err)
		}
		if took := time.Since(b.start); took != 6*time.Second {
			b.Errorf("the loop ended after %v, want 6s", took)
		}
		got, err := b.db.Claim(b.Context(), kind, 5, time.Minute)
		if err != nil || len(got) != 2 {
			b.Fatalf("claimed %v, %v after the stop; want both records", got, err)
		}
		if got[0].Attempt != 0 || got[1].Attempt != 0 {
			b.Error("stopping counts as a failure")
		}
	})
}

func TestLoopStopsDespiteStubbornStep(t *testing.T) {
	f := func(context.Context, string) (reconcile.Result, error) {
		time.Sleep(time.Hour)
		return reconcile.Result{}, nil
	}
	try(t, 1, f, func(b *bench) {
		b.wake("a", 0)
		b.at(time.Second)
		err := b.end()
		if fault.ReasonOf(err) != "StopTimedOut" {
			b.Errorf("Run returned %v, want StopTimedOut", err)
		}
		if took := time.Since(b.start); took != 11*time.Second {
			b.Errorf("the loop ended after %v, want 11s", took)
		}
		if got, err := b.db.Claim(b.Context(), kind, 5, time.Minute); err != nil || len(got) != 1 {
			b.Errorf("claimed %v, %v; want the record that was given back", got, err)
		}
		time.Sleep(time.Hour) // the step ends in the bubble
	})
}

// counter counts what an idle loop asks of its queue.
type counter struct {
	store.Queue
	looks, claims atomic.Int32
}

func (c *counter) NextDue(ctx context.Context, kind string) (time.Time, error) {
	c.looks.Add(1)
	return c.Queue.NextDue(ctx, kind)
}

func (c *counter) Claim(ctx context.Context, kind string, n int, ttl time.Duration) ([]store.Lease, error) {
	c.claims.Add(1)
	return c.Queue.Claim(ctx, kind, n, ttl)
}

func TestIdleLoopIsQuiet(t *testing.T) {
	try(t, 1, func(context.Context, string) (reconcile.Result, error) { return reconcile.Result{}, nil }, func(b *bench) {
		q := &counter{Queue: b.db}
		idle := reconcile.Worker{Func: func(context.Context, string) (reconcile.Result, error) { return reconcile.Result{}, nil }}
		ctx, stop := context.WithCancel(b.Context())
		ended := make(chan error)
		go func() {
			ended <- reconcile.New(q, slog.New(slog.DiscardHandler), map[string]reconcile.Worker{"idle": idle}).Run(ctx)
		}()
		b.at(time.Minute)
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if looks, claims := q.looks.Load(), q.claims.Load(); looks > 61 || claims > 0 {
			b.Errorf("%d looks and %d claims in an idle minute, want at most 61 and none", looks, claims)
		}
	})
}
