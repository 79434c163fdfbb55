package metric

import (
	"iter"
	"slices"
	"time"
)

const (
	window  = 10_000           // points by which one may have come too early or too late
	setBack = 10 * time.Minute // a point that is so much older than the one before is of a clock that was set
)

// ByTime orders points by their times.
func ByTime(a, b Point) int { return a.Time.Compare(b.Time) }

// InTime yields points in the order of their times, and those of one time as they come. The batches that a client of
// SDK v1 sends at once arrive in any order, but not far from their place.
func InTime(points iter.Seq2[Point, error]) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		var held []Point
		release := func(n int) bool {
			slices.SortStableFunc(held, ByTime)
			for _, p := range held[:n] {
				if !yield(p, nil) {
					return false
				}
			}
			held = slices.Delete(held, 0, n)
			return true
		}
		var last time.Time
		for p, err := range points {
			if err != nil {
				yield(p, err)
				return
			}
			if p.Time.Before(last.Add(-setBack)) && !release(len(held)) {
				return
			}
			held, last = append(held, p), p.Time
			if len(held) == 2*window && !release(window) {
				return
			}
		}
		release(len(held))
	}
}
