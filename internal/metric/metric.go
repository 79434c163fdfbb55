// Package metric states what runs log as they go on: numbers with a step and a time, and the lists,
// tables and images of SDK v1. They come by the thousand, are only ever added to, and are no records.
package metric

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/zaffre-ml/zaffre/internal/store"
)

// Kind says what a point holds. There may be kinds that are not named here: of SDK v1, which puts
// "azureml.v1." before them.
type Kind string

// The kinds. The zero Kind is Scalar.
const (
	Scalar Kind = "scalar" // Value alone
	List   Kind = "list"   // Data is the entry's cells by column, in JSON
	Table  Kind = "table"  // Data is the row's cells by column, in JSON
	Image  Kind = "image"  // Data is the path of an artifact of the run, in JSON
)

// Point is one value of a metric.
type Point struct {
	Name  string
	Kind  Kind
	Value float64 // may be NaN or infinite; 0 where Kind is not Scalar
	Data  json.RawMessage
	Step  int64
	Time  time.Time // kept to the microsecond
}

// Latest is the point of a metric with the greatest step, time and value, in this order; NaN is less
// than any number. Its Data is left out: Series has it.
type Latest struct {
	Point
	Points int64 // how many the metric has
}

// After reports whether p comes after q: by step, then time, then value.
func (p Point) After(q Point) bool {
	return cmp.Or(cmp.Compare(p.Step, q.Step), cmp.Compare(p.Time.UnixMicro(), q.Time.UnixMicro()), cmp.Compare(p.Value, q.Value)) > 0
}

// Number reports whether the point is a number that can be compared: a scalar, and not NaN.
func (p Point) Number() bool {
	return (p.Kind == Scalar || p.Kind == "") && !math.IsNaN(p.Value)
}

// Key names the metrics of a run by its ULID.
type Key struct{ Workspace, Run string }

// Store keeps the points of runs. It does not ask whether there is such a run. Its methods may be
// called from several goroutines.
type Store interface {
	// Append adds the points that are not there yet: one with the name, step, time, value, kind and
	// data of another is the same point and counts once, whenever it comes again. So a batch whose
	// answer was lost may be repeated. All of it or nothing; durable when it returns. The points must
	// have passed Check. It fails with fault.Precondition, Reason "MetricNamesExceeded" or
	// "MetricPointsExceeded", when the run would have more than the Limits allow.
	Append(ctx context.Context, k Key, batch []Point, then ...store.Effect) error
	// Series returns at most limit points of a metric from the position skip on, in the order in which
	// they were logged; limit 0 or less is all. Positions do not change. No such metric has no points.
	Series(ctx context.Context, run, name string, skip, limit int) ([]Point, error)
	// Latest returns the run's metrics by name.
	Latest(ctx context.Context, run string) ([]Latest, error)
	// LatestOf returns the metrics of several runs, by run, and by name within it; names nil means all.
	// A run without any has no entry.
	LatestOf(ctx context.Context, runs, names []string) (map[string][]Latest, error)
	// Delete forgets all metrics of a run. It succeeds when there are none.
	Delete(ctx context.Context, run string) error
}

// Limits bound what one run may log. A zero field has the default.
type Limits struct {
	Names  int   // 10,000
	Points int64 // 50 million; points are counted a hundred or so late per name
}

// OrDefault returns the limits with the defaults in place of zeros.
func (l Limits) OrDefault() Limits {
	return Limits{Names: cmp.Or(l.Names, 10_000), Points: cmp.Or(l.Points, 50_000_000)}
}
