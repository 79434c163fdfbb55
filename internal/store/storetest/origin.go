package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func testOrigins(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "what is known changes nothing", known)
	on(t, open, "a request that got part of the way", partOfTheWay)
	on(t, open, "fences", fences)
	on(t, open, "two who send the same", twoReplayers)
	on(t, open, "the next attempt begins", nextAttempt)
}

var total = run.Experiment{Workspace: "ws", Name: "e"}

// from is the context of a request that a job sends, each time anew.
func from(t *testing.T, attempt int, lane string, sequence int64) context.Context {
	return store.WithOrigin(t.Context(), store.Origin{Run: "r", Attempt: attempt, Lane: lane, Sequence: sequence})
}

// begin makes the record that is counted in, and lets attempt 1 write.
func begin(t *testing.T, s Store) {
	t.Helper()
	must(t, s.Experiments().Insert(t.Context(), total, store.Fence{Run: "r", Attempt: 1}))
}

func add(ctx context.Context, s Store, effects ...store.Effect) (run.Experiment, error) {
	return s.Experiments().Update(ctx, total.Key(), func(e *run.Experiment) ([]store.Effect, error) {
		e.Runs++
		return effects, nil
	})
}

func counted(t *testing.T, s Store, want int64) {
	t.Helper()
	if e, err := s.Experiments().Get(t.Context(), total.Key()); err != nil || e.Runs != want {
		t.Errorf("%d writes happened, want %d; %v", e.Runs, want, err)
	}
}

func known(t *testing.T, s Store) {
	begin(t, s)
	for _, w := range []struct {
		lane     string
		sequence int64
		want     int64 // that are there after it
	}{
		{"a", 1, 1}, {"a", 1, 1}, {"b", 1, 2}, {"a", 5, 3}, {"a", 5, 3}, {"a", 2, 3}, {"b", 2, 4}, {"", 0, 5}, {"", 0, 6}, {"a", 6, 7},
	} {
		got, err := add(from(t, 1, w.lane, w.sequence), s, store.Take{Space: "s", Name: fmt.Sprint(w.lane, w.sequence, w.want), Holder: "h"})
		must(t, err)
		if got.Runs != w.want {
			t.Errorf("after %s/%d there are %d, want %d", w.lane, w.sequence, got.Runs, w.want)
		}
	}
	counted(t, s, 7)
	if taken, err := s.Taken(t.Context(), "s"); err != nil || len(taken) != 7 {
		t.Errorf("%d effects of 7 writes, %v", len(taken), err)
	}
	w := workspace.Workspace{Name: "w"}
	must(t, s.Workspaces().Insert(from(t, 1, "c", 1), w))
	must(t, s.Workspaces().Insert(from(t, 1, "c", 1), w)) // would fail: the name is taken
	must(t, s.Workspaces().Delete(from(t, 1, "c", 2), w.Key()))
	must(t, s.Workspaces().Insert(t.Context(), w))
	must(t, s.Workspaces().Delete(from(t, 1, "c", 2), w.Key()))
	if _, err := s.Workspaces().Get(t.Context(), w.Key()); err != nil {
		t.Errorf("a repeated Delete deleted: %v", err)
	}
	refuse := fmt.Errorf("refused")
	_, err := s.Experiments().Update(from(t, 1, "d", 1), total.Key(), func(*run.Experiment) ([]store.Effect, error) { return nil, refuse })
	if err != refuse {
		t.Errorf("a refused write returned %v", err)
	}
	_, err = add(from(t, 1, "d", 1), s) // what was refused is not known
	must(t, err)
	counted(t, s, 8)
}

// partOfTheWay: of a request with several writes those that happened are known by what they write.
func partOfTheWay(t *testing.T, s Store) {
	begin(t, s)
	m := s.Metrics(metric.Limits{})
	_, err := add(from(t, 1, "a", 1), s) // and then the server died
	must(t, err)
	again := from(t, 1, "a", 1)
	must(t, m.Append(again, metricsKey, scalars("m", 0, 1))) // another way: the other record first
	_, err = add(again, s)
	must(t, err)
	_, err = add(again, s) // the second write to it
	must(t, err)
	for range 2 {
		last := from(t, 1, "a", 1)
		_, err = add(last, s)
		must(t, err)
		must(t, m.Append(last, metricsKey, scalars("m", 5, 1)))
	}
	counted(t, s, 2)
	if got, err := m.Series(t.Context(), metricsKey.Run, "m", 0, 0); err != nil || len(got) != 1 {
		t.Errorf("%d points, want 1; %v", len(got), err)
	}
}

func fences(t *testing.T, s Store) {
	isFenced := func(what string, err error) {
		t.Helper()
		if fault.CodeOf(err) != fault.Precondition || fault.ReasonOf(err) != "Fenced" {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, s.Experiments().Insert(t.Context(), total))
	try := func(attempt int, sequence int64) error {
		_, err := add(from(t, attempt, "a", sequence), s)
		return err
	}
	isFenced("a run that did not begin", try(1, 0))
	must(t, write(t, s, "1", store.Fence{Run: "r", Attempt: 1}))
	must(t, try(1, 9))
	must(t, write(t, s, "2", store.Fence{Run: "r", Attempt: 2}))
	for _, sequence := range []int64{0, 9, 10} {
		isFenced("an old attempt", try(1, sequence))
	}
	isFenced("an old attempt's points", s.Metrics(metric.Limits{}).Append(from(t, 1, "a", 11), metricsKey, scalars("m", 0, 1)))
	isFenced("an old attempt's record", s.Workspaces().Insert(from(t, 1, "", 0), workspace.Workspace{Name: "w"}))
	must(t, try(2, 9)) // what the other attempt sent is not known of this one
	must(t, try(2, 9))
	must(t, write(t, s, "3", store.Fence{Run: "r"}))
	isFenced("a run that has ended", try(2, 10))
	isFenced("a run that has ended, without a sequence", try(2, 0))
	counted(t, s, 2)
}

// twoReplayers send the same writes in order, several times over, while others write the same record.
func twoReplayers(t *testing.T, s Store) {
	begin(t, s)
	m := s.Metrics(metric.Limits{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := int64(1); i <= 25; i++ {
				ctx := from(t, 1, "a", i)
				if _, err := add(ctx, s); err != nil {
					t.Error(err)
				}
				if err := m.Append(ctx, metricsKey, scalars("m", int(i), 1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for w := range 2 {
		wg.Go(func() {
			for i := int64(1); i <= 25; i++ {
				if _, err := add(from(t, 1, fmt.Sprint("other", w), i), s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	counted(t, s, 25+50)
	got, err := m.Series(t.Context(), metricsKey.Run, "m", 0, 0)
	must(t, err)
	if len(got) != 25 {
		t.Errorf("%d points, want 25", len(got))
	}
	for i := 1; i < len(got); i++ {
		if got[i].Step <= got[i-1].Step {
			t.Errorf("step %d comes after %d", got[i].Step, got[i-1].Step)
		}
	}
}

// nextAttempt: from the moment on in which the next attempt begins, nothing of the one before is written.
func nextAttempt(t *testing.T, s Store) {
	begin(t, s)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var happened int64
	for w := range 4 {
		wg.Go(func() {
			for i := int64(1); i <= 30; i++ {
				if _, err := add(from(t, 1, fmt.Sprint(w), i), s); fault.ReasonOf(err) == "Fenced" {
					return
				} else if err != nil {
					t.Error(err)
				}
				mu.Lock()
				happened++
				mu.Unlock()
			}
		})
	}
	var then run.Experiment
	wg.Go(func() {
		var err error
		then, err = add(t.Context(), s, store.Fence{Run: "r", Attempt: 2})
		if err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if then.Runs != happened+1 {
		t.Errorf("%d writes happened, and when the next attempt began there were %d", happened, then.Runs-1)
	}
	counted(t, s, happened+1)
}
