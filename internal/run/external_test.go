package run_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func external(t *testing.T, s *domaintest.Server, q run.ExternalRequest) run.Run {
	t.Helper()
	q.Workspace = domaintest.Workspace
	r, _, err := s.Runs.CreateExternal(owner(t.Context()), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExternalRunsMoveInAnyOrder(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	r := external(t, s, run.ExternalRequest{Name: "mine", User: "ada", Tags: map[string]string{"a": "1"}})
	if r.Status.State != run.Running || r.Owner() != "ada" || r.Status.Started.IsZero() {
		t.Errorf("begins as %+v", r)
	}
	end := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		reason string
		change run.Change
		state  run.State
		ended  bool
	}{
		{"to its end", run.Change{State: new(run.Completed), Ended: &end}, run.Completed, true},
		{"the same again", run.Change{State: new(run.Completed)}, run.Completed, true},
		{"opened again", run.Change{State: new(run.Running)}, run.Running, false},
		{"failed", run.Change{State: new(run.Failed), Display: new("shown")}, run.Failed, true},
		{"queued", run.Change{State: new(run.Queued)}, run.Queued, false},
	} {
		got, err := s.Runs.UpdateExternal(ctx, r.Key(), c.change)
		if err != nil || got.Status.State != c.state || got.Status.Ended.IsZero() == c.ended {
			t.Errorf("%s: %s, ended %v, %v", c.reason, got.Status.State, got.Status.Ended, err)
		}
	}
	if again := external(t, s, run.ExternalRequest{Name: "mine", Tags: map[string]string{"b": "2"}}); again.ID != r.ID || again.Display != "shown" || len(again.Tags) != 2 {
		t.Errorf("the same name again is %+v", again)
	}
	waiting := domaintest.Insist(t, func() ([]run.Run, error) { return s.DB.Runs().Queue(ctx, r.TargetKey(), 10) })
	if len(waiting) != 0 {
		t.Errorf("it waits for slots: %v", waiting)
	}
	if canceled, err := s.Runs.Cancel(ctx, r.Key()); err != nil || canceled.Status.State != run.Queued {
		t.Errorf("canceled: %v, %v", canceled.Status.State, err)
	}
}

func TestManagedRunsMoveAlone(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	r := s.Await(t, s.Submit(t, "echo", "x"), run.Completed)
	got, err := s.Runs.UpdateExternal(ctx, r.Key(), run.Change{State: new(run.Failed), Display: new("named inside")})
	if err != nil || got.Status.State != run.Completed || got.Display != "named inside" {
		t.Errorf("%s %q, %v", got.Status.State, got.Display, err)
	}
	if _, _, err := s.Runs.CreateExternal(ctx, run.ExternalRequest{Workspace: domaintest.Workspace, Name: r.Name}); fault.ReasonOf(err) != "RunDiffers" {
		t.Errorf("an external run took its name: %v", err)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	r := external(t, s, run.ExternalRequest{})
	label := func(tags, params map[string]string, remove ...string) error {
		_, err := s.Runs.Label(ctx, r.Key(), tags, params, remove)
		return err
	}
	long := strings.Repeat("ü", run.MaxLabelValue)
	for range 2 { // twice is once
		if err := label(map[string]string{"t": "1", "gone": "x"}, map[string]string{"lr": "0.1", "long": long}, "gone"); err != nil {
			t.Fatal(err)
		}
	}
	for reason, c := range map[string]struct {
		err  error
		want string
	}{
		"another value":   {label(map[string]string{"t": "2"}, map[string]string{"lr": "0.2"}), "ParamChanged"},
		"a long value":    {label(nil, map[string]string{"p": long + "x"}), "LabelInvalid"},
		"a megabyte":      {label(nil, map[string]string{"p": strings.Repeat("x", 1<<20)}), "LabelInvalid"},
		"a long name":     {label(map[string]string{strings.Repeat("n", 251): ""}, nil), "LabelInvalid"},
		"no name":         {label(map[string]string{"": "x"}, nil), "LabelInvalid"},
		"a NUL byte":      {label(map[string]string{"n": "a\x00"}, nil), "LabelInvalid"},
		"not UTF-8":       {label(map[string]string{"n": "\xff"}, nil), "LabelInvalid"},
		"too many labels": {label(numberedTags(run.MaxLabels), nil), "LabelsTooMany"},
	} {
		if fault.ReasonOf(c.err) != c.want || fault.CodeOf(c.err) != fault.Invalid {
			t.Errorf("%s: %v, want %s", reason, c.err, c.want)
		}
	}
	got, err := s.Runs.Get(ctx, r.Key())
	if diff := cmp.Diff(map[string]string{"t": "1"}, got.Tags); diff != "" || err != nil || len(got.Params) != 2 {
		t.Errorf("%d parameters, %v; tags (-want +got):\n%s", len(got.Params), err, diff)
	}
}

func numberedTags(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[strings.Repeat("x", i%7)+time.Duration(i).String()] = ""
	}
	return m
}

// TestLabelsOfManyWriters has 16 writers of one run: no label is lost.
func TestLabelsOfManyWriters(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	r := external(t, s, run.ExternalRequest{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			name := string(rune('a' + i))
			if _, err := s.Runs.Label(ctx, r.Key(), map[string]string{name: "t"}, map[string]string{name: "p"}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := s.Runs.Get(ctx, r.Key()); err != nil || len(got.Tags) != 16 || len(got.Params) != 16 {
		t.Errorf("%d tags, %d parameters, %v", len(got.Tags), len(got.Params), err)
	}
}

func TestDeletedRuns(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	r := external(t, s, run.ExternalRequest{})
	point := []metric.Point{{Name: "m", Time: time.Now()}}
	if err := s.Runs.LogMetrics(ctx, r.Key(), point); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Runs.DeleteRun(ctx, r.Key()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Runs.LogMetrics(ctx, r.Key(), point); fault.ReasonOf(err) != "RunDeleted" {
		t.Errorf("a deleted run took metrics: %v", err)
	}
	if _, err := s.Runs.Label(ctx, r.Key(), map[string]string{"a": "b"}, nil, nil); fault.ReasonOf(err) != "RunDeleted" {
		t.Errorf("a deleted run took a tag: %v", err)
	}
	count := func(v run.View) int {
		list, _, err := s.Runs.List(ctx, run.Filter{Workspace: domaintest.Workspace, Deleted: v}, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if count(run.Live) != 0 || count(run.DeletedOnly) != 1 || count(run.All) != 1 {
		t.Errorf("lists have %d, %d, %d", count(run.Live), count(run.DeletedOnly), count(run.All))
	}
	if got, err := s.Runs.RestoreRun(ctx, r.Key()); err != nil || !got.Deleted.IsZero() || count(run.Live) != 1 {
		t.Errorf("restored: %v, %v", got.Deleted, err)
	}
	if err := s.Runs.LogMetrics(ctx, r.Key(), point); err != nil {
		t.Errorf("after restoring: %v", err)
	}
	hanging := s.Submit(t, "hang")
	s.Await(t, hanging, run.Running)
	if _, err := s.Runs.DeleteRun(ctx, hanging.Key()); fault.ReasonOf(err) != "RunActive" {
		t.Errorf("a running run was deleted: %v", err)
	}
}

func TestExperiments(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	const ws = domaintest.Workspace
	byID, err := s.Runs.GetExperimentByID(ctx, ws, run.DefaultID)
	if err != nil || byID.Name != run.DefaultExperiment || byID.ID != "0" {
		t.Errorf("the default one: %+v, %v", byID, err)
	}
	e, err := s.Runs.CreateExperiment(ctx, ws, "digits/ü", map[string]string{"a": "b"})
	if got, err2 := s.Runs.GetExperimentByID(ctx, ws, e.ID); err != nil || err2 != nil || got.Name != "digits/ü" || strings.Trim(e.ID, "0123456789") != "" {
		t.Errorf("%+v, %v, %v", got, err, err2)
	}
	if _, err := s.Runs.CreateExperiment(ctx, ws, "digits/ü", nil); fault.ReasonOf(err) != "ExperimentExists" {
		t.Errorf("made twice: %v", err)
	}
	external(t, s, run.ExternalRequest{Experiment: e.Name})
	search := run.Filter{Workspace: ws, Experiments: []string{e.Name, "other"}, Order: []query.Order{{Field: query.Attribute, Name: query.StartTime}}}
	if list, _, err := s.Runs.List(ctx, search, store.Page{}); len(list) != 1 || err != nil {
		t.Errorf("it has %d runs, %v", len(list), err)
	}
	if _, err := s.Runs.DeleteExperiment(ctx, e.Key()); err != nil {
		t.Fatal(err)
	}
	for reason, err := range map[string]error{
		"made again": second(s.Runs.CreateExperiment(ctx, ws, e.Name, nil)), "tagged": second(s.Runs.UpdateExperiment(ctx, e.Key(), map[string]string{"x": "y"}, nil)),
		"with a run": third(s.Runs.CreateExternal(ctx, run.ExternalRequest{Workspace: ws, Experiment: e.Name})),
	} {
		if fault.ReasonOf(err) != "ExperimentDeleted" {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if list, _, err := s.Runs.List(ctx, search, store.Page{}); len(list) != 0 || err != nil {
		t.Errorf("deleted, it has %d runs, %v", len(list), err)
	}
	if got, err := s.Runs.RestoreExperiment(ctx, e.Key()); err != nil || !got.Deleted.IsZero() || got.ID != e.ID {
		t.Errorf("restored: %+v, %v", got, err)
	}
	if _, err := s.Runs.GetExperimentByID(ctx, ws, "77"); fault.ReasonOf(err) != "ExperimentNotFound" {
		t.Errorf("no such ID: %v", err)
	}
}

func second[A any](_ A, err error) error { return err }

func third[A, B any](_ A, _ B, err error) error { return err }

// TestExperimentIDsAreUnique makes many at once: in one microsecond too.
func TestExperimentIDsAreUnique(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := s.Runs.CreateExperiment(ctx, domaintest.Workspace, "e"+time.Duration(i).String(), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, _, err := s.Runs.ListExperiments(ctx, run.ExperimentFilter{Workspace: domaintest.Workspace}, store.Page{})
	ids := map[string]bool{}
	for _, e := range list {
		ids[e.ID] = true
	}
	if err != nil || len(ids) != 51 {
		t.Errorf("%d IDs of %d experiments, %v", len(ids), len(list), err)
	}
}

func TestRunsMayTrackAndNotSubmit(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	inside := identity.With(t.Context(), identity.Caller{Name: "ada", Roles: map[string]identity.Role{domaintest.Workspace: identity.Tracker}})
	r, _, err := s.Runs.CreateExternal(inside, run.ExternalRequest{Workspace: domaintest.Workspace})
	if err != nil || second(s.Runs.Label(inside, r.Key(), map[string]string{"a": "b"}, nil, nil)) != nil {
		t.Errorf("%v", err)
	}
	_, _, err = s.Runs.Submit(inside, run.Request{Workspace: domaintest.Workspace, Spec: run.Spec{Target: "box", Command: []string{"echo"}}})
	if fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("a run submitted a run: %v", err)
	}
	reader := identity.With(context.Background(), identity.Caller{Name: "eve", Roles: map[string]identity.Role{domaintest.Workspace: identity.Reader}})
	if _, err := s.Runs.Label(reader, r.Key(), map[string]string{"a": "c"}, nil, nil); fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("a reader labeled a run: %v", err)
	}
}
