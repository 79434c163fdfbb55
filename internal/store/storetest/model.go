package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

var models = records[model.Model, model.Filter]{
	of:     func(s Store) store.Repo[model.Model, model.Filter] { return s.Models() },
	key:    model.Model.Key,
	make:   func(n int) model.Model { return model.Model{Workspace: "ws", Name: numbered("m", n), Created: epoch} },
	named:  func(m *model.Model, s string) { m.Name = s },
	touch:  func(m *model.Model) { m.Latest++ },
	filter: model.Filter{Workspace: "ws"},
}

var modelVersions = records[model.Version, model.VersionFilter]{
	of:  func(s Store) store.Repo[model.Version, model.VersionFilter] { return s.Versions() },
	key: model.Version.Key,
	make: func(n int) model.Version {
		return model.Version{Workspace: "ws", Model: numbered("m", n/10), Number: 100 - n%10, ID: numbered("v", n), Created: epoch}
	},
	named:  func(v *model.Version, s string) { v.Model = s },
	touch:  func(v *model.Version) { v.Description += "x" },
	filter: model.VersionFilter{Workspace: "ws"},
}

var loggedModels = records[model.Logged, model.LoggedFilter]{
	of:  func(s Store) store.Repo[model.Logged, model.LoggedFilter] { return s.Logged() },
	key: model.Logged.Key,
	make: func(n int) model.Logged {
		return model.Logged{Workspace: "ws", ID: numbered("m-", n), Created: epoch.Add(-time.Duration(n) * time.Minute)}
	},
	named:  func(l *model.Logged, s string) { l.ID = s },
	touch:  func(l *model.Logged) { l.Updated = next(l.Updated) },
	filter: model.LoggedFilter{Workspace: "ws"},
}

func testFamilies(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "gives no number twice", numbersVersions)
	on(t, open, "selects versions", selectsVersions)
	on(t, open, "shares files with a version, or makes none", versionsWithFiles)
	on(t, open, "renames", renamesModel)
	on(t, open, "deletes", deletesModel)
	on(t, open, "logged models by experiment", loggedByExperiment)
}

var aModel = model.Model{Workspace: "ws", Name: "m", Created: epoch}

// addVersion adds the next version, and shares files with it.
func addVersion(t *testing.T, s Store, edit func(*model.Version), links ...object.Link) (model.Version, error) {
	f, err := s.Versions().Change(t.Context(), aModel.Key(), model.Want{}, func(f *model.Family) ([]store.Effect, error) {
		f.Model.Numbered++
		v := model.Version{Workspace: "ws", Model: "m", Number: f.Model.Numbered, ID: fmt.Sprint("id", f.Model.Numbered), Created: epoch}
		if edit != nil {
			edit(&v)
		}
		f.Versions, f.Links = []model.Version{v}, links
		return nil, nil
	})
	if err != nil {
		return model.Version{}, err
	}
	return f.Versions[0], nil
}

func numbersVersions(t *testing.T, s Store) {
	must(t, s.Models().Insert(t.Context(), aModel))
	const n = 32
	got := make([]int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			v, err := addVersion(t, s, nil)
			if err != nil {
				t.Error(err)
			}
			got[i] = v.Number
		})
	}
	wg.Wait()
	slices.Sort(got)
	for i := range n {
		if got[i] != i+1 {
			t.Fatalf("numbers %v, want 1 to %d", got, n)
		}
	}
}

func selectsVersions(t *testing.T, s Store) {
	must(t, s.Models().Insert(t.Context(), aModel))
	for i := range 5 {
		_, err := addVersion(t, s, func(v *model.Version) {
			v.Stage = []model.Stage{model.None, model.Staging, model.Staging, model.Production, model.None}[i]
			v.Request = fmt.Sprint("request ", i)
		})
		must(t, err)
	}
	for _, c := range []struct {
		want    model.Want
		numbers []int
	}{
		{model.Want{}, nil},
		{model.Want{All: true}, []int{5, 4, 3, 2, 1}},
		{model.Want{Number: 2}, []int{2}},
		{model.Want{Number: 9}, nil},
		{model.Want{Request: "request 3"}, []int{4}},
		{model.Want{Number: 1, Stage: model.Staging}, []int{3, 2, 1}},
	} {
		var got []int
		_, err := s.Versions().Change(t.Context(), aModel.Key(), c.want, func(f *model.Family) ([]store.Effect, error) {
			got = nil
			for _, v := range f.Versions {
				got = append(got, v.Number)
			}
			return nil, nil
		})
		must(t, err)
		if diff := cmp.Diff(c.numbers, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.want, diff)
		}
	}
	_, err := s.Versions().Change(t.Context(), store.Key{Workspace: "ws", Name: "other"}, model.Want{}, nil)
	if fault.ReasonOf(err) != "ModelNotFound" {
		t.Errorf("a model that is not there: %v", err)
	}
}

func versionsWithFiles(t *testing.T, s Store) {
	must(t, s.Models().Insert(t.Context(), aModel))
	upload(t, s, "r", "model/a", "b1")
	v, err := addVersion(t, s, nil, object.Link{From: "r", Path: "model", To: "id1"})
	must(t, err)
	if got := paths(t, s, v.ID); got != "a=b1" {
		t.Errorf("files %q", got)
	}
	_, err = addVersion(t, s, nil, object.Link{From: "r", Path: "nothing", To: "id2"})
	if fault.ReasonOf(err) != "ArtifactNotFound" {
		t.Errorf("a version of nothing: %v", err)
	}
	m, err := s.Models().Get(t.Context(), aModel.Key())
	must(t, err)
	if _, err := s.Versions().Get(t.Context(), model.Version{Workspace: "ws", Model: "m", Number: 2}.Key()); fault.CodeOf(err) != fault.NotFound || m.Numbered != 1 {
		t.Errorf("it left %+v, %v", m, err)
	}
}

func change(t *testing.T, s Store, do func(*model.Family)) error {
	_, err := s.Versions().Change(t.Context(), aModel.Key(), model.Want{All: true}, func(f *model.Family) ([]store.Effect, error) {
		do(f)
		return nil, nil
	})
	return err
}

func renamesModel(t *testing.T, s Store) {
	ctx := t.Context()
	must(t, s.Models().Insert(ctx, aModel))
	must(t, s.Models().Insert(ctx, model.Model{Workspace: "ws", Name: "taken"}))
	for range 2 {
		_, err := addVersion(t, s, nil)
		must(t, err)
	}
	rename := func(name string) error {
		return change(t, s, func(f *model.Family) {
			f.Model.Name = name
			for i := range f.Versions {
				f.Versions[i].Model = name
			}
		})
	}
	if err := rename("taken"); fault.CodeOf(err) != fault.Exists {
		t.Errorf("a taken name: %v", err)
	}
	must(t, rename("new"))
	list, _, err := s.Versions().List(ctx, model.VersionFilter{Workspace: "ws"}, store.Page{})
	must(t, err)
	if len(list) != 2 || list[0].Key().Name != "new/2" || list[1].Key().Name != "new/1" {
		t.Errorf("versions %+v", list)
	}
	if _, err := s.Models().Get(ctx, aModel.Key()); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("the old name: %v", err)
	}
}

func deletesModel(t *testing.T, s Store) {
	must(t, s.Models().Insert(t.Context(), aModel))
	upload(t, s, "r", "a", "b1")
	for _, id := range []string{"id1", "id2"} {
		_, err := addVersion(t, s, nil, object.Link{From: "r", To: id})
		must(t, err)
	}
	must(t, change(t, s, func(f *model.Family) { f.Versions = f.Versions[1:] }))
	if got := paths(t, s, "id2") + "," + paths(t, s, "id1"); got != ",a=b1" {
		t.Errorf("files %q after version 2 is gone", got)
	}
	must(t, change(t, s, func(f *model.Family) { f.Model.Name, f.Versions = "", nil }))
	must(t, s.Models().Insert(t.Context(), aModel))
	list, _, err := s.Versions().List(t.Context(), model.VersionFilter{}, store.Page{})
	if err != nil || len(list) > 0 || paths(t, s, "id1") != "" {
		t.Errorf("left %v, %v and %q", list, err, paths(t, s, "id1"))
	}
	if got := doomed(t, s); got != "" {
		t.Errorf("doomed %q, which the run has", got)
	}
}

func loggedByExperiment(t *testing.T, s Store) {
	for i, e := range []string{"0", "1", "2", "1"} {
		must(t, s.Logged().Insert(t.Context(), model.Logged{Workspace: "ws", ID: fmt.Sprint("m-", i), Experiment: e, Created: epoch.Add(time.Duration(i)), RunID: "r" + e}))
	}
	for want, f := range map[string]model.LoggedFilter{
		"m-3 m-2 m-1 m-0 ": {Workspace: "ws"},
		"m-3 m-1 ":         {Workspace: "ws", Experiments: []string{"1", "9"}},
		"m-2 m-0 ":         {Workspace: "ws", Experiments: []string{"0", "2"}},
		"m-2 ":             {RunID: "r2"},
		"":                 {Workspace: "other"},
	} {
		list, _, err := s.Logged().List(t.Context(), f, store.Page{})
		must(t, err)
		got := ""
		for _, l := range list {
			got += l.ID + " "
		}
		if got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}
