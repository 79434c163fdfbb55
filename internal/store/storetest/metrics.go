package storetest

import (
	stdcmp "cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func testMetrics(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "any batches", metricBatches)
	on(t, open, "repeats at the edges", metricRepeats)
	on(t, open, "many writers", metricWriters)
	on(t, open, "pages", metricPages)
	on(t, open, "latest", metricLatest)
	on(t, open, "what a point holds", metricData)
	on(t, open, "limits", metricLimits)
	on(t, open, "effects", metricEffects)
	on(t, open, "delete", metricDelete)
}

var metricsKey = metric.Key{Workspace: "ws", Run: "r1"}

// sameMetrics compares points; NaN equals itself.
var sameMetrics = cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateEmpty()}

// scalars returns points of steps from a number on, each logged a second after the one before.
func scalars(name string, from, n int) []metric.Point {
	out := make([]metric.Point, n)
	for i := range out {
		step := from + i
		out[i] = metric.Point{
			Name: name, Kind: metric.Scalar, Value: float64(step) / 3, Step: int64(step),
			Time: epoch.Add(time.Duration(step) * time.Second),
		}
	}
	return out
}

// metricModel is what a store of metrics should hold: each point once, as it came.
type metricModel struct {
	seen   map[string]bool
	points map[string][]metric.Point
}

func (m *metricModel) add(batch []metric.Point) {
	for _, p := range batch {
		id := fmt.Sprintf("%q %s %x %d %d %s", p.Name, p.Kind, math.Float64bits(p.Value), p.Step, p.Time.UnixMicro(), p.Data)
		if !m.seen[id] {
			m.seen[id] = true
			m.points[p.Name] = append(m.points[p.Name], p)
		}
	}
}

func (m *metricModel) latest() (out []metric.Latest) {
	for _, points := range m.points {
		l := metric.Latest{Point: points[0], Points: int64(len(points))}
		for _, p := range points {
			if p.After(l.Point) {
				l.Point = p
			}
		}
		l.Data = nil
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b metric.Latest) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// drawPoint draws from few steps, times and values, so that points meet their likes; or from a
// series that goes on, as runs log.
func drawPoint(t *rapid.T, next *int) metric.Point {
	p := metric.Point{
		Name: rapid.SampledFrom([]string{"loss", "val/acc", "損失 %"}).Draw(t, "name"), Kind: metric.Scalar,
		Value: rapid.SampledFrom([]float64{0, 1, -1.5, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64}).Draw(t, "value"),
	}
	switch rapid.IntRange(0, 9).Draw(t, "how") {
	case 0:
		p.Kind, p.Value = metric.Table, 0
		p.Data = json.RawMessage(fmt.Sprintf(`{"a":[%d,"ü"]}`, rapid.IntRange(0, 3).Draw(t, "cell")))
		fallthrough
	case 1, 2, 3:
		p.Step = int64(rapid.IntRange(-2, 40).Draw(t, "step"))
		p.Time = epoch.Add(time.Duration(rapid.IntRange(-2, 40).Draw(t, "time")) * time.Second)
	default:
		*next++
		p.Step, p.Time = int64(*next), epoch.Add(time.Duration(*next)*time.Millisecond)
	}
	return p
}

// metricBatches appends any batches in any order, old ones among them, and looks at what is there.
func metricBatches(t *testing.T, s Store) {
	ctx, m := t.Context(), s.Metrics(metric.Limits{})
	var runs atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		k := metric.Key{Workspace: "ws", Run: fmt.Sprint("run", runs.Add(1))}
		want := metricModel{seen: map[string]bool{}, points: map[string][]metric.Point{}}
		var batches [][]metric.Point
		next := 0
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			var batch []metric.Point
			if len(batches) > 0 && rapid.IntRange(0, 3).Draw(t, "again") == 0 {
				batch = rapid.SampledFrom(batches).Draw(t, "batch")
			} else {
				size := rapid.SampledFrom([]int{1, 1, 1, 2, 40, 90, 700}).Draw(t, "size")
				for range size {
					if size > 90 { // drawing takes longer than storing
						next++
						batch = append(batch, scalars("loss", next, 1)...)
						continue
					}
					batch = append(batch, drawPoint(t, &next))
				}
			}
			batches = append(batches, batch)
			want.add(batch)
			if err := m.Append(ctx, k, batch); err != nil {
				t.Fatal(err)
			}
		}
		for name, points := range want.points {
			got, err := m.Series(ctx, k.Run, name, 0, 0)
			if diff := cmp.Diff(points, got, sameMetrics); err != nil || diff != "" {
				t.Fatalf("%s, %v (-want +got):\n%s", name, err, diff)
			}
		}
		got, err := m.Latest(ctx, k.Run)
		if diff := cmp.Diff(want.latest(), got, sameMetrics); err != nil || diff != "" {
			t.Fatalf("the latest, %v (-want +got):\n%s", err, diff)
		}
	})
}

// metricRepeats repeats points that are the last of what they lie in, alone and twice in a batch.
func metricRepeats(t *testing.T, s Store) {
	ctx, m := t.Context(), s.Metrics(metric.Limits{})
	for name, change := range map[string]func(*metric.Point){
		"both rise": func(*metric.Point) {},
		"one step":  func(p *metric.Point) { p.Step = 7 },
		"one time":  func(p *metric.Point) { p.Time = epoch },
		"falling":   func(p *metric.Point) { p.Step, p.Time = -p.Step, epoch.Add(-p.Time.Sub(epoch)) },
		"values":    func(p *metric.Point) { p.Step, p.Time = 0, epoch },
	} {
		want := scalars(name, 0, 200)
		for i := range want {
			change(&want[i])
		}
		for at := 0; at < len(want); at += 50 {
			batch := slices.Repeat(want[:at+50], 2)
			slices.SortStableFunc(batch, func(a, b metric.Point) int { return stdcmp.Compare(a.Value, b.Value) })
			for range 2 {
				must(t, m.Append(ctx, metricsKey, batch))
			}
			for _, p := range want[:at+50] {
				must(t, m.Append(ctx, metricsKey, []metric.Point{p}))
			}
		}
		got, err := m.Series(ctx, metricsKey.Run, name, 0, 0)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s, %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// metricWriters has several clients log into one run at once and repeat what they logged.
func metricWriters(t *testing.T, s Store) {
	const clients, batches, size = 8, 12, 30
	m := s.Metrics(metric.Limits{})
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for b := range batches {
				batch := append(scalars("shared", (c/2*batches+b)*size, size), scalars(fmt.Sprint("own", c), b, 1)...)
				for range 2 {
					if err := m.Append(t.Context(), metricsKey, batch); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	got, err := m.Series(t.Context(), metricsKey.Run, "shared", 0, 0)
	must(t, err)
	slices.SortFunc(got, func(a, b metric.Point) int { return int(a.Step - b.Step) })
	want := scalars("shared", 0, clients/2*batches*size) // two clients each log the same
	if diff := cmp.Diff(want, got, sameMetrics); diff != "" {
		t.Errorf("points of 8 clients (-want +got):\n%s", diff)
	}
	list, err := m.Latest(t.Context(), metricsKey.Run)
	must(t, err)
	if len(list) != clients+1 || list[0].Points != batches {
		t.Errorf("%d metrics, the first with %d points; want %d with %d", len(list), list[0].Points, clients+1, batches)
	}
}

func metricPages(t *testing.T, s Store) {
	ctx, m := t.Context(), s.Metrics(metric.Limits{})
	want := scalars("loss", 0, 30_000)
	for at := 0; at < len(want); {
		size := min([]int{1, 63, 64, 65, 1000, 8193}[at%6], len(want)-at)
		must(t, m.Append(ctx, metricsKey, want[at:at+size]))
		at += size
	}
	for _, size := range []int{1, 7, 64, 1000, 8191, 8192, 10_000, 29_999, 30_000, 40_000} {
		for _, skip := range []int{0, 1, 63, 64, 8191, 8192, 8193, 20_000, 29_940, 29_999} {
			got, err := m.Series(ctx, metricsKey.Run, "loss", skip, size)
			must(t, err)
			if part := want[skip:min(skip+size, len(want))]; !reflect.DeepEqual(part, got) { // cmp takes its time for so many
				t.Fatalf("%d points from %d on (-want +got):\n%s", size, skip, cmp.Diff(part, got))
			}
		}
	}
	for _, skip := range []int{30_000, 30_001, math.MaxInt} {
		if got, err := m.Series(ctx, metricsKey.Run, "loss", skip, 10); err != nil || len(got) > 0 {
			t.Errorf("from %d on there are %d points, %v", skip, len(got), err)
		}
	}
	if got, err := m.Series(ctx, metricsKey.Run, "loss", math.MaxInt, math.MaxInt); err != nil || len(got) > 0 {
		t.Errorf("at the end of all numbers there are %d points, %v", len(got), err)
	}
	for _, k := range []metric.Key{{Run: "r1"}, {Run: "r2"}} {
		if got, err := m.Series(ctx, k.Run, "nothing", 0, 0); err != nil || len(got) > 0 {
			t.Errorf("a metric that is not there has %v, %v", got, err)
		}
	}
}

func metricLatest(t *testing.T, s Store) {
	ctx, m := t.Context(), s.Metrics(metric.Limits{})
	for n, run := range []string{"r1", "r2", "r3"} {
		k := metric.Key{Workspace: "ws", Run: run}
		must(t, m.Append(ctx, k, append(scalars("loss", n, 3), scalars("acc", 0, n)...)))
	}
	must(t, m.Append(ctx, metric.Key{Workspace: "ws", Run: "r1"}, []metric.Point{{Name: "nan", Value: math.NaN(), Time: epoch}}))
	l := func(name string, step, points int) metric.Latest {
		return metric.Latest{Point: scalars(name, step, 1)[0], Points: int64(points)}
	}
	nan := metric.Latest{Point: metric.Point{Name: "nan", Kind: metric.Scalar, Value: math.NaN(), Time: epoch.Truncate(time.Microsecond)}, Points: 1}
	for _, tt := range []struct {
		runs, names []string
		want        map[string][]metric.Latest
	}{
		{[]string{"r1", "r2", "r4"}, nil, map[string][]metric.Latest{"r1": {l("loss", 2, 3), nan}, "r2": {l("acc", 0, 1), l("loss", 3, 3)}}},
		{[]string{"r3", "r1", "r3"}, []string{"loss", "none"}, map[string][]metric.Latest{"r1": {l("loss", 2, 3)}, "r3": {l("loss", 4, 3)}}},
		{[]string{"r3"}, []string{}, map[string][]metric.Latest{}},
		{nil, nil, map[string][]metric.Latest{}},
	} {
		got, err := m.LatestOf(ctx, tt.runs, tt.names)
		if diff := cmp.Diff(tt.want, got, sameMetrics); err != nil || diff != "" {
			t.Errorf("metrics %v of %v, %v (-want +got):\n%s", tt.names, tt.runs, err, diff)
		}
	}
	runs, names := []string{"r1"}, []string{"loss"}
	for i := range 700 {
		runs, names = append(runs, fmt.Sprint("x", i)), append(names, fmt.Sprint("x", i))
	}
	if got, err := m.LatestOf(ctx, runs, names); err != nil || len(got) != 1 || len(got["r1"]) != 1 {
		t.Errorf("of many runs and names it found %v, %v", got, err)
	}
}

// metricData has metrics change what they hold on their way.
func metricData(t *testing.T, s Store) {
	ctx, m := t.Context(), s.Metrics(metric.Limits{})
	want := scalars("m", 0, 100)
	for i := range want {
		switch {
		case i%10 == 9:
			want[i].Kind, want[i].Value, want[i].Data = metric.Image, 0, json.RawMessage(`"outputs/ü.png"`)
		case i == 50:
			want[i].Kind, want[i].Data = metric.List, json.RawMessage(`"`+strings.Repeat("x", metric.MaxData-2)+`"`)
		case i == 51:
			want[i].Step, want[i].Time, want[i].Value = math.MinInt64, time.UnixMicro(math.MinInt64).UTC(), math.SmallestNonzeroFloat64
		case i == 52:
			want[i].Time = time.Time{}.UTC()
		case i == 53:
			want[i].Time = time.UnixMicro(0).UTC()
		}
	}
	for _, p := range want {
		must(t, m.Append(ctx, metricsKey, []metric.Point{p}))
	}
	must(t, m.Append(ctx, metricsKey, want))
	got, err := m.Series(ctx, metricsKey.Run, "m", 0, 0)
	if err != nil || !reflect.DeepEqual(want, got) { // cmp goes through a long text byte by byte
		t.Errorf("%v (-want +got):\n%s", err, cmp.Diff(want, got))
	}
	list, err := m.Latest(ctx, metricsKey.Run)
	if err != nil || len(list) != 1 || list[0].Kind != metric.Image || list[0].Step != 99 || list[0].Data != nil {
		t.Errorf("the latest is %+v, %v", list, err)
	}
}

func metricLimits(t *testing.T, s Store) {
	ctx, m := t.Context(), s.Metrics(metric.Limits{Names: 3, Points: 1000})
	must(t, m.Append(ctx, metricsKey, append(append(scalars("a", 0, 1), scalars("b", 0, 1)...), scalars("c", 0, 1)...)))
	err := m.Append(ctx, metricsKey, append(scalars("a", 1, 1), scalars("d", 0, 1)...))
	if fault.CodeOf(err) != fault.Precondition || fault.ReasonOf(err) != "MetricNamesExceeded" {
		t.Errorf("the fourth name of three returned %v", err)
	}
	if got, err := m.Series(ctx, metricsKey.Run, "a", 0, 0); err != nil || len(got) != 1 {
		t.Errorf("a refused batch left points: %v, %v", got, err)
	}
	must(t, m.Append(ctx, metricsKey, scalars("a", 1, 900)))
	err = m.Append(ctx, metricsKey, scalars("a", 1000, 200))
	if fault.CodeOf(err) != fault.Precondition || fault.ReasonOf(err) != "MetricPointsExceeded" {
		t.Errorf("the 1100th point of 1000 returned %v", err)
	}
	must(t, m.Append(ctx, metricsKey, scalars("a", 1, 900))) // has come before
	must(t, m.Append(ctx, metric.Key{Workspace: "ws", Run: "r2"}, scalars("a", 0, 900)))
}

func metricEffects(t *testing.T, s Store) {
	ctx, m := t.Context(), s.Metrics(metric.Limits{})
	must(t, write(t, s, "w", store.Fence{Run: "r", Attempt: 1}))
	once := func() context.Context {
		return store.WithOrigin(ctx, store.Origin{Run: "r", Attempt: 1, Lane: "z-1/0", Sequence: 1})
	}
	must(t, m.Append(once(), metricsKey, scalars("a", 0, 1), store.Wake{Kind: "k", ID: "1"}))
	must(t, m.Append(once(), metricsKey, scalars("a", 1, 1))) // known: the whole write changes nothing
	if got, err := m.Series(ctx, metricsKey.Run, "a", 0, 0); err != nil || len(got) != 1 {
		t.Errorf("after a repeated write there are %d points, %v", len(got), err)
	}
	if due, err := s.NextDue(ctx, "k"); err != nil || due.IsZero() {
		t.Errorf("the effect did not happen: %v, %v", due, err)
	}
	must(t, m.Append(ctx, metricsKey, nil))
}

func metricDelete(t *testing.T, s Store) {
	ctx, m := t.Context(), s.Metrics(metric.Limits{Names: 1})
	other := metric.Key{Workspace: "ws", Run: "r2"}
	for _, k := range []metric.Key{metricsKey, other} {
		must(t, m.Append(ctx, k, scalars("a", 0, 3000)))
	}
	for range 2 {
		must(t, m.Delete(ctx, metricsKey.Run))
	}
	if got, err := m.Series(ctx, metricsKey.Run, "a", 0, 0); err != nil || len(got) != 0 {
		t.Errorf("after Delete there are %d points, %v", len(got), err)
	}
	must(t, m.Append(ctx, metricsKey, scalars("b", 0, 2))) // its limits start anew too
	if got, err := m.Series(ctx, other.Run, "a", 0, 0); err != nil || len(got) != 3000 {
		t.Errorf("Delete left %d points of another run, %v", len(got), err)
	}
}
