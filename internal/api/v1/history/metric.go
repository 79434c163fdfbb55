package history

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// The first version of metrics is what azureml.widgets reads for its charts. It is answered from what was
// logged in the second one, which is the service of metrics.

const (
	chartRuns   = 100  // that one request asks for
	chartPoints = 1000 // of a metric: the last ones
)

// runMetric is a metric on the wire: a cell for each value, or for each row of a table.
type runMetric struct {
	Run         string           `json:"runId"`
	ID          string           `json:"metricId"`
	Type        string           `json:"metricType"`
	Created     string           `json:"createdUtc"`
	Name        string           `json:"name"`
	Description string           `json:"description"`
	Label       string           `json:"label"`
	NumCells    int              `json:"numCells"`
	Location    *string          `json:"dataLocation"`
	Cells       []map[string]any `json:"cells"`
	Schema      schema           `json:"schema"`
}

type schema struct {
	NumProperties int      `json:"numProperties"`
	Properties    []column `json:"properties"`
}

type column struct {
	ID   string `json:"propertyId"`
	Name string `json:"name"`
	Type string `json:"type"`
}

func (a *api) queryMetrics(r *face.Request) (any, error) {
	in, err := face.Body[listing](r)
	if err != nil {
		return nil, err
	}
	want, err := parseFilter(in.Filter)
	if err != nil {
		return nil, err
	}
	names := want.runs()
	if len(names) > chartRuns {
		names = names[:chartRuns]
	}
	out := page[runMetric]{Value: []runMetric{}}
	for _, name := range names {
		v, err := a.Runs.Get(r.Context(), r.Key(name))
		if fault.CodeOf(err) == fault.NotFound {
			continue
		}
		if err == nil {
			err = a.metricsOf(r, v, want, &out)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// runs are the IDs that a filter names.
func (w *filter) runs() (names []string) {
	var walk func(e expr)
	walk = func(e expr) {
		switch e := e.(type) {
		case and:
			for _, inner := range e {
				walk(inner)
			}
		case or:
			for _, inner := range e {
				walk(inner)
			}
		case test:
			if strings.EqualFold(e.path, "RunId") && e.op == "eq" && !slices.Contains(names, e.value) {
				names = append(names, e.value)
			}
		}
	}
	if w != nil {
		walk(w.expr)
	}
	return names
}

func (a *api) metricsOf(r *face.Request, v run.Run, want *filter, out *page[runMetric]) error {
	list, err := a.Runs.LatestMetrics(r.Context(), v.Key())
	if err != nil {
		return err
	}
	for _, m := range list {
		if !want.match(metricFields(v, m)) {
			continue
		}
		points, _, err := a.Runs.MetricSeries(r.Context(), v.Key(), m.Name, int(max(0, m.Points-chartPoints)), chartPoints)
		if err != nil {
			return err
		}
		slices.SortStableFunc(points, metric.ByTime)
		out.Value = append(out.Value, toMetric(v, m, points))
	}
	return nil
}

func typeOf(k metric.Kind) string {
	if k == "" {
		k = metric.Scalar
	}
	return "azureml.v1." + string(k)
}

func metricFields(v run.Run, m metric.Latest) fields {
	return func(path string) (string, bool) {
		switch strings.ToLower(path) {
		case "runid":
			return v.Name, true
		case "metrictype":
			return typeOf(m.Kind), true
		case "name":
			return m.Name, true
		case "createdutc":
			return stamp(m.Time), true
		}
		return "", false
	}
}

func toMetric(v run.Run, m metric.Latest, points []metric.Point) runMetric {
	out := runMetric{Run: v.Name, ID: v.ID + "/" + m.Name, Type: typeOf(m.Kind), Created: stamp(m.Time), Name: m.Name, NumCells: len(points), Cells: []map[string]any{}}
	types := map[string]string{}
	for _, p := range points {
		cell := cellOf(p)
		for name, value := range cell {
			types[name] = cellType(value)
		}
		out.Cells = append(out.Cells, cell)
		var place string
		if json.Unmarshal(p.Data, &place) == nil && place != "" {
			out.Location = &place
		}
	}
	out.Schema = schema{NumProperties: len(types), Properties: []column{}}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		out.Schema.Properties = append(out.Schema.Properties, column{name, name, types[name]})
	}
	return out
}

// cellOf is a value by its column. What JSON has no number for is a text, as the SDK writes it.
func cellOf(p metric.Point) map[string]any {
	c, _ := metric.DecodeCells(p.Data)
	cells := make(map[string]any, len(c.Columns))
	for name, raw := range c.Columns {
		var value any
		_ = json.Unmarshal(raw, &value) // it is JSON, or nothing was decoded
		cells[name] = value
	}
	if len(cells) == 0 {
		cells[p.Name] = number(p)
	}
	return cells
}

// number is a scalar's value, and nil for what is none.
func number(p metric.Point) any {
	switch {
	case p.Kind != metric.Scalar && p.Kind != "":
		return nil
	case math.IsNaN(p.Value):
		return "NaN"
	case math.IsInf(p.Value, 0):
		return sign(p.Value) + "Infinity"
	}
	return p.Value
}

func sign(v float64) string {
	if v < 0 {
		return "-"
	}
	return ""
}

func cellType(v any) string {
	switch v.(type) {
	case float64:
		return "float"
	case bool:
		return "bool"
	case nil:
		return "none"
	}
	return "string"
}
