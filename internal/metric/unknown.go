package metric

import "slices"

// Unknown is the points of a batch that nothing has been found to hold yet.
type Unknown struct {
	points []Point
	places map[string]int // by entry
}

// NewUnknown returns the batch's points, each once: of those that are the same the first is taken.
func NewUnknown(batch []Point) *Unknown {
	u := &Unknown{points: batch}
	if !rising(batch, func(p Point) int64 { return p.Step }) && !rising(batch, func(p Point) int64 { return p.Time.UnixMicro() }) {
		u.index()
	}
	return u
}

// rising reports whether each point has more of something than the one before: none is there twice then.
func rising(batch []Point, of func(Point) int64) bool {
	for i := 1; i < len(batch); i++ {
		if of(batch[i]) <= of(batch[i-1]) {
			return false
		}
	}
	return true
}

// index looks for points that are the same, and remembers where each is.
func (u *Unknown) index() {
	if u.places != nil {
		return
	}
	u.places = make(map[string]int, len(u.points))
	once := make([]Point, 0, len(u.points))
	for _, p := range u.points {
		e := entryOf(p)
		if _, ok := u.places[string(e)]; !ok {
			u.places[string(e)] = len(once)
			once = append(once, p)
		}
	}
	u.points = once
}

func entryOf(p Point) entry {
	for e := range Pack([]Point{p}).entries() {
		return e
	}
	return nil
}

// Range returns where the points lie.
func (u *Unknown) Range() Range { return RangeOf(u.points) }

// Strike takes out the points that are among the packed ones.
func (u *Unknown) Strike(p Packed) error {
	if len(p) == 0 || len(u.points) == 0 {
		return nil
	}
	u.index()
	for e, err := range p.entries() {
		if err != nil {
			return err
		}
		delete(u.places, string(e))
	}
	return nil
}

// Points returns what is left, in the batch's order.
func (u *Unknown) Points() []Point {
	if u.places == nil || len(u.places) == len(u.points) {
		return u.points
	}
	places := make([]int, 0, len(u.places))
	for _, i := range u.places {
		places = append(places, i)
	}
	slices.Sort(places)
	out := make([]Point, 0, len(places))
	for _, i := range places {
		out = append(out, u.points[i])
	}
	return out
}
