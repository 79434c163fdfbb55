package run_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func pointsOf(name string, n int) []metric.Point {
	out := make([]metric.Point, n)
	for i := range out {
		out[i] = metric.Point{Name: name, Kind: metric.Scalar, Value: float64(i), Step: int64(i), Time: time.Unix(int64(i), 0).UTC()}
	}
	return out
}

func as(ctx context.Context, role identity.Role) context.Context {
	return identity.With(ctx, identity.Caller{Name: "ann", Roles: map[string]identity.Role{domaintest.Workspace: role}})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	ctx := as(t.Context(), identity.Tracker)
	r, _, err := s.Runs.CreateExternal(ctx, run.ExternalRequest{Workspace: domaintest.Workspace, Name: "r"})
	if err != nil {
		t.Fatal(err)
	}
	want := pointsOf("loss", 2500)
	for range 2 {
		if err := s.Runs.LogMetrics(ctx, r.Key(), append(want[:2500:2500], pointsOf("acc", 1)...)); err != nil {
			t.Fatal(err)
		}
	}
	got, pages := []metric.Point(nil), 0
	for next := 0; next >= 0; pages++ {
		var page []metric.Point
		if page, next, err = s.Runs.MetricSeries(ctx, r.Key(), "loss", next, 0); err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
		t.Errorf("%d pages, want 3 (-want +got):\n%s", pages, diff)
	}
	list, err := s.Runs.LatestMetrics(ctx, r.Key())
	if err != nil || len(list) != 2 || list[1].Points != 2500 || list[1].Value != 2499 {
		t.Errorf("the latest metrics are %+v, %v", list, err)
	}
	of, err := s.Runs.MetricsOf(ctx, domaintest.Workspace, []run.Run{r, {Workspace: "other", ID: r.ID + "x"}}, []string{"acc"})
	if err != nil || len(of) != 1 || of[r.ID][0].Name != "acc" {
		t.Errorf("the metrics of a list are %+v, %v", of, err)
	}
	if page, next, err := s.Runs.MetricSeries(ctx, r.Key(), "loss", 9999, 0); err != nil || len(page) > 0 || next != -1 {
		t.Errorf("after the end: %v, %d, %v", page, next, err)
	}
}

func TestMetricsRefused(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	ctx := as(t.Context(), identity.Owner)
	r, _, err := s.Runs.CreateExternal(ctx, run.ExternalRequest{Workspace: domaintest.Workspace, Name: "r"})
	if err != nil {
		t.Fatal(err)
	}
	none := store.Key{Workspace: domaintest.Workspace, Name: "none"}
	log := func(ctx context.Context, k store.Key, p metric.Point) error {
		return s.Runs.LogMetrics(ctx, k, []metric.Point{p})
	}
	one := metric.Point{Name: "a", Time: time.Now()}
	series := func(k store.Key, name string) error {
		_, _, err := s.Runs.MetricSeries(ctx, k, name, 0, 0)
		return err
	}
	_, latest := s.Runs.LatestMetrics(as(t.Context(), ""), r.Key())
	for what, tt := range map[string]struct {
		err  error
		want string
	}{
		"a reader logs":          {log(as(t.Context(), identity.Reader), r.Key(), one), "RoleMissing"},
		"a stranger reads":       {latest, "RoleMissing"},
		"no such run":            {log(ctx, none, one), "RunNotFound"},
		"the series of no run":   {series(none, "a"), "RunNotFound"},
		"no such metric":         {series(r.Key(), "a"), "MetricNotFound"},
		"a name with a newline":  {log(ctx, r.Key(), metric.Point{Name: "a\nb"}), "MetricNameInvalid"},
		"a kind that is none":    {log(ctx, r.Key(), metric.Point{Name: "a", Kind: "a b"}), "MetricKindInvalid"},
		"data that is no JSON":   {log(ctx, r.Key(), metric.Point{Name: "a", Kind: metric.List, Data: []byte("{")}), "MetricDataInvalid"},
		"a time beyond counting": {log(ctx, r.Key(), metric.Point{Name: "a", Time: time.UnixMilli(1 << 62)}), "MetricTimeInvalid"},
	} {
		if fault.ReasonOf(tt.err) != tt.want {
			t.Errorf("%s: %v, want %s", what, tt.err, tt.want)
		}
	}
	if _, err := s.Runs.DeleteRun(ctx, r.Key()); err != nil {
		t.Fatal(err)
	}
	if err := log(ctx, r.Key(), one); fault.ReasonOf(err) != "RunDeleted" {
		t.Errorf("a deleted run takes metrics: %v", err)
	}
	if list, err := s.Runs.LatestMetrics(ctx, r.Key()); err != nil || len(list) != 0 {
		t.Errorf("the metrics of a deleted run are %v, %v", list, err)
	}
}
