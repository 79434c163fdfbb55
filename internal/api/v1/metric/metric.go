// Package metric is the service of metrics as azureml-core 1.61 calls it: what Run.log and its sisters send,
// and what Run.get_metrics reads.
package metric

import (
	"errors"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// Deps is what the service stands on.
type Deps struct {
	Runs *run.Service
}

// pageSize is how many points one answer has.
const pageSize = 20_000

// Calls returns what the service answers.
func Calls(d Deps) []face.Call {
	const base = "/metric/v2.0" + face.WS + "/runs/{run}"
	return []face.Call{
		{Method: http.MethodPost, Path: base + "/batch", What: "Logs metrics", Do: d.log},
		{Method: http.MethodPost, Path: base + "/list", What: "Lists the metrics of a run", Do: d.list},
		{Method: http.MethodPost, Path: base + "/full", What: "Reads all that was logged under a name", Do: d.full},
	}
}

// log keeps a batch. A metric that cannot be kept is told in the answer, and the others are kept.
func (d Deps) log(r *face.Request) (any, error) {
	in, err := readBatch(r)
	if err != nil {
		return nil, err
	}
	var points []metric.Point
	failed := []map[string]any{}
	for _, m := range in.Values {
		batch, err := m.points(r.PathValue("run"), time.Now())
		if err == nil {
			err = metric.Check(batch)
		}
		switch {
		case err == nil:
			points = append(points, batch...)
		case in.ReportErrors:
			failed = append(failed, refused(m, err))
		default:
			return nil, err
		}
	}
	if len(points) > 0 {
		err = d.Runs.LogMetrics(r.Context(), r.Key(r.PathValue("run")), points)
	}
	return map[string]any{"errors": failed}, err
}

func refused(m wireMetric, err error) map[string]any {
	f := fault.From(err)
	text := f.What + ": " + f.Why + " [" + f.Reason + "]"
	return map[string]any{
		"metric":        map[string]any{"name": m.Name},
		"errorResponse": map[string]any{"error": map[string]any{"code": "UserError", "message": text, "details": []any{}}},
	}
}

// list has all metrics at once: the SDK cannot ask for a second page.
func (d Deps) list(r *face.Request) (any, error) {
	latest, err := d.Runs.LatestMetrics(r.Context(), r.Key(r.PathValue("run")))
	if err != nil {
		return nil, err
	}
	value := []map[string]any{}
	for _, m := range latest {
		columns := map[string]string{}
		if m.Kind == metric.Scalar || m.Kind == "" {
			columns[m.Name] = "double"
		}
		value = append(value, map[string]any{
			"metricKey": map[string]any{"namespace": "", "name": m.Name}, "columns": columns,
			"properties": map[string]any{"uxMetricType": wireKind(m.Kind)},
		})
	}
	return map[string]any{"value": value, "continuationToken": nil}, nil
}

type fullRequest struct {
	Name  string    `json:"metricName"`
	Start time.Time `json:"startTime"`
	End   time.Time `json:"endTime"`
	Token string    `json:"continuationToken"`
}

func (d Deps) full(r *face.Request) (any, error) {
	in, err := face.Body[fullRequest](r)
	if err != nil {
		return nil, err
	}
	skip, err := strconv.Atoi(in.Token)
	if in.Token != "" && (err != nil || skip < 0) {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "CursorInvalid", What: "cannot go on with this metric",
			Why: "the continuation token is not one that an earlier answer gave", Fix: "start without a token", Field: "continuationToken",
		}
	}
	name, at := r.PathValue("run"), 0
	s, page := newShape(in.Name), []metric.Point{} // the SDK takes the columns of the first page for all
	for p, err := range metric.InTime(d.series(r, in.Name)) {
		if err != nil {
			return nil, err
		}
		s.add(p)
		if skip <= at && at < skip+pageSize {
			page = append(page, p)
		}
		at++
	}
	out := map[string]any{
		"dataContainerId": "dcid." + name, "name": in.Name, "columns": s.columns(), "properties": map[string]any{"uxMetricType": s.kind},
		"value": s.values(name, in.between(page)), "continuationToken": nil,
	}
	if at > skip+pageSize {
		out["continuationToken"] = strconv.Itoa(skip + pageSize)
	}
	return out, nil
}

// series walks through a metric in the order in which it came.
func (d Deps) series(r *face.Request, name string) iter.Seq2[metric.Point, error] {
	return func(yield func(metric.Point, error) bool) {
		for at := 0; at >= 0; {
			points, next, err := d.Runs.MetricSeries(r.Context(), r.Key(r.PathValue("run")), name, at, run.MetricPage)
			if err != nil {
				yield(metric.Point{}, err)
				return
			}
			for _, p := range points {
				if !yield(p, nil) {
					return
				}
			}
			at = next
		}
	}
}

func (q fullRequest) between(points []metric.Point) []metric.Point {
	if q.Start.IsZero() && q.End.IsZero() {
		return points
	}
	var out []metric.Point
	for _, p := range points {
		if !p.Time.Before(q.Start) && (q.End.IsZero() || !p.Time.After(q.End)) {
			out = append(out, p)
		}
	}
	return out
}

var errNoCell = errors.New("a value has no cell of its metric's name")
