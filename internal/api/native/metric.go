package native

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
)

func (a *api) routesMetrics() {
	const all = "/workspaces/{ws}/runs/{id}/metrics"
	a.huma.OpenAPI().Components.Schemas.RegisterTypeAlias(reflect.TypeFor[client.Number](), reflect.TypeFor[number]())
	huma.Register(a.huma, a.op(http.MethodGet, all, "list-metrics", "List what a run logged, each metric with its latest point"), a.listMetrics)
	huma.Register(a.huma, a.op(http.MethodPost, all, "log-metrics", "Add points, all or none; one that is there already counts once"), a.logMetrics)
	huma.Register(a.huma, a.op(http.MethodGet, all+"/{name}", "get-metric", "Read the points of a metric, as they were logged"), a.getMetric)
}

// number is what client.Number is in JSON.
type number float64

// Schema implements huma.SchemaProvider.
func (number) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeNumber, Format: "double"},
		{Type: huma.TypeString, Enum: []any{"NaN", "Infinity", "-Infinity"}},
	}}
}

func (a *api) listMetrics(ctx context.Context, in *RunPath) (*out[client.Page[client.Metric]], error) {
	list, err := a.Runs.LatestMetrics(ctx, in.key())
	return pageOf(list, "", toMetric), err
}

func (a *api) logMetrics(ctx context.Context, in *struct {
	RunPath
	Body client.Points
},
) (*struct{}, error) {
	now := time.Now()
	points := make([]metric.Point, len(in.Body.Points))
	for i, p := range in.Body.Points {
		if points[i] = fromPoint(p); p.Time.IsZero() {
			points[i].Time = now
		}
	}
	return nil, a.Runs.LogMetrics(ctx, in.key(), points)
}

func (a *api) getMetric(ctx context.Context, in *struct {
	RunPath
	Name   string `path:"name"`
	Cursor string `query:"cursor" doc:"Page.next of the page before. It is the position of the first point: 0 is the first that was logged"`
	Limit  int    `query:"limit" minimum:"0" maximum:"100000" doc:"At most so many; 0 is 1000"`
},
) (*out[client.Page[client.Point]], error) {
	from, err := strconv.Atoi(in.Cursor)
	if in.Cursor != "" && (err != nil || from < 0) {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "CursorInvalid", What: fmt.Sprintf("cannot read metric %q from %q on", in.Name, in.Cursor),
			Why: "that is no position", Fix: "begin without a cursor, and go on with the next of each page", Field: "cursor",
		}
	}
	list, next, err := a.Runs.MetricSeries(ctx, in.key(), in.Name, from, in.Limit)
	at := ""
	if next >= 0 {
		at = strconv.Itoa(next)
	}
	return pageOf(list, at, toPoint), err
}

func toMetric(l metric.Latest) client.Metric {
	return client.Metric{Point: toPoint(l.Point), Points: l.Points}
}

// toPoint leaves out a time that JSON has no form for: clients of MLflow may log any.
func toPoint(p metric.Point) client.Point {
	if year := p.Time.Year(); year < 1 || year > 9999 {
		p.Time = time.Time{}
	}
	return client.Point{Name: p.Name, Kind: string(p.Kind), Value: client.Number(p.Value), Data: p.Data, Step: p.Step, Time: p.Time}
}

func fromPoint(p client.Point) metric.Point {
	return metric.Point{Name: p.Name, Kind: metric.Kind(p.Kind), Value: float64(p.Value), Data: p.Data, Step: p.Step, Time: p.Time}
}
