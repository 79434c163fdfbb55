package sqlstore_test

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/store/faultsql"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/store/storetest"
)

var logged = metric.Key{Workspace: "ws", Run: "r1"}

// batchOf is the nth batch of a worker: single points, and now and then many.
func batchOf(worker, n int) []metric.Point {
	size := 1
	if n%7 == 6 {
		size = 150
	}
	out := make([]metric.Point, size)
	for i := range out {
		out[i] = metric.Point{
			Name: "shared", Kind: metric.Scalar, Value: float64(worker), Step: int64(n),
			Time: time.UnixMicro(int64(n*1000 + i)).UTC(),
		}
	}
	return append(out, metric.Point{Name: fmt.Sprint("own ", worker), Kind: metric.Scalar, Value: math.Inf(1), Step: int64(n), Time: out[0].Time})
}

// logUntilDead has two workers log until the database fails; it returns how many batches each was told of.
func logUntilDead(t *testing.T, m metric.Store, batches int) (acknowledged [2]int) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range acknowledged {
		wg.Go(func() {
			for n := range batches {
				if err := m.Append(t.Context(), logged, batchOf(w, n)); err != nil {
					if fault.CodeOf(err) != fault.Unavailable {
						t.Errorf("a dead database is %v, want %s", err, fault.Unavailable)
					}
					return
				}
				acknowledged[w]++
			}
		})
	}
	wg.Wait()
	return acknowledged
}

// checkLogged checks that each of the batches is there, and each point once.
func checkLogged(t *testing.T, m metric.Store, acknowledged [2]int, exact bool) {
	t.Helper()
	have := map[metric.Key]int{}
	for _, name := range []string{"shared", "own 0", "own 1"} {
		points, err := m.Series(t.Context(), logged.Run, name, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			have[pointKey(p)]++
		}
	}
	want := 0
	for w, batches := range acknowledged {
		for n := range batches {
			for _, p := range batchOf(w, n) {
				want++
				if have[pointKey(p)] != 1 {
					t.Errorf("point %+v is there %d times", p, have[pointKey(p)])
				}
			}
		}
	}
	total := 0
	for k, n := range have {
		if total += n; n != 1 {
			t.Errorf("%s is there %d times", k, n)
		}
	}
	if list, err := m.Latest(t.Context(), logged.Run); err != nil || sum(list) != int64(total) {
		t.Errorf("the metrics say that there are %d points, and there are %d; %v", sum(list), total, err)
	}
	if exact && total != want {
		t.Errorf("%d points are there, want %d", total, want)
	}
}

func pointKey(p metric.Point) metric.Key {
	return metric.Key{Workspace: p.Name, Run: fmt.Sprint(p.Value, p.Step, p.Time.UnixMicro())}
}

func sum(list []metric.Latest) (n int64) {
	for _, l := range list {
		n += l.Points
	}
	return n
}

// TestMetricKillPoints has the database die at statements of a workload: what was acknowledged is there
// once, and the workload repeated from the start gives every point once.
func TestMetricKillPoints(t *testing.T) {
	t.Parallel()
	step := int64(1)
	if testing.Short() {
		step = 7
	}
	for _, answered := range []bool{false, true} {
		for n := int64(1); n <= 160; n += step {
			killLogging(t, n, answered)
		}
	}
}

func killLogging(t *testing.T, n int64, answered bool) {
	t.Helper()
	const batches = 40
	path, d := filepath.Join(t.TempDir(), "z.db"), &faultsql.Driver{}
	db := openFile(t, path, sqlstore.Options{Wrap: d.Wrap, NoSync: true})
	d.DieIn(n, answered)
	acknowledged := logUntilDead(t, db.Metrics(metric.Limits{}), batches)
	if !d.Dead() {
		t.Fatalf("the workload has fewer than %d statements", n)
	}
	db.Close() // what it says of dead connections is of no interest
	db = openFile(t, path, sqlstore.Options{NoSync: true})
	defer db.Close()
	m := db.Metrics(metric.Limits{})
	checkLogged(t, m, acknowledged, false)
	checkLogged(t, m, logUntilDead(t, m, batches), true)
	if t.Failed() {
		t.Fatalf("after the death at statement %d, answered %t", n, answered)
	}
}

// TestMetricsWithFailingStatements has statements fail at random and the clients repeat their batches.
func TestMetricsWithFailingStatements(t *testing.T) {
	t.Parallel()
	d := &faultsql.Driver{}
	db := openFile(t, filepath.Join(t.TempDir(), "z.db"), sqlstore.Options{Wrap: d.Wrap, NoSync: true})
	defer db.Close()
	m := db.Metrics(metric.Limits{})
	d.Fail(0.02, 1)
	var failures atomic.Int64
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for n := range 200 {
				for m.Append(t.Context(), logged, batchOf(w, n)) != nil {
					failures.Add(1)
				}
			}
		})
	}
	wg.Wait()
	d.Fail(0, 0)
	if failures.Load() == 0 {
		t.Error("no statement failed")
	}
	checkLogged(t, m, [2]int{200, 200}, true)
}

// TestMetricsInDumps takes metrics through a dump into another database of each engine.
func TestMetricsInDumps(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		from := withMetrics(t, open(t))
		sameDump(t, from, open(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		storetest.NeedPostgres(t)
		middle := openPostgres(t)
		sameDump(t, withMetrics(t, open(t)), middle)
		sameDump(t, middle, open(t))
	})
}

func withMetrics(t *testing.T, db *sqlstore.DB) *sqlstore.DB {
	t.Helper()
	var points []metric.Point
	for i, v := range []float64{1, math.NaN(), math.Inf(1), math.Inf(-1), 0.1, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		at := time.UnixMicro(int64(i)).UTC()
		points = append(points,
			metric.Point{Name: fmt.Sprint("m", i), Kind: metric.Scalar, Value: v, Step: math.MinInt64, Time: at},
			metric.Point{Name: "all", Kind: metric.Scalar, Value: v, Step: int64(i), Time: at},
			metric.Point{Name: "all", Kind: metric.Table, Data: []byte(`["ü\u0000"]`), Step: int64(i), Time: at})
	}
	for n := range 100 {
		points = append(points, batchOf(1, n)...)
	}
	if err := db.Metrics(metric.Limits{}).Append(t.Context(), logged, points); err != nil {
		t.Fatal(err)
	}
	return db
}

// sameDump loads what one database dumps into another, and looks for differences.
func sameDump(t *testing.T, from, to *sqlstore.DB) {
	t.Helper()
	want := dump(t, from)
	if err := to.Load(t.Context(), bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(dump(t, to))); diff != "" {
		t.Errorf("the dump on %s (-want +got):\n%s", to.Engine(), diff)
	}
	for _, name := range []string{"all", "m1", "shared"} {
		want, _ := from.Metrics(metric.Limits{}).Series(t.Context(), logged.Run, name, 0, 0)
		got, err := to.Metrics(metric.Limits{}).Series(t.Context(), logged.Run, name, 0, 0)
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); err != nil || diff != "" || len(got) == 0 {
			t.Errorf("%s on %s, %d points, %v (-want +got):\n%s", name, to.Engine(), len(got), err, diff)
		}
	}
	list, err := to.Metrics(metric.Limits{}).Latest(t.Context(), logged.Run)
	if err != nil || sum(list) == 0 {
		t.Errorf("the latest are %v, %v", list, err)
	}
}
