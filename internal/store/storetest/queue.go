package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func testQueue(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "claims each record once", claimOnce)
	on(t, open, "loses no wake-up in a race", wakeRace)
	for name, test := range map[string]func(*testing.T, *clocked){
		"claims what is due":       claimDue,
		"leases expire":            leasesExpire,
		"extends":                  extends,
		"keeps a wake-up":          keepsWake,
		"keeps a later wake-up":    keepsLaterWake,
		"counts failures":          countsFailures,
		"signals a kind":           signalsKind,
		"refuses a lost lease":     refusesLost,
		"knows when the next is":   knowsNext,
		"the earliest wake counts": earliestWake,
		"recalls what is due late": recalls,
		"wakes without a write":    wakesAlone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, &clocked{T: t, Store: open(t)}) })
		})
	}
}

// clocked is a store under the clock of a bubble.
type clocked struct {
	*testing.T
	Store
	writes int
}

func (c *clocked) wake(id string, at time.Time) {
	c.Helper()
	c.writes++
	must(c.T, write(c.T, c, fmt.Sprint("w", c.writes), store.Wake{Kind: "k", ID: id, At: at}))
}

func (c *clocked) claim(n, want int) []store.Lease {
	c.Helper()
	got, err := c.Claim(c.Context(), "k", n, time.Minute)
	must(c.T, err)
	if len(got) != want {
		c.Fatalf("claimed %v, want %d", got, want)
	}
	return got
}

func claimDue(t *testing.T, c *clocked) {
	c.wake("b", time.Now().Add(time.Hour))
	c.wake("a/ü'", time.Time{})
	must(t, write(t, c, "other", store.Wake{Kind: "other", ID: "a"}))
	l := c.claim(5, 1)[0]
	if l.ID != "a/ü'" || l.Kind != "k" || l.Token == "" || l.Attempt != 0 || l.Wakes != 1 {
		t.Errorf("lease %+v", l)
	}
	time.Sleep(time.Hour)
	if got := c.claim(1, 1); got[0].ID == "" {
		t.Errorf("lease %+v", got[0])
	}
}

func leasesExpire(_ *testing.T, c *clocked) {
	c.wake("a", time.Time{})
	c.claim(5, 1)
	time.Sleep(time.Minute - time.Microsecond)
	c.claim(5, 0)
	time.Sleep(time.Microsecond)
	c.claim(5, 1)
}

func extends(t *testing.T, c *clocked) {
	c.wake("a", time.Time{})
	l := c.claim(5, 1)[0]
	for range 10 {
		time.Sleep(50 * time.Second)
		must(t, c.Extend(t.Context(), l, time.Minute))
	}
	c.claim(5, 0)
	must(t, c.Settle(t.Context(), l, time.Time{}))
	time.Sleep(time.Hour)
	c.claim(5, 0)
}

func keepsWake(t *testing.T, c *clocked) {
	for _, next := range []time.Duration{0, time.Hour} {
		c.wake("a", time.Time{})
		l := c.claim(5, 1)[0]
		c.wake("a", time.Time{})
		c.claim(5, 0)
		at := time.Time{}
		if next > 0 {
			at = time.Now().Add(next)
		}
		must(t, c.Settle(t.Context(), l, at))
		l2 := c.claim(5, 1)[0]
		if l2.Wakes <= l.Wakes {
			t.Errorf("%d wakes after a wake, %d before", l2.Wakes, l.Wakes)
		}
		must(t, c.Settle(t.Context(), l2, time.Time{}))
		time.Sleep(2 * time.Hour)
		c.claim(5, 0)
	}
}

func keepsLaterWake(t *testing.T, c *clocked) {
	c.wake("a", time.Time{})
	l := c.claim(5, 1)[0]
	c.wake("a", time.Now().Add(10*time.Second))
	must(t, c.Settle(t.Context(), l, time.Now().Add(time.Hour)))
	c.claim(5, 0)
	time.Sleep(10 * time.Second)
	must(t, c.Settle(t.Context(), c.claim(5, 1)[0], time.Now().Add(5*time.Second)))
	c.wake("a", time.Now().Add(time.Hour)) // later than it is due
	time.Sleep(5 * time.Second)
	c.claim(5, 1)
}

func countsFailures(t *testing.T, c *clocked) {
	c.wake("a", time.Time{})
	for attempt := range 3 {
		l := c.claim(5, 1)[0]
		if l.Attempt != attempt {
			t.Errorf("attempt %d, want %d", l.Attempt, attempt)
		}
		must(t, c.Fail(t.Context(), l, time.Now().Add(time.Second)))
		c.claim(5, 0)
		time.Sleep(time.Second)
	}
	must(t, c.Settle(t.Context(), c.claim(5, 1)[0], time.Now()))
	if l := c.claim(5, 1)[0]; l.Attempt != 0 {
		t.Errorf("attempt %d after a success, want 0", l.Attempt)
	}
}

func told(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func signalsKind(t *testing.T, c *clocked) {
	woken, other := c.Woken("k"), c.Woken("other")
	c.wake("a", time.Now().Add(time.Hour))
	if !told(woken) || told(other) {
		t.Error("a wake of k did not tell those who wait for k, or told others")
	}
	if err := write(t, c, "w1", store.Wake{Kind: "k", ID: "a"}); err == nil || told(woken) {
		t.Errorf("a write that failed with %v told of a wake", err)
	}
	c.wake("b", time.Time{})
	c.wake("b", time.Time{})
	told(woken)
	l := c.claim(1, 1)[0]
	if told(woken) {
		t.Error("told again of what was told")
	}
	c.wake("b", time.Time{})
	told(woken) // nothing to claim yet
	must(t, c.Settle(t.Context(), l, time.Time{}))
	if !told(woken) {
		t.Error("a record that was woken during its lease is due, and nobody was told")
	}
	must(t, c.Settle(t.Context(), c.claim(1, 1)[0], time.Time{}))
	if told(woken) {
		t.Error("settling told of a wake that was not")
	}
}

func refusesLost(t *testing.T, c *clocked) {
	c.wake("a", time.Time{})
	old := c.claim(1, 1)[0]
	time.Sleep(2 * time.Minute)
	l := c.claim(1, 1)[0]
	for name, err := range map[string]error{
		"Extend":       c.Extend(t.Context(), old, time.Minute),
		"Settle":       c.Settle(t.Context(), old, time.Time{}),
		"Fail":         c.Fail(t.Context(), old, time.Time{}),
		"Settle of no": c.Settle(t.Context(), store.Lease{Kind: "k", ID: "none", Token: "x"}, time.Time{}),
	} {
		if fault.CodeOf(err) != fault.Conflict || fault.ReasonOf(err) != "LeaseLost" {
			t.Errorf("%s with a lost lease returned %v", name, err)
		}
	}
	must(t, c.Settle(t.Context(), l, time.Time{}))
	if err := c.Settle(t.Context(), l, time.Time{}); fault.ReasonOf(err) != "LeaseLost" {
		t.Errorf("the second Settle returned %v", err)
	}
}

func knowsNext(t *testing.T, c *clocked) {
	want := func(at time.Time) {
		t.Helper()
		got, err := c.NextDue(t.Context(), "k")
		must(t, err)
		if !got.Equal(at) {
			t.Errorf("next is due at %v, want %v", got, at)
		}
	}
	start := time.Now()
	want(time.Time{})
	c.wake("a", start.Add(2*time.Hour))
	want(start.Add(2 * time.Hour))
	c.wake("b", start)
	want(start)
	l := c.claim(1, 1)[0]
	want(start.Add(time.Minute)) // the lease's end
	must(t, c.Settle(t.Context(), l, start.Add(time.Hour)))
	want(start.Add(time.Hour))
	time.Sleep(time.Hour)
	must(t, c.Settle(t.Context(), c.claim(1, 1)[0], time.Time{}))
	want(start.Add(2 * time.Hour))
}

func recalls(t *testing.T, c *clocked) {
	start := time.Now()
	c.wake("leased", start)
	c.claim(1, 1)
	c.wake("never", start)
	must(t, c.Settle(t.Context(), c.claim(1, 1)[0], time.Time{}))
	c.wake("late", start.Add(time.Hour))
	c.wake("soon", start.Add(20*time.Second))
	must(t, c.Recall(t.Context(), "other", start))
	c.claim(5, 0)
	must(t, c.Recall(t.Context(), "k", start.Add(30*time.Second)))
	if got := c.claim(5, 1); got[0].ID != "late" {
		t.Errorf("%s was recalled, not the one that is due too late", got[0].ID)
	}
}

func earliestWake(_ *testing.T, c *clocked) {
	c.wake("a", time.Now().Add(time.Hour))
	c.wake("a", time.Now().Add(time.Second))
	c.wake("a", time.Now().Add(time.Minute))
	c.claim(1, 0)
	time.Sleep(time.Second)
	c.claim(1, 1)
}

// claimOnce has 16 workers claim 1000 records.
func claimOnce(t *testing.T, s Store) {
	const n = 1000
	var wakes []store.Effect
	for i := range n {
		wakes = append(wakes, store.Wake{Kind: "k", ID: fmt.Sprint(i)})
	}
	must(t, write(t, s, "w", wakes...))
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for empty := 0; empty < 3; {
				got, err := s.Claim(t.Context(), "k", 7, time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				if len(got) == 0 {
					empty++
				}
				mu.Lock()
				for _, l := range got {
					seen[l.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != n {
		t.Errorf("claimed %d of %d", len(seen), n)
	}
	for id, count := range seen {
		if count != 1 {
			t.Errorf("%s was claimed %d times", id, count)
		}
	}
}

// wakeRace changes and wakes records while workers claim, read and settle them: at rest each was
// read as it is.
func wakeRace(t *testing.T, s Store) {
	const records, changes = 5, 60
	key := func(i int) store.Key { return store.Key{Workspace: "ws", Name: fmt.Sprint(i)} }
	for i := range records {
		must(t, s.Experiments().Insert(t.Context(), run.Experiment{Workspace: "ws", Name: key(i).Name}))
	}
	var mu sync.Mutex
	seen := map[string]int64{}
	work := func() int {
		got, err := s.Claim(t.Context(), "k", 2, time.Hour)
		for _, l := range got {
			e, err := s.Experiments().Get(t.Context(), store.ParseKey(l.ID))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			seen[l.ID] = max(seen[l.ID], e.Runs)
			mu.Unlock()
			if err := s.Settle(t.Context(), l, time.Time{}); err != nil {
				t.Error(err)
			}
		}
		if err != nil {
			t.Error(err)
		}
		return len(got)
	}
	var changing, working sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		changing.Go(func() {
			for range changes {
				k := key(rand.N(records))
				_, err := s.Experiments().Update(t.Context(), k, func(e *run.Experiment) ([]store.Effect, error) {
					e.Runs++
					return []store.Effect{store.Wake{Kind: "k", ID: k.String()}}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
		working.Go(func() {
			for last := false; ; {
				if n := work(); last && n == 0 {
					return
				}
				select {
				case <-stop:
					last = true // nothing is woken any more: work until nothing is due
				default:
				}
			}
		})
	}
	changing.Wait()
	close(stop)
	working.Wait()
	for i := range records {
		e, err := s.Experiments().Get(t.Context(), key(i))
		must(t, err)
		if seen[key(i).String()] != e.Runs {
			t.Errorf("record %d was changed %d times, the workers last saw %d", i, e.Runs, seen[key(i).String()])
		}
	}
}

func wakesAlone(t *testing.T, c *clocked) {
	must(t, c.Wake(t.Context(), store.Wake{Kind: "k", ID: "a"}))
	lease := c.claim(2, 1)[0]
	must(t, c.Wake(t.Context(), store.Wake{Kind: "k", ID: "a"})) // while somebody works on it
	must(t, c.Settle(t.Context(), lease, time.Time{}))
	again := c.claim(2, 1)[0]
	must(t, c.Settle(t.Context(), again, time.Time{}))
	c.claim(2, 0)
}
