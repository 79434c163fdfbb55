package usql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// query compiles a query into a rowset; nil: it has faults.
func (c *compiler) query(q syntax.Query) *rowset {
	switch q := q.(type) {
	case *syntax.Extract:
		return c.extract(q)
	case *syntax.Select:
		return c.selection(q)
	case *syntax.SetOp:
		return c.setOp(q)
	case *syntax.Values:
		return c.values(q, nil)
	}
	return nil
}

// setOp compiles UNION, INTERSECT and EXCEPT: by position, with the names of the left.
func (c *compiler) setOp(q *syntax.SetOp) *rowset {
	left, right := c.query(q.Left), c.query(q.Right)
	if left == nil || right == nil || left.cols == nil || right.cols == nil {
		return nil
	}
	if len(left.cols) != len(right.cols) {
		c.note(invalid("ColumnsDiffer", q.At, fmt.Sprintf("%s of %d columns and %d", q.Op, len(left.cols), len(right.cols)), "both sides need the same columns", "select the same columns on both sides"))
		return nil
	}
	left.wantAll()
	right.wantAll()
	out := &rowset{uses: []*rowset{left, right}}
	var l, r []string
	for i, a := range left.cols {
		b := right.cols[i]
		both := c.unify(q.At, value{t: a.t, sql: name(a.name), sure: a.sure}, value{t: b.t, sql: name(b.name), sure: b.sure})
		if both == nil || isBad(both...) {
			return nil
		}
		l, r = append(l, both[0].sql+" AS "+name(a.name)), append(r, both[1].sql+" AS "+name(a.name))
		out.cols = append(out.cols, column{name: a.name, t: both[0].t, sure: a.sure && b.sure})
	}
	op := q.Op
	if q.All {
		op += " ALL"
	}
	out.sql = "(SELECT " + strings.Join(l, ", ") + " FROM " + left.view + ") " + op + " (SELECT " + strings.Join(r, ", ") + " FROM " + right.view + ")"
	return c.add(out)
}

// values compiles VALUES with the names of its alias.
func (c *compiler) values(q *syntax.Values, names []string) *rowset {
	width := len(q.Rows[0])
	if names == nil || len(names) != width {
		c.note(invalid("ColumnsDiffer", q.At, "VALUES has rows of "+fmt.Sprint(width)+" values and "+fmt.Sprint(len(names))+" names", "each value needs a name", "write (VALUES (1, \"a\")) AS v(id, name)"))
		return nil
	}
	grid := make([][]value, width)
	for _, row := range q.Rows {
		if len(row) != width {
			c.note(invalid("ColumnsDiffer", q.At, "the rows of VALUES differ in length", fmt.Sprintf("one has %d values, another %d", width, len(row)), "give each row the same number of values"))
			return nil
		}
		for i, e := range row {
			grid[i] = append(grid[i], (&scope{compiler: c}).expr(e))
		}
	}
	out := &rowset{}
	for i := range grid {
		col := c.unify(q.At, grid[i]...)
		if col == nil || isBad(col...) {
			return nil
		}
		grid[i] = col
		sure := !slices.ContainsFunc(col, value.mayBeNull)
		out.cols = append(out.cols, column{name: names[i], t: col[0].t, sure: sure})
	}
	if !c.distinctNames(q.At, out.cols) {
		return nil
	}
	out.sql = "SELECT * FROM (VALUES " + tuples(grid, len(q.Rows)) + ") AS v(" + list(out.cols, "") + ")"
	return c.add(out)
}

// tuples writes the rows of VALUES, each value with its type.
func tuples(grid [][]value, n int) string {
	var rows []string
	for i := range n {
		var row []string
		for _, col := range grid {
			row = append(row, "CAST("+col[i].sql+" AS "+col[i].t.Kind.SQL()+")")
		}
		rows = append(rows, "("+strings.Join(row, ", ")+")")
	}
	return strings.Join(rows, ", ")
}

func list(cols []column, prefix string) string {
	var out []string
	for _, c := range cols {
		out = append(out, prefix+name(c.name))
	}
	return strings.Join(out, ", ")
}

// distinctNames checks the names of a rowset's columns. DuckDB takes a and A for one name.
func (c *compiler) distinctNames(at syntax.Pos, cols []column) bool {
	seen := map[string]string{}
	for _, col := range cols {
		low := strings.ToLower(col.name)
		switch other, ok := seen[low]; {
		case ok && other == col.name:
			c.note(invalid("ColumnsDiffer", at, fmt.Sprintf("two columns have the name %q", col.name), "the columns of a rowset have different names", "name one of them with AS"))
			return false
		case ok:
			c.note(refused(at, fmt.Sprintf("a rowset with the columns %q and %q, which differ in case only,", other, col.name), "name one of them with AS"))
			return false
		}
		seen[low] = col.name
	}
	return true
}

// columnType refuses what no column may have.
func (c *compiler) columnType(at syntax.Pos, v value) bool {
	switch v.t.Kind {
	case dotnet.None:
		return false
	case dotnet.Null:
		c.note(invalid("TypesDiffer", at, "null alone is no column", "it has no type", "cast it: (int?) null"))
		return false
	case dotnet.TimeSpan:
		c.note(refused(at, "a TimeSpan as a column", "take its TotalDays, TotalHours, TotalMinutes or TotalSeconds"))
		return false
	}
	return true
}
