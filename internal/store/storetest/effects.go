package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func testEffects(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "once", once)
	on(t, open, "take and free", take)
	on(t, open, "one of many takes", takeRace)
	on(t, open, "an unchanged record's effects", unchanged)
}

// write makes effects true by a write of its own.
func write(t *testing.T, s Store, name string, effects ...store.Effect) error {
	t.Helper()
	return s.Workspaces().Insert(t.Context(), workspace.Workspace{Name: name}, effects...)
}

func once(t *testing.T, s Store) {
	ctx, first := t.Context(), store.Once{Job: "z-1", Sequence: 1}
	e := run.Experiment{Workspace: "ws", Name: "e"}
	must(t, s.Experiments().Insert(ctx, e))
	add := func(effects ...store.Effect) run.Experiment {
		t.Helper()
		got, err := s.Experiments().Update(ctx, e.Key(), func(e *run.Experiment) ([]store.Effect, error) {
			e.Runs++
			return effects, nil
		})
		must(t, err)
		return got
	}
	add(first)
	got := add(first, store.Take{Space: "s", Name: "n", Holder: "h"}, store.Wake{Kind: "k", ID: "1"})
	if got.Runs != 1 {
		t.Errorf("a repeated write returned %d runs, want the 1 that is kept", got.Runs)
	}
	add(store.Once{Job: "z-1", Sequence: 2})
	add(store.Once{Job: "z-2", Sequence: 1})
	add(store.Once{Job: "z-3", Sequence: 1}, first) // the whole write is known, so z-3 is not
	add(store.Once{Job: "z-3", Sequence: 1})
	if e, err := s.Experiments().Get(ctx, e.Key()); err != nil || e.Runs != 4 {
		t.Errorf("%d runs after 4 writes, some repeated; %v", e.Runs, err)
	}
	must(t, s.Experiments().Insert(ctx, e, first)) // would fail: the name is taken
	must(t, write(t, s, "w", first))
	must(t, s.Experiments().Delete(ctx, e.Key(), first))
	if _, err := s.Experiments().Get(ctx, e.Key()); err != nil {
		t.Errorf("a repeated Delete deleted: %v", err)
	}
	if _, err := s.Workspaces().Get(ctx, store.Key{Name: "w"}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("a repeated Insert inserted: %v", err)
	}
	if taken, err := s.Taken(ctx, "s"); err != nil || len(taken) != 0 {
		t.Errorf("a repeated write took %v, %v", taken, err)
	}
}

func take(t *testing.T, s Store) {
	must(t, write(t, s, "a", store.Take{Space: "s", Name: "gpu/1", Holder: "h1"}, store.Take{Space: "s", Name: "gpu/0", Holder: "h1"}))
	must(t, write(t, s, "b", store.Take{Space: "s", Name: "gpu/0", Holder: "h1"})) // has it already
	must(t, write(t, s, "c", store.Take{Space: "s2", Name: "gpu/0", Holder: "h2"}))
	err := write(t, s, "d", store.Take{Space: "s", Name: "gpu/2", Holder: "h2"}, store.Take{Space: "s", Name: "gpu/0", Holder: "h2"})
	f := fault.From(err)
	if f == nil || f.Code != fault.Conflict || f.Reason != "Taken" || !slices.Contains(f.Evidence, "h1") {
		t.Errorf("taking what h1 has returned %+v", f)
	}
	want := []store.Take{{Space: "s", Name: "gpu/0", Holder: "h1"}, {Space: "s", Name: "gpu/1", Holder: "h1"}}
	got, err := s.Taken(t.Context(), "s")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	must(t, write(t, s, "e", store.Free{Space: "s", Holder: "h1"}, store.Take{Space: "s", Name: "gpu/0", Holder: "h2"}))
	got, err = s.Taken(t.Context(), "s")
	must(t, err)
	if diff := cmp.Diff([]store.Take{{Space: "s", Name: "gpu/0", Holder: "h2"}}, got); diff != "" {
		t.Errorf("taken after Free (-want +got):\n%s", diff)
	}
	if got, err := s.Taken(t.Context(), "s2"); err != nil || len(got) != 1 {
		t.Errorf("Free in one space freed another: %v, %v", got, err)
	}
}

func takeRace(t *testing.T, s Store) {
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			holder := fmt.Sprint("h", i)
			err := write(t, s, holder, store.Take{Space: "s", Name: "n", Holder: holder})
			switch {
			case err == nil:
				won.Add(1)
			case fault.ReasonOf(err) != "Taken":
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 took one thing", won.Load())
	}
}

func unchanged(t *testing.T, s Store) {
	must(t, write(t, s, "a"))
	_, err := s.Workspaces().Update(t.Context(), store.Key{Name: "a"}, func(*workspace.Workspace) ([]store.Effect, error) {
		return []store.Effect{store.Wake{Kind: "k", ID: "1"}}, nil
	})
	must(t, err)
	if due, err := s.NextDue(t.Context(), "k"); err != nil || due.IsZero() {
		t.Errorf("the effect of an update without a change did not happen: %v, %v", due, err)
	}
}
