package frame

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
)

// DidYouMean returns `: did you mean "x"?` for the names nearest to what was written, or "".
func (a *App) DidYouMean(written string, names []string) string {
	near := Nearest(written, names)
	if len(near) == 0 {
		return ""
	}
	for i, n := range near {
		near[i] = `"` + n + `"`
	}
	return "; " + a.Say("error.didyoumean", strings.Join(near, ", "))
}

// Nearest returns at most three names that are near to what was written, the nearest first: by edit
// distance of at most a third of its length, or as what it begins.
func Nearest(written string, names []string) []string {
	type scored struct {
		name  string
		score int
	}
	var found []scored
	low := strings.ToLower(written)
	for _, n := range names {
		d := distance(low, strings.ToLower(n))
		switch {
		case d <= max(1, len(low)/3):
			found = append(found, scored{n, d})
		case len(low) >= 2 && strings.HasPrefix(strings.ToLower(n), low):
			found = append(found, scored{n, 100})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(a.score, b.score) })
	var out []string
	for _, s := range found[:min(3, len(found))] {
		out = append(out, s.name)
	}
	return out
}

// distance counts the letters to insert, remove, replace or swap with their neighbour.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return len(x) + len(y)
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			same := 1
			if x[i-1] == y[j-1] {
				same = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+same)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// Suggest adds names like the written one to a fault that says it is not there. names is asked only
// then.
func (a *App) Suggest(err error, written string, names func() []string) error {
	if client.CodeOf(err) != client.CodeNotFound || names == nil {
		return err
	}
	f := *View(err)
	if hint := a.DidYouMean(written, names()); hint != "" {
		f.Fix = strings.TrimPrefix(f.Fix+hint, "; ")
	}
	return &f
}
