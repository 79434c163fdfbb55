package metric

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"iter"
	"math"
	"slices"
	"time"
)

// Packed is points of one metric as a store keeps them: a byte that tells the form, and the points one
// after the other. A point is its value's bits, its step and its time in microseconds, 8 bytes each,
// little-endian; in the mixed form the kind and the data follow, each after its length. nil is no points.
type Packed []byte

const (
	plain  = 0 // scalars without data
	mixed  = 1
	scalar = 24 // bytes of a plain point
)

var errPacked = errors.New("the packed points are damaged")

// Pack packs points.
func Pack(points []Point) Packed { return Packed(nil).Add(points) }

// Add returns the packed points with more behind them. It may write into p's spare room.
func (p Packed) Add(points []Point) Packed {
	if len(points) == 0 {
		return p
	}
	if slices.ContainsFunc(points, Point.mixed) {
		p = p.mix()
	}
	if len(p) == 0 {
		p = append(make(Packed, 0, 1+scalar*len(points)), plain)
	}
	for _, point := range points {
		p = p.add(point)
	}
	return p
}

// Join returns p with the points of q behind them.
func (p Packed) Join(q Packed) Packed {
	switch {
	case len(q) == 0:
		return p
	case len(p) == 0:
		return q
	case p[0] != q[0]:
		p, q = p.mix(), q.mix()
	}
	return append(p, q[1:]...)
}

// mix returns the points in the mixed form.
func (p Packed) mix() Packed {
	if len(p) > 0 && p[0] == mixed {
		return p
	}
	out := append(make(Packed, 0, len(p)+len(p)/8), mixed)
	for at := 1; at+scalar <= len(p); at += scalar {
		out = append(append(out, p[at:at+scalar]...), 0, 0)
	}
	return out
}

func (p Point) mixed() bool { return p.kind() != "" || len(p.Data) > 0 }

// kind is the kind as it is written: nothing for a scalar.
func (p Point) kind() Kind {
	if p.Kind == Scalar {
		return ""
	}
	return p.Kind
}

func (p Packed) add(point Point) Packed {
	form := p[0]
	p = binary.LittleEndian.AppendUint64(p, math.Float64bits(point.Value))
	p = binary.LittleEndian.AppendUint64(p, uint64(point.Step))
	p = binary.LittleEndian.AppendUint64(p, uint64(point.Time.UnixMicro()))
	if form == mixed {
		kind := point.kind()
		p = append(binary.AppendUvarint(p, uint64(len(kind))), kind...)
		p = append(binary.AppendUvarint(p, uint64(len(point.Data))), point.Data...)
	}
	return p
}

// entry is one point in its packed form, the same in both forms: without kind and data where it has
// none. Two points are the same if their entries are.
type entry []byte

func (e entry) value() float64 { return math.Float64frombits(binary.LittleEndian.Uint64(e)) }
func (e entry) step() int64    { return int64(binary.LittleEndian.Uint64(e[8:])) }
func (e entry) micros() int64  { return int64(binary.LittleEndian.Uint64(e[16:])) }

// point returns the entry's point with copies of what it holds.
func (e entry) point(name string) Point {
	p := Point{Name: name, Kind: Scalar, Value: e.value(), Step: e.step(), Time: time.UnixMicro(e.micros()).UTC()}
	if len(e) == scalar {
		return p
	}
	kind, rest, _ := text(e[scalar:])
	if data, _, _ := text(rest); len(data) > 0 {
		p.Data = json.RawMessage(slices.Clone(data))
	}
	if len(kind) > 0 {
		p.Kind = Kind(kind)
	}
	return p
}

// entries walks through the points; an error ends it.
func (p Packed) entries() iter.Seq2[entry, error] { return p.from(new(int)) }

// from is entries without as many of the first skip points as can be passed over at once, which are
// taken off skip.
func (p Packed) from(skip *int) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		if len(p) == 0 {
			return
		}
		form, rest := p[0], p[1:]
		if form == plain {
			pass := min(*skip, len(rest)/scalar)
			rest, *skip = rest[pass*scalar:], *skip-pass
		}
		for len(rest) > 0 {
			size, err := width(form, rest)
			if err != nil {
				yield(nil, err)
				return
			}
			e := entry(rest[:size])
			if form == mixed && size == scalar+2 {
				e = e[:scalar]
			}
			if !yield(e, nil) {
				return
			}
			rest = rest[size:]
		}
	}
}

// width is how many bytes the first point takes.
func width(form byte, p []byte) (int, error) {
	if form > mixed || len(p) < scalar {
		return 0, errPacked
	}
	if form == plain {
		return scalar, nil
	}
	_, rest, ok := text(p[scalar:])
	if !ok {
		return 0, errPacked
	}
	if _, rest, ok = text(rest); !ok {
		return 0, errPacked
	}
	return len(p) - len(rest), nil
}

// text cuts what stands after its length.
func text(p []byte) (s, rest []byte, ok bool) {
	n, size := binary.Uvarint(p)
	if size <= 0 || n > uint64(len(p)-size) {
		return nil, nil, false
	}
	return p[size : size+int(n)], p[size+int(n):], true
}

// Append unpacks at most limit points from the position skip on and appends them to list; limit 0 or
// less is all.
func (p Packed) Append(list []Point, name string, skip, limit int) ([]Point, error) {
	n := 0
	for e, err := range p.from(&skip) {
		if err != nil {
			return list, err
		}
		if n++; n <= skip {
			continue
		}
		list = append(list, e.point(name))
		if n == skip+limit {
			break
		}
	}
	return list, nil
}

// Range is where points lie.
type Range struct {
	Points           int
	StepMin, StepMax int64
	TimeMin, TimeMax int64 // in microseconds since 1970
}

// Range returns where the points lie; the zero Range for none.
func (p Packed) Range() (r Range, err error) {
	for e, err := range p.entries() {
		if err != nil {
			return r, err
		}
		r = r.with(e.step(), e.micros())
	}
	return r, nil
}

// RangeOf is Packed.Range of points.
func RangeOf(points []Point) (r Range) {
	for _, p := range points {
		r = r.with(p.Step, p.Time.UnixMicro())
	}
	return r
}

func (r Range) with(step, micros int64) Range {
	if r.Points == 0 {
		return Range{1, step, step, micros, micros}
	}
	return Range{
		r.Points + 1, min(r.StepMin, step), max(r.StepMax, step),
		min(r.TimeMin, micros), max(r.TimeMax, micros),
	}
}

// Split cuts the points into pieces of at most n points and about size bytes.
func (p Packed) Split(n, size int) ([]Packed, error) {
	if len(p) <= 1+min(n*scalar, size) {
		return []Packed{p}, nil
	}
	var out []Packed
	start, at, count := 1, 1, 0
	cut := func() {
		out = append(out, append(Packed{p[0]}, p[start:at]...))
		start, count = at, 0
	}
	for at < len(p) {
		width, err := width(p[0], p[at:])
		if err != nil {
			return nil, err
		}
		if count == n || count > 0 && at-start+width > size {
			cut()
		}
		at, count = at+width, count+1
	}
	cut()
	return out, nil
}
