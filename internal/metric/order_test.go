package metric_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/metric"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at returns points with these seconds as times, and their positions as steps.
func at(seconds ...int) (points []metric.Point) {
	for i, s := range seconds {
		points = append(points, metric.Point{Time: begin.Add(time.Duration(s) * time.Second), Step: int64(i)})
	}
	return points
}

func sequence(points []metric.Point, end error) iter.Seq2[metric.Point, error] {
	return func(yield func(metric.Point, error) bool) {
		for _, p := range points {
			if !yield(p, nil) {
				return
			}
		}
		if end != nil {
			yield(metric.Point{}, end)
		}
	}
}

// inTime returns what InTime makes of points: their positions.
func inTime(points []metric.Point) (steps []int64) {
	for p := range metric.InTime(sequence(points, nil)) {
		steps = append(steps, p.Step)
	}
	return steps
}

func TestInTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seconds []int
		want    []int64
	}{
		{nil, nil},
		{[]int{1, 2, 3}, []int64{0, 1, 2}},
		{[]int{5, 6, 7, 1, 2, 3}, []int64{3, 4, 5, 0, 1, 2}},
		{[]int{1, 1, 0, 1}, []int64{2, 0, 1, 3}},
		{[]int{7200, 7202, 7201, 3, 1, 2}, []int64{0, 2, 1, 4, 5, 3}}, // the clock was set back by two hours
	} {
		t.Run(fmt.Sprint(c.seconds), func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, inTime(at(c.seconds...))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestInTimeOfMany: 100,000 points, of which five batches of 200 are on their way at once.
func TestInTimeOfMany(t *testing.T) {
	t.Parallel()
	batches := slices.Collect(slices.Chunk(at(make([]int, 100_000)...), 200))
	for i, b := range batches {
		for j := range b {
			b[j].Time = begin.Add(time.Duration(200*i+j) * time.Millisecond)
		}
	}
	for i := 0; i < len(batches); i += 5 {
		group := batches[i : i+5]
		rand.Shuffle(len(group), func(a, b int) { group[a], group[b] = group[b], group[a] })
	}
	for i, step := range inTime(slices.Concat(batches...)) {
		if int64(i) != step {
			t.Fatalf("point %d stands at %d", step, i)
		}
	}
}

func TestInTimeEnds(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var got error
	for _, err := range metric.InTime(sequence(at(1, 2), broken)) {
		got = err
	}
	if !errors.Is(got, broken) {
		t.Errorf("the error is %v", got)
	}
	for p := range metric.InTime(sequence(at(2, 1), nil)) {
		if p.Step != 1 {
			t.Errorf("the first one is %v", p)
		}
		break
	}
}
