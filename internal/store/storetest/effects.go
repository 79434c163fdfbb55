package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func testEffects(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "take and free", take)
	on(t, open, "one of many takes", takeRace)
	on(t, open, "an unchanged record's effects", unchanged)
}

// write makes effects true by a write of its own.
func write(t *testing.T, s Store, name string, effects ...store.Effect) error {
	t.Helper()
	return s.Workspaces().Insert(t.Context(), workspace.Workspace{Name: name}, effects...)
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
