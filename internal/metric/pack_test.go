package metric_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/metric"
)

func anyPoint(t *rapid.T) metric.Point {
	p := metric.Point{
		Name: "m", Kind: metric.Scalar, Value: rapid.Float64().Draw(t, "value"),
		Step: rapid.Int64().Draw(t, "step"), Time: time.UnixMicro(rapid.Int64().Draw(t, "time")).UTC(),
	}
	if rapid.IntRange(0, 3).Draw(t, "mixed") == 0 {
		p.Kind = rapid.SampledFrom([]metric.Kind{metric.Scalar, metric.List, "azureml.v1.table"}).Draw(t, "kind")
		p.Data = json.RawMessage(rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "data"))
	}
	return p
}

var same = cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateEmpty()}

// TestPacked packs any points, in one piece and in several, and takes them out again.
func TestPacked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOfN(rapid.Custom(anyPoint), 0, 60).Draw(t, "points")
		cut := rapid.IntRange(0, len(points)).Draw(t, "cut")
		for _, p := range []metric.Packed{
			metric.Pack(points),
			metric.Pack(points[:cut]).Add(points[cut:]),
			metric.Pack(points[:cut]).Join(metric.Pack(points[cut:])),
		} {
			skip, limit := rapid.IntRange(0, 70).Draw(t, "skip"), rapid.IntRange(0, 70).Draw(t, "limit")
			want := points[min(skip, len(points)):]
			if limit > 0 {
				want = want[:min(limit, len(want))]
			}
			got, err := p.Append(nil, "m", skip, limit)
			if diff := cmp.Diff(want, got, same); err != nil || diff != "" {
				t.Fatalf("%d points after %d, %v (-want +got):\n%s", limit, skip, err, diff)
			}
			if r, err := p.Range(); err != nil || r != metric.RangeOf(points) {
				t.Fatalf("range %+v, %v; want %+v", r, err, metric.RangeOf(points))
			}
			checkSplit(t, p, points)
		}
	})
}

// checkSplit cuts packed points into pieces that are small enough, and puts them together again.
func checkSplit(t *rapid.T, p metric.Packed, points []metric.Point) {
	t.Helper()
	n, size := rapid.IntRange(1, 20).Draw(t, "n"), rapid.IntRange(1, 600).Draw(t, "size")
	pieces, err := p.Split(n, size)
	if err != nil {
		t.Fatal(err)
	}
	var got []metric.Point
	for _, piece := range pieces {
		r, err := piece.Range()
		if err != nil || r.Points > n || r.Points > 1 && len(piece) > size+1 {
			t.Fatalf("a piece of %d points and %d bytes, %v; at most %d and %d", r.Points, len(piece), err, n, size)
		}
		if got, err = piece.Append(got, "m", 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(points, got, same); diff != "" {
		t.Fatalf("the pieces (-want +got):\n%s", diff)
	}
}

// FuzzPacked reads any bytes: they are points or damaged, and never more than that.
func FuzzPacked(f *testing.F) {
	f.Add([]byte(metric.Pack([]metric.Point{{Value: 1}, {Value: math.NaN(), Step: -1}})), 1, 1)
	f.Add([]byte(metric.Pack([]metric.Point{{Kind: metric.Table, Data: json.RawMessage(`{"a":[1]}`)}, {}})), 0, 0)
	f.Add([]byte{1, 0, 0}, 5, 5)
	f.Fuzz(func(t *testing.T, b []byte, skip, limit int) {
		all, err := metric.Packed(b).Append(nil, "m", 0, 0)
		r, rangeErr := metric.Packed(b).Range()
		if (err == nil) != (rangeErr == nil) || err == nil && r.Points != len(all) {
			t.Fatalf("%d points, %v; range %+v, %v", len(all), err, r, rangeErr)
		}
		if err != nil {
			return
		}
		skip, limit = max(skip, 0), max(limit, 0)
		want := all[min(skip, len(all)):]
		if limit > 0 {
			want = want[:min(limit, len(want))]
		}
		got, err := metric.Packed(b).Append(nil, "m", skip, limit)
		if diff := cmp.Diff(want, got, same); err != nil || diff != "" {
			t.Fatalf("%d points after %d, %v (-want +got):\n%s", limit, skip, err, diff)
		}
	})
}

func TestAfter(t *testing.T) {
	t.Parallel()
	at := time.UnixMicro(5)
	for _, tt := range []struct {
		reason string
		p, q   metric.Point
		want   bool
	}{
		{"the step comes first", metric.Point{Step: 2}, metric.Point{Step: 1, Time: at, Value: 9}, true},
		{"then the time", metric.Point{Step: 1, Time: at}, metric.Point{Step: 1, Time: at.Add(-time.Second), Value: 9}, true},
		{"then the value", metric.Point{Value: 2}, metric.Point{Value: 1}, true},
		{"NaN is less than any", metric.Point{Value: math.NaN()}, metric.Point{Value: math.Inf(-1)}, false},
		{"any is more than NaN", metric.Point{Value: math.Inf(-1)}, metric.Point{Value: math.NaN()}, true},
		{"the same", metric.Point{Value: 1}, metric.Point{Value: 1}, false},
		{"less than a microsecond", metric.Point{Time: at.Add(1), Value: 1}, metric.Point{Time: at, Value: 2}, false},
	} {
		if got := tt.p.After(tt.q); got != tt.want {
			t.Errorf("%s: %t", tt.reason, got)
		}
	}
}
