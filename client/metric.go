package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Number is a number that may be none: in JSON "NaN", "Infinity" and "-Infinity" are texts.
type Number float64

// MarshalJSON writes the number.
func (n Number) MarshalJSON() ([]byte, error) {
	switch f := float64(n); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(f)
	}
}

// UnmarshalJSON reads the number.
func (n *Number) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"NaN"`:
		*n = Number(math.NaN())
	case `"Infinity"`:
		*n = Number(math.Inf(1))
	case `"-Infinity"`:
		*n = Number(math.Inf(-1))
	default:
		return json.Unmarshal(b, (*float64)(n))
	}
	return nil
}

// Point is one value of a metric of a run.
type Point struct {
	Name  string          `json:"name" minLength:"1" maxLength:"250"`
	Kind  string          `json:"kind,omitempty" doc:"scalar, list, table or image; absent is scalar"`
	Value Number          `json:"value" required:"false"`
	Data  json.RawMessage `json:"data,omitempty" doc:"What a list, a table or an image holds"`
	Step  int64           `json:"step" required:"false"`
	Time  time.Time       `json:"time,omitzero" doc:"Absent is now, but then a point that is sent again counts twice"`
}

// Metric is the point of a metric with the greatest step, time and value.
type Metric struct {
	Point
	Points int64 `json:"points" doc:"How many it has"`
}

// Points is a batch of them.
type Points struct {
	Points []Point `json:"points" maxItems:"10000"`
}

// PointBatch is how many points LogMetrics sends at once.
const PointBatch = 1000

// LogMetrics adds points to a run, which may have ended. A point that the run has already counts once; so
// the call is repeated when the server does not answer. A zero Time is now. What was sent before an error stays.
func (c *Client) LogMetrics(ctx context.Context, ws, run string, points []Point) error {
	now := time.Now()
	points = slices.Clone(points)
	for i := range points {
		if points[i].Time.IsZero() {
			points[i].Time = now
		}
	}
	for batch := range slices.Chunk(points, PointBatch) {
		k := call{method: http.MethodPost, path: runPath(ws, run, "metrics"), body: Points{batch}}
		if _, err := fetch[struct{}](ctx, c, k); err != nil {
			return err
		}
	}
	return nil
}

// Metrics returns what a run logged, by name, without the points' Data.
func (c *Client) Metrics(ctx context.Context, ws, run string) ([]Metric, error) {
	p, err := fetch[Page[Metric]](ctx, c, call{method: http.MethodGet, path: runPath(ws, run, "metrics")})
	return p.Items, err
}

// MetricPage returns points of a metric in the order in which they were logged, from a position on; limit
// 0 is the server's choice. next is the position of the next page, -1 at the end.
func (c *Client) MetricPage(ctx context.Context, ws, run, name string, from, limit int) (points []Point, next int, err error) {
	k := call{method: http.MethodGet, path: runPath(ws, run, "metrics", name), query: url.Values{}}
	k.query = Cursor{After: strconv.Itoa(from), Limit: limit}.query(k.query)
	p, err := fetch[Page[Point]](ctx, c, k)
	if err != nil || p.Next == "" {
		return p.Items, -1, err
	}
	next, err = strconv.Atoi(p.Next)
	if err != nil {
		return nil, -1, unreadable(fmt.Errorf("the next page is at %q", p.Next))
	}
	return p.Items, next, nil
}

// Series walks through a metric's points from a position on, to their end or to the first error.
func (c *Client) Series(ctx context.Context, ws, run, name string, from int) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		for from >= 0 {
			points, next, err := c.MetricPage(ctx, ws, run, name, from, 20_000)
			for _, p := range points {
				if !yield(p, nil) {
					return
				}
			}
			if err != nil {
				yield(Point{}, err)
				return
			}
			from = next
		}
	}
}
