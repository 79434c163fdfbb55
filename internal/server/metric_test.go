package server_test

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
)

// sameNumber takes NaN for equal to itself.
var sameNumber = cmp.Comparer(func(a, b client.Number) bool {
	return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
})

// TestMetricsThroughTheAPI logs to a run that has ended and reads it back by the client.
func TestMetricsThroughTheAPI(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx := t.Context()
	b.attach(t, "box", nil)
	r, err := b.Submit(ctx, "default", client.RunRequest{Name: "r/ü", Compute: "box", Command: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	b.finish(t, r.ID)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	const name = "val/loss % ü"
	var want []client.Point
	for i := range 2500 {
		want = append(want, client.Point{Name: name, Kind: "scalar", Value: client.Number(i), Step: int64(i), Time: at.Add(time.Duration(i) * time.Second)})
	}
	want[3].Value, want[4].Value, want[5].Value = client.Number(math.NaN()), client.Number(math.Inf(1)), client.Number(math.Inf(-1))
	table := client.Point{Name: "table", Kind: "table", Data: json.RawMessage(`{"a":[1,"ü"]}`), Time: at}
	for range 2 { // what comes again counts once
		if err := b.LogMetrics(ctx, "default", r.ID, append(want[:2500:2500], table)); err != nil {
			t.Fatal(err)
		}
	}
	var got []client.Point
	for p, err := range b.Series(ctx, "default", r.ID, name, 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	if diff := cmp.Diff(want, got, sameNumber); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	page, next, err := b.MetricPage(ctx, "default", r.ID, name, 2490, 7)
	if err != nil || len(page) != 7 || next != 2497 || page[0].Step != 2490 {
		t.Errorf("a page is %+v, %d, %v", page, next, err)
	}
	list, err := b.Metrics(ctx, "default", r.ID)
	latest := []client.Metric{
		{Point: client.Point{Name: "table", Kind: "table", Time: at}, Points: 1},
		{Point: want[2499], Points: 2500},
	}
	if diff := cmp.Diff(latest, list); err != nil || diff != "" {
		t.Errorf("metrics, %v (-want +got):\n%s", err, diff)
	}
}

func TestMetricsRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.attach(t, "box", nil)
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Name: "r", Compute: "box", Command: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	at := "/workspaces/default/runs/" + r.ID + "/metrics"
	for _, tt := range []struct {
		method, path, body string
		status             int
		reason, field      string
	}{
		{"POST", at, `{"points":[{"name":"a"},{"name":"b\n"}]}`, 400, "MetricNameInvalid", "points[1].name"},
		{"POST", at, `{"points":[{"name":"a","value":"much"}]}`, 400, "FieldInvalid", "points[0].value"},
		{"POST", at, `{"points":[{"name":"a","value":1,"steps":1}]}`, 400, "FieldUnknown", "points[0].steps"},
		{"POST", "/workspaces/default/runs/none/metrics", `{"points":[{"name":"a"}]}`, 404, "RunNotFound", ""},
		{"GET", "/workspaces/default/runs/none/metrics", "", 404, "RunNotFound", ""},
		{"GET", at + "/none", "", 404, "MetricNotFound", ""},
		{"GET", at + "/none?cursor=x", "", 400, "CursorInvalid", "cursor"},
	} {
		resp, body := b.do(t, tt.method, "/api/v1"+tt.path, strings.NewReader(tt.body), "Content-Type", "application/json")
		f := faultOf(t, resp, body)
		if resp.StatusCode != tt.status || f.Reason != tt.reason || f.Field != tt.field {
			t.Errorf("%s %s %s: %d, %s, %q; want %d, %s, %q", tt.method, tt.path, tt.body, resp.StatusCode, f.Reason, f.Field, tt.status, tt.reason, tt.field)
		}
	}
	if resp, body := b.do(t, http.MethodPost, "/api/v1"+at, strings.NewReader(`{"points":[{"name":"a","value":"NaN"}]}`), "Content-Type", "application/json"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("a point without a time is answered with %s: %s", resp.Status, body)
	}
	if list, err := b.Metrics(t.Context(), "default", r.ID); err != nil || len(list) != 1 || time.Since(list[0].Time) > time.Minute {
		t.Errorf("the refused batches left %+v, %v", list, err)
	}
}
