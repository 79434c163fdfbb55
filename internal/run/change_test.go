package run_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func TestPropertiesNeverChange(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	r := external(t, s, run.ExternalRequest{Name: "mine", Properties: map[string]string{"commit": "1"}})
	for _, c := range []struct {
		reason string
		change run.Change
		want   string
	}{
		{"new ones", run.Change{Properties: map[string]string{"author": "ada"}, Tags: map[string]string{"a": "1"}}, ""},
		{"the same again", run.Change{Properties: map[string]string{"author": "ada"}}, ""},
		{"another value", run.Change{Properties: map[string]string{"author": "bob", "more": "x"}, Tags: map[string]string{"a": "2"}}, "PropertyChanged"},
		{"what a face keeps", run.Change{Kept: map[string]string{"zaffre.x": "1"}}, ""},
		{"what a face keeps, again", run.Change{Kept: map[string]string{"zaffre.x": "2"}}, ""},
		{"a tag without a name", run.Change{Tags: map[string]string{"": "2"}}, "LabelInvalid"},
	} {
		if _, err := s.Runs.UpdateExternal(ctx, r.Key(), c.change); fault.ReasonOf(err) != c.want {
			t.Errorf("%s: %v", c.reason, err)
		}
	}
	got, err := s.Runs.Get(ctx, r.Key())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"commit": "1", "author": "ada", "zaffre.x": "2"}
	if diff := cmp.Diff(want, got.Properties); diff != "" || got.Tags["a"] != "1" {
		t.Errorf("tags %v, properties (-want +got):\n%s", got.Tags, diff)
	}
}

func TestErrorsOfExternalRuns(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	why := &fault.Error{Code: fault.Precondition, Reason: "RunFailed", What: "it failed", Why: "no luck", Fix: "try again"}
	r := external(t, s, run.ExternalRequest{Name: "mine"})
	failed, err := s.Runs.UpdateExternal(ctx, r.Key(), run.Change{Error: why, State: new(run.Failed)})
	if err != nil || failed.Status.Error.Why != "no luck" {
		t.Errorf("failed as %+v, %v", failed.Status, err)
	}
	if again, err := s.Runs.UpdateExternal(ctx, r.Key(), run.Change{State: new(run.Running)}); err != nil || again.Status.Error != nil {
		t.Errorf("opened again it is %+v, %v", again.Status, err)
	}
	managed := s.Await(t, s.Submit(t, "echo", "x"), run.Completed)
	if got, err := s.Runs.UpdateExternal(ctx, managed.Key(), run.Change{Error: why, Tags: map[string]string{"a": "1"}}); err != nil || got.Status.Error != nil || got.Tags["a"] != "1" {
		t.Errorf("a managed run is %+v, %v", got, err)
	}
}

func TestTreesOfRuns(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	external(t, s, run.ExternalRequest{Name: "top"})
	external(t, s, run.ExternalRequest{Name: "child", Parent: "top"})
	external(t, s, run.ExternalRequest{Name: "grandchild", Parent: "child"})
	external(t, s, run.ExternalRequest{Name: "other"})
	for _, c := range []struct {
		filter run.Filter
		want   []string
	}{
		{run.Filter{Root: "top"}, []string{"grandchild", "child", "top"}},
		{run.Filter{Top: true}, []string{"other", "top"}},
		{run.Filter{Parent: "child"}, []string{"grandchild"}},
	} {
		c.filter.Workspace = domaintest.Workspace
		list, _, err := s.Runs.List(ctx, c.filter, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range list {
			got = append(got, r.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
		}
	}
}

func TestExperimentsAreRemoved(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	key := func(name string) store.Key { return store.Key{Workspace: domaintest.Workspace, Name: name} }
	for _, name := range []string{"empty", "used"} {
		if _, err := s.Runs.CreateExperiment(ctx, domaintest.Workspace, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	external(t, s, run.ExternalRequest{Experiment: "used"})
	for range 2 {
		if err := s.Runs.RemoveExperiment(ctx, key("empty")); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Runs.GetExperiment(ctx, key("empty")); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("it is there still: %v", err)
	}
	if err := s.Runs.RemoveExperiment(ctx, key("used")); fault.ReasonOf(err) != "ExperimentNotEmpty" {
		t.Errorf("one with runs: %v", err)
	}
	if e, err := s.Runs.GetExperiment(ctx, key("used")); err != nil || !e.Deleted.IsZero() {
		t.Errorf("it is %+v, %v", e, err)
	}
}
