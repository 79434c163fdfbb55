package metric

import (
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/metric"
)

// shape is what a metric's points have in common: its kind is the first one's.
type shape struct {
	name  string
	kind  string            // as the SDK names it
	types map[string]string // by column
	rows  int
	seen  map[string]int // rows that have the column
}

func newShape(name string) *shape {
	return &shape{name: name, kind: scalarKind, types: map[string]string{}, seen: map[string]int{}}
}

func wireKind(k metric.Kind) string {
	switch k {
	case metric.Scalar, "":
		return scalarKind
	case metric.Image:
		return imageKind
	case metric.List, metric.Table:
		return "azureml.v1." + string(k)
	}
	return string(k)
}

// add takes the columns of one more point.
func (s *shape) add(p metric.Point) {
	if s.rows == 0 {
		s.kind = wireKind(p.Kind)
	}
	cells, types := cellsOf("", p)
	if !s.fits(cells) {
		return
	}
	s.rows++
	for name := range cells {
		s.seen[name]++
		s.types[name] = common(s.types[name], types[name])
	}
}

// fits tells rows of this metric from what was logged in another form under the same name.
func (s *shape) fits(cells map[string]json.RawMessage) bool {
	_, named := cells[s.name]
	return named || s.kind == "azureml.v1.table" && len(cells) > 0
}

// common is the type of a column that has cells of two types. "double" has the SDK make floats, so it is for
// numbers alone.
func common(a, b string) string {
	switch {
	case a == "" || a == b:
		return b
	case a == "int" && b == "double", a == "double" && b == "int":
		return "double"
	}
	return "string"
}

func (s *shape) columns() map[string]string {
	out := maps.Clone(s.types)
	for name, n := range s.seen {
		if n < s.rows { // rows without the column have null in it
			out[name] = common(out[name], "none")
		}
	}
	return out
}

// values are the points as the SDK reads them; every row has every column.
func (s *shape) values(run string, points []metric.Point) []map[string]any {
	out := []map[string]any{}
	for _, p := range points {
		cells, _ := cellsOf(run, p)
		if !s.fits(cells) {
			continue
		}
		data := make(map[string]json.RawMessage, len(s.types))
		for name := range s.types {
			data[name] = json.RawMessage("null")
			if cell, ok := cells[name]; ok {
				data[name] = cell
			}
		}
		value := map[string]any{"createdUtc": p.Time.UTC().Format(time.RFC3339Nano), "data": data, "metricId": nil, "step": nil}
		note, noted := metric.DecodeCells(p.Data)
		if note.Note.ID != "" {
			value["metricId"] = note.Note.ID
		}
		if note.Note.Stepped || !noted {
			value["step"] = p.Step
		}
		out = append(out, value)
	}
	return out
}

// cellsOf returns a point's cells and their types. Numbers that JSON has no sign for are strings, which the
// SDK makes numbers again in a column of doubles.
func cellsOf(run string, p metric.Point) (cells map[string]json.RawMessage, types map[string]string) {
	c, _ := metric.DecodeCells(p.Data)
	types = map[string]string{}
	switch p.Kind {
	case metric.Image:
		return image(run, p)
	case metric.Scalar, "":
		if c.Columns[p.Name] == nil {
			c.Columns = map[string]json.RawMessage{p.Name: numeral(p.Value, c.Note.Integer)}
		}
		types[p.Name] = "double"
		if c.Note.Integer {
			types[p.Name] = "int"
		}
		return c.Columns, types
	}
	for name, cell := range c.Columns {
		types[name] = typeOf(cell)
		if typ := c.Note.Types[name]; typ != "" {
			types[name] = typ
		}
	}
	return c.Columns, types
}

func image(run string, p metric.Point) (map[string]json.RawMessage, map[string]string) {
	var path string
	if json.Unmarshal(p.Data, &path) != nil {
		return nil, nil
	}
	raw, _ := json.Marshal(artifactID + run + "/" + path) // a string
	return map[string]json.RawMessage{p.Name: raw}, map[string]string{p.Name: "Artifact"}
}

func numeral(v float64, integer bool) json.RawMessage {
	switch {
	case math.IsNaN(v):
		return json.RawMessage(`"NaN"`)
	case math.IsInf(v, 1):
		return json.RawMessage(`"Infinity"`)
	case math.IsInf(v, -1):
		return json.RawMessage(`"-Infinity"`)
	case integer:
		return strconv.AppendFloat(nil, v, 'f', -1, 64)
	}
	return strconv.AppendFloat(nil, v, 'g', -1, 64)
}
