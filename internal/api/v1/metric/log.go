package metric

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
)

// batch is what Run.log and its sisters send (BatchMetricV2Dto).
type batch struct {
	Values       []wireMetric `json:"values"`
	ReportErrors bool         `json:"reportErrors"`
}

// wireMetric is values of one metric (MetricV2Dto).
type wireMetric struct {
	Name       string            `json:"name"`
	Columns    map[string]string `json:"columns"` // types by column
	Value      []wireValue       `json:"value"`
	Properties struct {
		Kind string `json:"uxMetricType"`
	} `json:"properties"`
}

// wireValue is one point (MetricV2Value).
type wireValue struct {
	ID      string                     `json:"metricId"`
	Created time.Time                  `json:"createdUtc"`
	Step    *int64                     `json:"step"`
	Data    map[string]json.RawMessage `json:"data"`
}

func readBatch(r *face.Request) (in batch, err error) {
	raw, err := r.Raw()
	if err != nil {
		return in, err
	}
	if err := json.Unmarshal(quoteNumbers(raw), &in); err != nil {
		return in, &fault.Error{
			Code: fault.Invalid, Reason: "BodyInvalid", What: "the server does not understand the request",
			Why: "its body is not what azureml-core sends: " + err.Error(), Fix: "send JSON as azureml-core 1.61 does",
		}
	}
	return in, nil
}

// specials are numbers as Python writes them into JSON, which has none such.
var specials = []string{"NaN", "Infinity", "-Infinity"}

// quoteNumbers puts quotes around them.
func quoteNumbers(raw []byte) []byte {
	text := string(raw)
	if !strings.Contains(text, "NaN") && !strings.Contains(text, "Infinity") {
		return raw
	}
	out, inside := make([]byte, 0, len(text)+64), false
	for i := 0; i < len(text); i++ {
		if word := special(text[i:]); !inside && word != "" {
			out = append(append(append(out, '"'), word...), '"')
			i += len(word) - 1
			continue
		}
		out = append(out, text[i])
		switch {
		case inside && text[i] == '\\' && i+1 < len(text):
			i++
			out = append(out, text[i])
		case text[i] == '"':
			inside = !inside
		}
	}
	return out
}

func special(text string) string {
	for _, word := range specials {
		if strings.HasPrefix(text, word) {
			return word
		}
	}
	return ""
}

// The types of metrics that the SDK sends; others are kept under their own names.
var kinds = map[string]metric.Kind{"azureml.v1.scalar": metric.Scalar, "azureml.v1.list": metric.List, "azureml.v1.table": metric.Table}

const (
	scalarKind = "azureml.v1.scalar"
	imageKind  = "azureml.v2.image"
	artifactID = "aml://artifactId/ExperimentRun/dcid."
)

// points returns what there is to keep. Without a time of the client's own the values have this one.
func (m wireMetric) points(run string, now time.Time) ([]metric.Point, error) {
	out := make([]metric.Point, 0, len(m.Value))
	for i, v := range m.Value {
		p, err := m.point(run, v)
		if err != nil {
			return nil, &fault.Error{
				Code: fault.Invalid, Reason: "MetricDataInvalid", What: fmt.Sprintf("cannot log the metric %.100q", m.Name),
				Why: err.Error(), Fix: "log it as azureml-core 1.61 does", Field: fmt.Sprintf("value[%d].data", i),
			}
		}
		p.Name, p.Time = m.Name, v.Created
		if v.Created.IsZero() {
			p.Time = now
		}
		if v.Step != nil {
			p.Step = *v.Step
		}
		out = append(out, p)
	}
	return out, nil
}

func (m wireMetric) point(run string, v wireValue) (metric.Point, error) {
	c := metric.Cells{Columns: v.Data, Note: metric.Note{ID: v.ID, Stepped: v.Step != nil, Types: m.hidden(v.Data)}}
	if _, reserved := v.Data[""]; reserved {
		return metric.Point{}, fmt.Errorf("a column has no name")
	}
	kind, ok := kinds[m.Properties.Kind]
	if !ok {
		kind = metric.Kind(m.Properties.Kind)
	}
	if kind == imageKind {
		if file, ok := ownFile(run, v.Data[m.Name]); ok {
			return metric.Point{Kind: metric.Image, Data: file}, nil
		}
	}
	if kind == metric.Scalar || kind == "" {
		cell, ok := v.Data[m.Name]
		if !ok {
			return metric.Point{}, errNoCell
		}
		return scalar(c, m.Name, cell), nil
	}
	return metric.Point{Kind: kind, Data: c.Encode()}, nil
}

// ownFile returns the path of a file that is the run's, in JSON: as its uploads are named, without dots.
func ownFile(run string, cell json.RawMessage) (json.RawMessage, bool) {
	var location string
	if json.Unmarshal(cell, &location) != nil {
		return nil, false
	}
	file, ok := strings.CutPrefix(location, artifactID+run+"/")
	if file = strings.TrimPrefix(path.Clean("/"+file), "/"); !ok || file == "" {
		return nil, false
	}
	raw, err := json.Marshal(file)
	return raw, err == nil
}

// scalar is a number where it can be one: what the other clients know as a metric. The cell stays where the
// number alone would not give it back.
func scalar(c metric.Cells, name string, cell json.RawMessage) metric.Point {
	p := metric.Point{Kind: metric.Scalar}
	value, ok := number(cell, c.Note.Types[name])
	if !ok {
		p.Kind, p.Data = scalarKind, c.Encode()
		return p
	}
	p.Value = value
	c.Note.Integer, c.Note.Types = typeOf(cell) == "int", nil
	if !c.Note.Integer || strconv.FormatFloat(value, 'f', -1, 64) == string(cell) {
		c.Columns = nil
	}
	p.Data = c.Encode()
	return p
}

// number reads a cell as a number; typ is what was said of it, where it does not show itself.
func number(cell json.RawMessage, typ string) (float64, bool) {
	text := string(cell)
	switch typeOf(cell) {
	case "string":
		if typ != "double" {
			return 0, false
		}
		text = strings.Trim(text, `"`)
	case "int", "double":
	default:
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

// hidden returns the types of the columns whose cells do not show them.
func (m wireMetric) hidden(cells map[string]json.RawMessage) (types map[string]string) {
	for name, cell := range cells {
		declared := strings.ToLower(m.Columns[name])
		if (declared == "double" || declared == "float") && isSpecial(cell) {
			if types == nil {
				types = map[string]string{}
			}
			types[name] = "double"
		}
	}
	return types
}

func isSpecial(cell json.RawMessage) bool {
	for _, word := range specials {
		if string(cell) == `"`+word+`"` {
			return true
		}
	}
	return false
}

// typeOf is a cell's type, as the SDK names it.
func typeOf(cell json.RawMessage) string {
	switch text := string(cell); {
	case text == "" || text == "null":
		return "none"
	case text == "true" || text == "false":
		return "bool"
	case text[0] == '"' || text[0] == '{' || text[0] == '[':
		return "string"
	case strings.ContainsAny(text, ".eE"):
		return "double"
	}
	return "int"
}
