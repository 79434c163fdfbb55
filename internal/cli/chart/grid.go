package chart

import "math"

// grid is dots, several to a letter.
type grid struct {
	width, height int // in dots
	ascii         bool
	on            []bool
}

// A letter of Braille is two dots wide and four high.
// Source: The Unicode Standard, block Braille Patterns (U+2800).
const (
	brailleWide, brailleHigh = 2, 4
	braille                  = 0x2800
)

func newGrid(columns, rows int, ascii bool) *grid {
	g := &grid{width: columns, height: rows, ascii: ascii}
	if !ascii {
		g.width, g.height = columns*brailleWide, rows*brailleHigh
	}
	g.on = make([]bool, g.width*g.height)
	return g
}

// span is the dots of one column from low to high, counted from the bottom.
type span struct{ low, high int }

// draw sets the dots of the points, which are sorted, and those between one and the next.
func (g *grid) draw(points []Point, r area) {
	last, lastX := span{}, -1 // the column before; lastX -1: a gap
	at, x := span{}, -1
	flush := func() {
		if x < 0 {
			return
		}
		if lastX >= 0 {
			g.join(last, lastX, at, x)
		}
		g.fill(x, at)
		last, lastX = at, x
	}
	for _, p := range points {
		if !finite(p.Y) {
			flush()
			x, lastX = -1, -1
			continue
		}
		px := int(math.Round(share(p.X, r.xMin, r.xMax) * float64(g.width-1)))
		py := int(math.Round(share(p.Y, r.yMin, r.yMax) * float64(g.height-1)))
		if px == x {
			at = span{min(at.low, py), max(at.high, py)}
			continue
		}
		flush()
		at, x = span{py, py}, px
	}
	flush()
}

// join draws a line between two columns, from middle to middle.
func (g *grid) join(a span, ax int, b span, bx int) {
	from, to := float64(a.low+a.high)/2, float64(b.low+b.high)/2
	y := a
	for x := ax + 1; x <= bx; x++ {
		py := int(math.Round(from + (to-from)*float64(x-ax)/float64(bx-ax)))
		switch { // no hole between this column and the one before
		case py > y.high+1:
			y = span{y.high + 1, py}
		case py < y.low-1:
			y = span{py, y.low - 1}
		default:
			y = span{py, py}
		}
		g.fill(x, y)
	}
}

func (g *grid) fill(x int, s span) {
	for y := s.low; y <= s.high; y++ {
		g.on[(g.height-1-y)*g.width+x] = true
	}
}

// rows returns the letters from top to bottom.
func (g *grid) rows() []string {
	if g.ascii {
		return g.letters(1, 1, func(bits int) rune { return map[int]rune{0: ' ', 1: '*'}[bits] })
	}
	return g.letters(brailleWide, brailleHigh, func(bits int) rune {
		if bits == 0 {
			return ' '
		}
		return rune(braille + bits)
	})
}

// bit returns the bit of a dot in its letter. Braille counts three dots down each column, then the last row.
func (g *grid) bit(dx, dy int) int {
	if dy == 3 {
		return 1 << (6 + dx)
	}
	return 1 << (dy + 3*dx)
}

func (g *grid) letters(wide, high int, letter func(bits int) rune) []string {
	var out []string
	for y := 0; y < g.height; y += high {
		row := make([]rune, 0, g.width/wide)
		for x := 0; x < g.width; x += wide {
			bits := 0
			for i := range wide * high {
				if dx, dy := i%wide, i/wide; g.on[(y+dy)*g.width+x+dx] {
					bits |= g.bit(dx, dy)
				}
			}
			row = append(row, letter(bits))
		}
		out = append(out, string(row))
	}
	return out
}
