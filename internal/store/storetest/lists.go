package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func testLists(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "runs by each field", runsByField)
	on(t, open, "runs that wait", waitingRuns)
	on(t, open, "targets by machine", targetsByMachine)
	on(t, open, "artifacts by prefix", artifactsByPrefix)
	on(t, open, "by owner", byOwner)
	on(t, open, "big documents", bigDocuments)
}

func runsByField(t *testing.T, s Store) {
	edit := []func(*run.Run){
		func(*run.Run) {},
		func(r *run.Run) { r.Experiment = "other" },
		func(r *run.Run) { r.Spec.Target = compute.Server },
		func(r *run.Run) { r.Parent, r.Root = "name000", "name000" },
		func(r *run.Run) { r.Status.State = run.Completed },
		func(r *run.Run) { r.Workspace = "ws2" },
		func(r *run.Run) { r.Tags = map[string]string{"lr": "0.1", "note": "a\nb=c"} },
		func(r *run.Run) { r.Tags = map[string]string{"LR": "0.1", "xlr": "1", "lr2": "2"} },
	}
	for i, f := range edit {
		r := aRun(i)
		f(&r)
		must(t, s.Runs().Insert(t.Context(), r))
	}
	for _, c := range []struct {
		filter run.Filter
		want   string
	}{
		{run.Filter{}, "7 6 5 4 3 2 1 0"},
		{run.Filter{Workspace: "ws"}, "7 6 4 3 2 1 0"},
		{run.Filter{Workspace: "ws2"}, "5"},
		{run.Filter{Workspace: "ws", Experiment: "other"}, "1"},
		{run.Filter{Workspace: "ws", Target: compute.Server}, "2"},
		{run.Filter{Workspace: "ws", Parent: "name000"}, "3"},
		{run.Filter{Workspace: "ws", Root: "name000"}, "3 0"},
		{run.Filter{Workspace: "ws", Root: "name000", Top: true}, "0"},
		{run.Filter{Workspace: "ws", Root: "name000", Top: true, Experiments: []string{"e"}}, "0"},
		{run.Filter{Workspace: "ws", Root: "name000", Experiments: []string{"e"}}, "0 3"},
		{run.Filter{Workspace: "ws", Top: true}, "7 6 4 2 1 0"},
		{run.Filter{Workspace: "ws", State: run.Completed}, "4"},
		{run.Filter{Workspace: "ws", Active: true}, "7 6 3 2 1 0"},
		{run.Filter{Workspace: "ws", Active: true, Target: "box", Experiment: "e"}, "7 6 3 0"},
		{run.Filter{Workspace: "ws", State: run.Completed, Active: true}, ""},
		{run.Filter{Workspace: "ws", Tag: "lr"}, "6"},
		{run.Filter{Workspace: "ws", Tag: "lr=0.1"}, "6"},
		{run.Filter{Workspace: "ws", Tag: "lr=0"}, ""},
		{run.Filter{Workspace: "ws", Tag: "note=a\nb=c"}, "6"},
		{run.Filter{Workspace: "ws", Tag: "b"}, ""},
		{run.Filter{Tag: "%"}, ""},
	} {
		items, _, err := s.Runs().List(t.Context(), c.filter, store.Page{})
		must(t, err)
		var got []string
		for _, r := range items {
			got = append(got, strings.TrimLeft(r.ID[2:4], "0")+r.ID[4:])
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
		}
	}
}

func waitingRuns(t *testing.T, s Store) {
	box := store.Key{Workspace: "ws", Name: "box"}
	queue := func(n int) string {
		t.Helper()
		got, err := s.Runs().Queue(t.Context(), box, n)
		must(t, err)
		var ids []string
		for _, r := range got {
			ids = append(ids, r.ID)
		}
		return strings.Join(ids, " ")
	}
	for n, edit := range []func(*run.Run){
		func(*run.Run) {},
		func(r *run.Run) { r.Spec.Priority = 5 },
		func(r *run.Run) { r.Spec.Priority = -5 },
		func(*run.Run) {},
		func(r *run.Run) { r.Spec.Target = "other" },
		func(r *run.Run) { r.Workspace = "ws2" },
		func(r *run.Run) { r.Status.State = run.Running },
	} {
		r := aRun(n)
		r.Status.State = run.Queued
		edit(&r)
		must(t, s.Runs().Insert(t.Context(), r))
	}
	if got, want := queue(10), "id001 id000 id003 id002"; got != want {
		t.Errorf("queue %q, want %q", got, want)
	}
	if got, want := queue(2), "id001 id000"; got != want {
		t.Errorf("the first two are %q, want %q", got, want)
	}
	change := func(id int, f func(*run.Run)) {
		t.Helper()
		_, err := s.Runs().Update(t.Context(), aRun(id).Key(), func(r *run.Run) ([]store.Effect, error) {
			f(r)
			return nil, nil
		})
		must(t, err)
	}
	change(1, func(r *run.Run) { r.Status.Attempts = []run.Attempt{{Number: 1, JobID: "z-1"}} })
	change(0, func(r *run.Run) { r.Status.State = run.CancelRequested })
	if got, want := queue(10), "id003 id002"; got != want {
		t.Errorf("queue %q after one was placed and one canceled, want %q", got, want)
	}
	change(1, func(r *run.Run) { r.Status.Attempts[0].Outcome.State = driver.JobLost })
	if got, want := queue(10), "id001 id003 id002"; got != want {
		t.Errorf("queue %q after an attempt was lost, want %q", got, want)
	}
}

func targetsByMachine(t *testing.T, s Store) {
	for _, target := range []compute.Target{aTarget("a", "m1"), aTarget("b", "m1", "m2"), aTarget("c", "m11"), aTarget("d")} {
		must(t, s.Targets().Insert(t.Context(), target))
	}
	other := aTarget("a", "m1")
	other.Workspace, other.Kind = "ws2", "local"
	must(t, s.Targets().Insert(t.Context(), other))
	for _, c := range []struct {
		filter compute.Filter
		want   string
	}{
		{compute.Filter{Machine: "m1"}, "ws/a ws2/a ws/b"},
		{compute.Filter{Machine: "m2"}, "ws/b"},
		{compute.Filter{Machine: "m"}, ""},
		{compute.Filter{Workspace: "ws", Machine: "m11"}, "ws/c"},
		{compute.Filter{Kind: "local"}, "ws2/a"},
		{compute.Filter{Workspace: "ws"}, "ws/a ws/b ws/c ws/d"},
	} {
		items, _, err := s.Targets().List(t.Context(), c.filter, store.Page{})
		must(t, err)
		var got []string
		for _, v := range items {
			got = append(got, v.Key().String())
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
		}
	}
}

func artifactsByPrefix(t *testing.T, s Store) {
	for _, path := range []string{"logs/a", "outputs", "outputs/", "outputs/a", "outputs/ü", "outputs/\U0010FFFFx", "outputs0", "outputsa"} {
		must(t, s.Artifacts().Insert(t.Context(), run.Artifact{Owner: "r", Path: path}))
	}
	must(t, s.Artifacts().Insert(t.Context(), run.Artifact{Owner: "q", Path: "outputs/a"}))
	for prefix, want := range map[string]string{
		"":                   "logs/a outputs outputs/ outputs/a outputs/ü outputs/\U0010FFFFx outputs0 outputsa",
		"outputs/":           "outputs/ outputs/a outputs/ü outputs/\U0010FFFFx",
		"outputs/\U0010FFFF": "outputs/\U0010FFFFx",
		"outputs/b":          "",
	} {
		items, _, err := s.Artifacts().List(t.Context(), run.ArtifactFilter{Owner: "r", Prefix: prefix}, store.Page{})
		must(t, err)
		var got []string
		for _, v := range items {
			got = append(got, v.Path)
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("prefix %q (-want +got):\n%s", prefix, diff)
		}
	}
}

func byOwner(t *testing.T, s Store) {
	ctx := t.Context()
	must(t, s.Tokens().Insert(ctx, identity.Token{ID: "a", Workspace: "ws"}))
	must(t, s.Tokens().Insert(ctx, identity.Token{ID: "b", Workspace: identity.AllWorkspaces}))
	if got, _, err := s.Tokens().List(ctx, identity.TokenFilter{Workspace: "ws"}, store.Page{}); err != nil || len(got) != 1 || got[0].ID != "a" {
		t.Errorf("tokens of a workspace: %v, %v", got, err)
	}
	for i, name := range []string{"a", "a:b", "b"} {
		must(t, s.Environments().Insert(ctx, environment.Environment{Workspace: "ws", Name: name, Version: i + 1}))
	}
	if got, _, err := s.Environments().List(ctx, environment.Filter{Workspace: "ws", Name: "a"}, store.Page{}); err != nil || len(got) != 1 || got[0].Name != "a" {
		t.Errorf("versions of an environment: %v, %v", got, err)
	}
	must(t, s.Experiments().Insert(ctx, run.Experiment{Workspace: "ws2", Name: "e"}))
	if got, _, err := s.Experiments().List(ctx, run.ExperimentFilter{Workspace: "ws"}, store.Page{}); err != nil || len(got) != 0 {
		t.Errorf("experiments of another workspace: %v, %v", got, err)
	}
	must(t, s.Builds().Insert(ctx, environment.Build{Target: "t1", Digest: "d"}))
	must(t, s.Builds().Insert(ctx, environment.Build{Target: "t2", Digest: "d"}))
	if got, _, err := s.Builds().List(ctx, environment.BuildFilter{}, store.Page{}); err != nil || len(got) != 2 {
		t.Errorf("builds of all targets: %v, %v", got, err)
	}
}

func bigDocuments(t *testing.T, s Store) {
	r := aRun(1)
	r.Properties = map[string]string{}
	for i := range 100 {
		r.Properties[fmt.Sprint("key ", i)] = strings.Repeat("ünicode \x00 <html> \\ \" ", 500)
	}
	must(t, s.Runs().Insert(t.Context(), r))
	runs.want(t, s, r)
	got, _, err := s.Runs().List(t.Context(), run.Filter{Workspace: "ws"}, store.Page{})
	must(t, err)
	if diff := cmp.Diff([]run.Run{r}, got); diff != "" {
		t.Error("a big document differs in the list")
	}
}
