// Package chart draws a series of numbers with the letters of a terminal.
package chart

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Point is one value. One whose Y is no finite number leaves a gap; X must be finite.
type Point struct{ X, Y float64 }

// Chart is how large a drawing is, in letters, with its labels, and what it is made of.
type Chart struct {
	Width, Height int    // at least 20 and 3
	ASCII         bool   // no letters beyond ASCII; else the dots of Braille
	XLabel        string // what X is, in ASCII
}

// Draw returns the lines of a line chart, none wider than Width. Of points that fall into the same column
// the line goes from the lowest to the highest. Without a finite number there is nothing to draw.
func (c Chart) Draw(points []Point) []string {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
	r, ok := extent(points)
	if !ok {
		return nil
	}
	c.Width, c.Height = max(c.Width, 20), max(c.Height, 3)
	top, bottom := Short(r.yMax), Short(r.yMin)
	labels := max(len(top), len(bottom))
	g := newGrid(c.Width-labels-2, c.Height, c.ASCII)
	g.draw(points, r)
	var out []string
	for i, row := range g.rows() {
		label := ""
		switch i {
		case 0:
			label = top
		case c.Height - 1:
			label = bottom
		}
		line := strings.Repeat(" ", labels-len(label)) + label + " " + c.axis() + row
		out = append(out, strings.TrimRight(line, " "))
	}
	return append(out, c.foot(labels+2, Short(r.xMin), Short(r.xMax)))
}

func (c Chart) axis() string {
	if c.ASCII {
		return "|"
	}
	return "│"
}

// foot is the line below: where X begins and ends.
func (c Chart) foot(indent int, from, to string) string {
	if c.XLabel != "" {
		from = c.XLabel + " " + from
	}
	line := []rune(strings.Repeat(" ", indent) + from)
	if room := c.Width - len(line) - len(to); room > 0 {
		return string(line) + strings.Repeat(" ", room) + to
	}
	return string(line[:min(len(line), c.Width)])
}

// Short writes a number in few letters.
func Short(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e9 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}

// area is what points cover.
type area struct{ xMin, xMax, yMin, yMax float64 }

func extent(points []Point) (r area, ok bool) {
	for _, p := range points {
		switch {
		case !finite(p.Y):
		case !ok:
			r, ok = area{p.X, p.X, p.Y, p.Y}, true
		default:
			r = area{min(r.xMin, p.X), max(r.xMax, p.X), min(r.yMin, p.Y), max(r.yMax, p.Y)}
		}
	}
	return r, ok
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// share returns where v lies from lo to hi: 0 to 1, and one half where both are the same. Halves are
// taken first: the difference of two numbers may be more than a number can be.
func share(v, lo, hi float64) float64 {
	if hi == lo {
		return 0.5
	}
	return (v/2 - lo/2) / (hi/2 - lo/2)
}
