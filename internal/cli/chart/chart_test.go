package chart_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/cli/chart"
)

func line(ys ...float64) []chart.Point {
	var out []chart.Point
	for x, y := range ys {
		out = append(out, chart.Point{X: float64(x), Y: y})
	}
	return out
}

func TestDraw(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for _, tt := range []struct {
		reason string
		chart  chart.Chart
		points []chart.Point
		want   string
	}{
		{
			"a line from corner to corner", chart.Chart{Width: 20, Height: 4, ASCII: true, XLabel: "step"}, line(0, 1, 2, 3), `
3 |              ***
  |        ******
  |   *****
0 |***
   step 0          3`,
		},
		{
			"a gap where a number is none", chart.Chart{Width: 20, Height: 3, ASCII: true}, line(0, 0, nan, math.Inf(1), 2, 2), `
2 |             ****
  |
0 |****
   0               5`,
		},
		{
			"one value lies in the middle", chart.Chart{Width: 20, Height: 3, ASCII: true}, line(7, 7), `
7 |
  |*****************
7 |
   0               1`,
		},
		{
			"dots of Braille", chart.Chart{Width: 20, Height: 3}, line(0, 4, 0), `
4 │      ⣀⠔⠊⠒⢄⡀
  │   ⡠⠔⠊     ⠈⠒⢄
0 │⡠⠔⠉           ⠉⠢⢄
   0               2`,
		},
	} {
		got := "\n" + strings.Join(tt.chart.Draw(tt.points), "\n")
		if diff := cmp.Diff(strings.Split(tt.want, "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", tt.reason, diff, got)
		}
	}
	for _, none := range [][]chart.Point{nil, line(nan, math.Inf(-1))} {
		if got := (chart.Chart{Width: 40, Height: 5}).Draw(none); got != nil {
			t.Errorf("of %v it drew %q", none, got)
		}
	}
}

// TestAnySeriesFits draws whatever there is: no line is wider than it may be, and something is drawn.
func TestAnySeriesFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := chart.Chart{
			Width: rapid.IntRange(20, 150).Draw(t, "width"), Height: rapid.IntRange(3, 30).Draw(t, "height"),
			ASCII: rapid.Bool().Draw(t, "ascii"), XLabel: rapid.SampledFrom([]string{"", "step"}).Draw(t, "label"),
		}
		points := rapid.SliceOf(rapid.Custom(func(t *rapid.T) chart.Point {
			return chart.Point{X: float64(rapid.Int64().Draw(t, "x")), Y: rapid.Float64().Draw(t, "y")}
		})).Draw(t, "points")
		finite := 0
		for _, p := range points {
			if !math.IsNaN(p.Y) && !math.IsInf(p.Y, 0) {
				finite++
			}
		}
		got := c.Draw(points)
		if want := min(finite, 1) * (c.Height + 1); len(got) != want {
			t.Fatalf("%d lines, want %d", len(got), want)
		}
		for _, l := range got {
			if n := utf8.RuneCountInString(l); n > c.Width {
				t.Fatalf("a line takes %d letters of %d: %s", n, c.Width, l)
			}
			if c.ASCII && strings.ContainsFunc(l, func(r rune) bool { return r > 126 }) {
				t.Fatalf("not ASCII: %q", l)
			}
		}
		if finite > 0 && !strings.ContainsFunc(strings.Join(got[:c.Height], ""), func(r rune) bool { return r == '*' || r > 0x2800 && r < 0x2900 }) {
			t.Fatalf("nothing is drawn:\n%s", strings.Join(got, "\n"))
		}
	})
}
