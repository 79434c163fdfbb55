package cli_test

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

// handle puts a route before those that the fake has.
func (f *fake) handle(pattern string, h http.HandlerFunc) {
	mux := http.NewServeMux()
	mux.Handle("/", f.srv.Config.Handler)
	mux.HandleFunc(pattern, h)
	f.srv.Config.Handler = mux
}

const metricsPath = "GET /api/v1/workspaces/{ws}/runs/{id}/metrics"

// metricsFake is a fake whose run logged a loss that falls, and an image.
func metricsFake(t *testing.T) *fake {
	t.Helper()
	f := newFake(t)
	f.runs = append(f.runs, client.Run{ID: "run1", UID: "uid1", State: "Running"})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var loss []client.Point
	for i := range 30_000 { // more than a page
		loss = append(loss, client.Point{Name: "loss", Kind: "scalar", Value: client.Number(1 / float64(i+1)), Step: int64(i), Time: at})
	}
	loss[7].Value = client.Number(math.NaN())
	image := client.Point{Name: "roc", Kind: "image", Data: json.RawMessage(`"roc.png"`), Time: at}
	shown := image
	shown.Data = nil
	f.handle(metricsPath, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, client.Page[client.Metric]{Items: []client.Metric{{Point: loss[len(loss)-1], Points: int64(len(loss))}, {Point: shown, Points: 1}}})
	})
	f.handle(metricsPath+"/{name}", func(w http.ResponseWriter, r *http.Request) {
		list := map[string][]client.Point{"loss": loss, "roc": {image}}[r.PathValue("name")]
		if list == nil {
			fail(w, 404, "not_found", "MetricNotFound", "there is no such metric")
			return
		}
		from, _ := strconv.Atoi(r.FormValue("cursor"))
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		p := client.Page[client.Point]{Items: list[from:min(from+limit, len(list))]}
		if from+limit < len(list) {
			p.Next = strconv.Itoa(from + limit)
		}
		reply(w, p)
	})
	return f
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := metricsFake(t)
	for _, tt := range []struct {
		reason string
		args   []string
		want   []string
		lines  int
	}{
		{"all of them", []string{"run1"}, []string{"METRIC", "loss", "30000", "3.3333333333333335e-05", "roc", "image"}, 3},
		{"a chart", []string{"run1", "loss"}, []string{"⣀", "step 0", "29999", "lowest 3.33333e-05 @29999", "highest 1 @0", "1 of them no finite numbers"}, 14},
		{"the newest points", []string{"run1", "loss", "--last", "10"}, []string{"step 29990", "loss: 10 points"}, 14},
		{"what is no number", []string{"run1", "roc"}, []string{`"roc.png"`}, 2},
		{"CSV", []string{"run1", "loss", "--csv"}, []string{"name,step,time,value\nloss,0,2026-01-02T03:04:05Z,1\n", "loss,7,2026-01-02T03:04:05Z,NaN\n"}, 30_001},
		{"names", []string{"run1", "-o", "name"}, []string{"loss\nroc\n"}, 2},
		{"values", []string{"run1", "loss", "-o", "name"}, []string{"1\n0.5\n"}, 30_000},
		{"CSV of all", []string{"run1", "--csv"}, []string{"loss,29999,"}, 3},
	} {
		r := f.call(append([]string{"run", "metrics"}, tt.args...)...)
		r.out = strings.ReplaceAll(r.out, "\r", "")
		wants(t, tt.reason, clipped(r.out), tt.want...)
		if n := strings.Count(r.out, "\n"); r.code != 0 || n != tt.lines {
			t.Errorf("%s: exit code %d, %d lines, want %d: %s\n%s", tt.reason, r.code, n, tt.lines, r.errout, clipped(r.out))
		}
	}
	var points []client.Point
	r := f.call("run", "metrics", "run1", "loss", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &points); err != nil || len(points) != 30_000 || !math.IsNaN(float64(points[7].Value)) {
		t.Errorf("-o json: %d points, %v", len(points), err)
	}
	if r := f.call("run", "metrics", "run1", "los"); r.code != 3 || !strings.Contains(r.errout, `"loss"`) {
		t.Errorf("a metric that is not there: exit code %d, want 3 and a suggestion: %s", r.code, r.errout)
	}
}

func clipped(s string) string { return s[:min(len(s), 3000)] }

// TestMetricsInASCII draws where the terminal knows no Braille.
func TestMetricsInASCII(t *testing.T) {
	t.Parallel()
	f := metricsFake(t)
	env := map[string]string{"ZAFFRE_DATA": f.data, "LANG": "C"}
	r := callWith(t, env, "", "run", "metrics", "run1", "loss", "--last", "50")
	chart, _, _ := strings.Cut(r.out, "step")
	if strings.ContainsFunc(chart, func(r rune) bool { return r > 126 }) || !strings.Contains(chart, "**") {
		t.Errorf("exit code %d, it drew:\n%s%s", r.code, r.out, r.errout)
	}
}

// TestMetricsWatch shows the metrics until the run has ended.
func TestMetricsWatch(t *testing.T) {
	t.Parallel()
	f := metricsFake(t)
	shown := 0
	f.handle(metricsPath, func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if shown++; shown == 2 {
			f.runs[0].State = "Completed"
		}
		reply(w, client.Page[client.Metric]{Items: []client.Metric{{Point: client.Point{Name: "acc", Kind: "scalar"}, Points: int64(shown)}}})
	})
	r := f.call("run", "metrics", "run1", "--watch", "--every", "1ms")
	if n := strings.Count(r.out, "acc"); r.code != 0 || n != 3 {
		t.Errorf("exit code %d, shown %d times, want 3: %s%s", r.code, n, r.out, r.errout)
	}
}
