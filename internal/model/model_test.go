package model_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

const ws = "ws"

var digits = store.Key{Workspace: ws, Name: "digits"}

// newService has a run "r" with the files outputs/model/a and outputs/model/b, whose ID is "run-id".
func newService(t *testing.T) *model.Service {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "z.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	blobs, err := blob.NewDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	files := object.New(db.Artifacts(), blobs)
	for _, name := range []string{"a", "b"} {
		if _, err := files.Put(t.Context(), "run-id", "outputs/model/"+name, strings.NewReader("bytes of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	return model.New(model.Config{
		Models: db.Models(), Versions: db.Versions(), Logged: db.Logged(), Files: files,
		Run: func(_ context.Context, k store.Key) (model.Run, error) {
			if k != (store.Key{Workspace: ws, Name: "r"}) {
				return model.Run{}, &fault.Error{Code: fault.NotFound, Reason: "RunNotFound"}
			}
			return model.Run{Name: "r", ID: "run-id", Snapshot: "snap", Environment: "env:1"}, nil
		},
	})
}

func as(t *testing.T, role identity.Role) context.Context {
	return identity.With(t.Context(), identity.Caller{Name: "ann", Roles: map[string]identity.Role{ws: role}})
}

// register registers a version of digits.
func register(t *testing.T, s *model.Service, edit func(*model.NewVersion)) model.Version {
	t.Helper()
	r := model.NewVersion{Workspace: ws, Model: "digits", Run: "r", Path: "outputs/model"}
	if edit != nil {
		edit(&r)
	}
	v, err := s.CreateVersion(as(t, identity.Contributor), r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func refused(t *testing.T, err error, reason string) {
	t.Helper()
	if fault.ReasonOf(err) != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

func read(t *testing.T, s *model.Service, ref, path string) string {
	t.Helper()
	_, body, err := s.OpenFile(as(t, identity.Reader), digits, ref, path, 0)
	if err != nil {
		return fault.ReasonOf(err)
	}
	defer body.Close()
	b, _ := io.ReadAll(body)
	return string(b)
}

func TestVersionOfARun(t *testing.T) {
	t.Parallel()
	s := newService(t)
	v := register(t, s, func(r *model.NewVersion) { r.Framework, r.Tags = "ScikitLearn", map[string]string{"k": "v"} })
	want := model.Version{
		Workspace: ws, Model: "digits", Number: 1, ID: v.ID, Run: "r", RunID: "run-id", Snapshot: "snap", Environment: "env:1",
		Stage: model.None, Status: model.Ready, Framework: "ScikitLearn", Tags: map[string]string{"k": "v"}, CreatedBy: "ann",
		Created: v.Created, Updated: v.Updated,
	}
	got, err := s.GetVersion(as(t, identity.Reader), digits, "latest")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("version (-want +got):\n%s", diff)
	}
	if got := read(t, s, "1", "a"); got != "bytes of a" {
		t.Errorf("its file is %q", got)
	}
	if err := s.Files.Clear(t.Context(), "run-id"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "1", "b"); got != "bytes of b" {
		t.Errorf("its file is %q after the run lost its own", got)
	}
}

func TestVersionsRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for reason, r := range map[string]model.NewVersion{
		"RunNotFound":         {Workspace: ws, Model: "digits", Run: "other"},
		"ArtifactNotFound":    {Workspace: ws, Model: "digits", Run: "r", Path: "outputs/mod"},
		"ArtifactPathInvalid": {Workspace: ws, Model: "digits", Run: "r", Path: "../x"},
		"NameInvalid":         {Workspace: ws, Model: "a/b"},
		"LoggedModelNotFound": {Workspace: ws, Model: "digits", Logged: "m-1"},
		"RoleMissing":         {Workspace: "other", Model: "digits"},
		"LabelsInvalid":       {Workspace: ws, Model: "digits", Tags: map[string]string{"": "x"}},
	} {
		_, err := s.CreateVersion(as(t, identity.Contributor), r)
		refused(t, err, reason)
	}
	_, err := s.CreateVersion(as(t, identity.Reader), model.NewVersion{Workspace: ws, Model: "digits"})
	refused(t, err, "RoleMissing")
	list, _, err := s.ListVersions(as(t, identity.Reader), model.VersionFilter{Workspace: ws}, store.Page{})
	if err != nil || len(list) > 0 {
		t.Errorf("they left %v, %v", list, err)
	}
}

// Clients that register at once get numbers of their own; one that repeats its request gets its own again.
func TestConcurrentVersions(t *testing.T) {
	t.Parallel()
	s := newService(t)
	const n = 16
	numbers := make([]int, 2*n)
	var wg sync.WaitGroup
	for i := range 2 * n {
		wg.Go(func() {
			numbers[i] = register(t, s, func(r *model.NewVersion) { r.Request = fmt.Sprint("request ", i/2) }).Number
		})
	}
	wg.Wait()
	for i := range n {
		if numbers[2*i] != numbers[2*i+1] {
			t.Errorf("request %d made the versions %d and %d", i, numbers[2*i], numbers[2*i+1])
		}
	}
	slices.Sort(numbers)
	if got := slices.Compact(numbers); len(got) != n || got[0] != 1 || got[n-1] != n {
		t.Errorf("numbers %v, want 1 to %d", got, n)
	}
	if m, err := s.Get(as(t, identity.Reader), digits); err != nil || m.Latest != n {
		t.Errorf("the model is %+v, %v", m, err)
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s, ctx := newService(t), as(t, identity.Contributor)
	register(t, s, nil)
	v := register(t, s, func(r *model.NewVersion) { r.Run, r.Path, r.Upload = "", "", true })
	if got, err := s.GetVersion(ctx, digits, "latest"); err != nil || got.Number != 1 {
		t.Errorf("the newest is %d, %v while the upload goes on", got.Number, err)
	}
	if _, err := s.PutFile(ctx, digits, v.Number, "model.pkl", strings.NewReader("bytes")); err != nil {
		t.Fatal(err)
	}
	_, err := s.PutFile(ctx, digits, v.Number, "a/../b", strings.NewReader("bytes"))
	refused(t, err, "ArtifactPathInvalid")
	for range 2 {
		if _, err := s.Finish(ctx, digits, v.Number, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, s, "latest", "model.pkl"); got != "bytes" {
		t.Errorf("its file is %q", got)
	}
	_, err = s.PutFile(ctx, digits, v.Number, "model.pkl", strings.NewReader("other"))
	refused(t, err, "ModelVersionReady")
	_, err = s.Finish(ctx, digits, v.Number, "it broke")
	refused(t, err, "ModelVersionReady")
}

func TestStages(t *testing.T) {
	t.Parallel()
	s, ctx := newService(t), as(t, identity.Contributor)
	move := func(number int, to model.Transition) {
		t.Helper()
		if v, err := s.TransitionStage(ctx, digits, number, to); err != nil || v.Stage != to.Stage || v.Number != number {
			t.Errorf("version %d is in %s, %v; want %s", number, v.Stage, err, to.Stage)
		}
	}
	for range 3 {
		register(t, s, nil)
	}
	move(1, model.Transition{Stage: model.Production})
	move(2, model.Transition{Stage: model.Production, Archive: true})
	move(2, model.Transition{Stage: model.Production, Archive: true})
	latest, err := s.LatestVersions(ctx, digits)
	got := map[model.Stage]int{}
	for _, v := range latest {
		got[v.Stage] = v.Number
	}
	if diff := cmp.Diff(map[model.Stage]int{model.None: 3, model.Production: 2, model.Archived: 1}, got); diff != "" || err != nil {
		t.Errorf("the newest by stage, %v (-want +got):\n%s", err, diff)
	}
	_, err = s.TransitionStage(ctx, digits, 1, model.Transition{Stage: "Somewhere"})
	refused(t, err, "StageInvalid")
	_, err = s.TransitionStage(ctx, digits, 9, model.Transition{Stage: model.Staging})
	refused(t, err, "ModelVersionNotFound")
}

func TestAliases(t *testing.T) {
	t.Parallel()
	s, ctx := newService(t), as(t, identity.Contributor)
	for range 3 {
		register(t, s, nil)
	}
	for _, n := range []int{1, 3, 3} {
		if _, err := s.SetAlias(ctx, digits, "champion", n); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := s.GetVersion(ctx, digits, "champion"); err != nil || v.Number != 3 {
		t.Errorf("the champion is %d, %v", v.Number, err)
	}
	for alias, reason := range map[string]string{"v1": "NameInvalid", "7": "NameInvalid", "Latest": "NameInvalid", "a b": "NameInvalid", "": "NameInvalid"} {
		_, err := s.SetAlias(ctx, digits, alias, 1)
		refused(t, err, reason)
	}
	_, err := s.SetAlias(ctx, digits, "x", 4)
	refused(t, err, "ModelVersionNotFound")
	if err := s.DeleteVersion(ctx, digits, 3); err != nil {
		t.Fatal(err)
	}
	m, err := s.Get(ctx, digits)
	if err != nil || len(m.Aliases) > 0 || m.Latest != 2 {
		t.Errorf("without version 3 the model is %+v, %v", m, err)
	}
	for _, ref := range []string{"champion", "3", "03", "+2", "-1", "0"} {
		_, err := s.GetVersion(ctx, digits, ref)
		refused(t, err, "ModelVersionNotFound")
	}
	if v := register(t, s, nil); v.Number != 4 {
		t.Errorf("the number %d was given again", v.Number)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	s, ctx := newService(t), as(t, identity.Contributor)
	register(t, s, nil)
	c := model.Change{Description: new("text"), Tags: map[string]string{"a": "1", "b": "2"}, Properties: map[string]string{"p": "1"}}
	for range 2 {
		if _, err := s.UpdateVersion(ctx, digits, 1, c); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(ctx, digits, c); err != nil {
			t.Fatal(err)
		}
	}
	v, err := s.UpdateVersion(ctx, digits, 1, model.Change{RemoveTags: []string{"a", "z"}})
	if err != nil || v.Description != "text" || fmt.Sprint(v.Tags, v.Properties) != "map[b:2] map[p:1]" {
		t.Errorf("version %+v, %v", v, err)
	}
	m, err := s.Rename(ctx, digits, "numbers")
	if err != nil || m.Name != "numbers" || fmt.Sprint(m.Description, m.Tags) != "textmap[a:1 b:2]" {
		t.Errorf("model %+v, %v", m, err)
	}
	if v, err := s.GetVersion(ctx, m.Key(), "1"); err != nil || v.Model != "numbers" {
		t.Errorf("version %+v, %v", v, err)
	}
	for range 2 {
		if err := s.Delete(ctx, m.Key()); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.Get(ctx, m.Key())
	refused(t, err, "ModelNotFound")
}

func TestLogged(t *testing.T) {
	t.Parallel()
	s, ctx := newService(t), as(t, identity.Contributor)
	l, err := s.CreateLogged(ctx, model.Logged{Workspace: ws, Name: "model", Experiment: "0", RunID: "run-id", Params: map[string]string{"lr": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutLoggedFile(ctx, l.Key(), "MLmodel", strings.NewReader("yaml")); err != nil {
		t.Fatal(err)
	}
	_, err = s.UpdateLogged(ctx, l.Key(), model.LoggedChange{Params: map[string]string{"lr": "2"}})
	refused(t, err, "ParamChanged")
	if l, err = s.FinalizeLogged(ctx, l.Key(), model.LoggedReady); err != nil || l.Status != model.LoggedReady {
		t.Errorf("it is %+v, %v", l, err)
	}
	v := register(t, s, func(r *model.NewVersion) { r.Run, r.Path, r.Logged = "", "", l.ID })
	if v.Logged != l.ID || v.RunID != "run-id" {
		t.Errorf("the version is %+v", v)
	}
	for range 2 {
		if err := s.DeleteLogged(ctx, l.Key()); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, s, "1", "MLmodel"); got != "yaml" {
		t.Errorf("the version's file is %q", got)
	}
	_, _, err = s.OpenLoggedFile(ctx, l.Key(), "MLmodel", 0)
	refused(t, err, "LoggedModelNotFound")
}
