package frame

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Table is rows of text under headers.
type Table struct {
	Header []string
	Rows   [][]string
	States int // the column whose words are states, from 1; 0 is none
}

// Row adds a row.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = oneLine(fmt.Sprint(c))
	}
	t.Rows = append(t.Rows, row)
}

const (
	gap     = 2 // between columns
	minimum = 8 // of a column that had to shrink
)

// Write prints the table within width columns; 0 is no limit.
func (t *Table) Write(a *App, w io.Writer, width int) error {
	widths := t.widths()
	if width > 0 {
		shrink(widths, width)
	}
	var b strings.Builder
	for i, row := range append([][]string{t.Header}, t.Rows...) {
		line := ""
		for c, cell := range row {
			cell = clip(cell, widths[c])
			pad := strings.Repeat(" ", widths[c]-Columns(cell)+gap)
			switch {
			case i == 0:
				cell = a.paint(w, bold, cell)
			case c == t.States-1:
				cell = a.paint(w, stateColor(cell), cell)
			}
			line += cell + pad
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) widths() []int {
	out := make([]int, len(t.Header))
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		for c, cell := range row {
			out[c] = max(out[c], Columns(cell))
		}
	}
	return out
}

// shrink takes from the widest columns until all fit.
func shrink(widths []int, width int) {
	for {
		total := -gap
		for _, w := range widths {
			total += w + gap
		}
		widest := slices.Max(widths)
		if total <= width || widest <= minimum {
			return
		}
		widths[slices.Index(widths, widest)]--
	}
}

func clip(s string, width int) string {
	if Columns(s) <= width {
		return s
	}
	n := 0
	for i, r := range s {
		n += columns(r)
		if n > width-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// Columns returns how many columns of a terminal s takes: East Asian wide letters take two.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// wide are the ranges of Unicode's East_Asian_Width W and F that texts have, and emoji.
func columns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || r == 0x200d:
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf && r != 0x303f, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// oneLine keeps names with newlines and escape codes from breaking the table or the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '·'
		}
		return r
	}, s)
}
