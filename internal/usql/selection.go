package usql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// selecting is one SELECT while it is compiled.
type selecting struct {
	*scope
	q     *syntax.Select
	out   *rowset
	items []string
	vals  []value
	from  string
}

// selection compiles a SELECT.
func (c *compiler) selection(q *syntax.Select) *rowset {
	if len(q.From) == 0 {
		c.note(invalid("USQLSyntax", q.At, "this SELECT has no FROM", "a query of U-SQL reads a rowset", "add FROM @rows, or FROM (VALUES (1)) AS v(x)"))
		return nil
	}
	s := &selecting{scope: &scope{compiler: c}, q: q, out: &rowset{}}
	before := len(c.faults)
	if !s.sourcesOf() {
		return nil
	}
	where := s.where()
	groups := s.group()
	s.columns()
	s.named = s.byName()
	having := s.having()
	order := s.orderBy(q.Order, true)
	if len(c.faults) > before || !c.distinctNames(q.At, s.out.cols) {
		return nil
	}
	distinct := ""
	if q.Distinct {
		distinct = "DISTINCT "
	}
	s.out.sql = "SELECT " + distinct + strings.Join(s.items, ", ") + " FROM " + s.from + where + groups + having + order
	return c.add(s.out)
}

func (s *selecting) condition(word string, e syntax.Expr) string {
	if e == nil {
		return ""
	}
	v := s.to(s.settle(s.expr(e)), plain(dotnet.Bool), e.Place())
	return " " + word + " " + v.sql
}

// group compiles GROUP BY. A query with an aggregate and without it is one group.
func (s *selecting) group() string {
	if len(s.q.Group) == 0 {
		s.grouped = anyAggregate(s.q)
		s.aggs = true
		return ""
	}
	for _, e := range s.q.Group {
		v := s.expr(e)
		if v.known {
			s.note(invalid("NameUnknown", e.Place(), "GROUP BY with a constant", "it groups nothing", "name a column"))
		}
		s.groups = append(s.groups, v.sql)
	}
	s.grouped, s.aggs = true, true
	return " GROUP BY " + strings.Join(s.groups, ", ")
}

// columns compiles what stands behind SELECT.
func (s *selecting) columns() {
	s.windows = true
	defer func() { s.windows = false }()
	for _, i := range s.q.Items {
		if i.Star {
			s.star(i)
			continue
		}
		v := s.settle(s.expr(i.Value))
		s.put(i, v, nameOf(i))
	}
}

// nameOf is the name of a column: what AS says, or that of the column it is.
func nameOf(i syntax.Item) string {
	if i.Name != "" {
		return i.Name
	}
	switch e := i.Value.(type) {
	case *syntax.Name:
		return e.Name
	case *syntax.Member:
		switch e.X.(type) {
		case *syntax.Name, *syntax.Var:
			return e.Name
		}
	}
	return ""
}

func (s *selecting) put(i syntax.Item, v value, as string) {
	if !s.columnType(i.At, v) {
		return
	}
	if as == "" {
		s.note(invalid("NameMissing", i.At, "this column has no name", "a column that is computed has none of its own", "add AS and a name"))
		return
	}
	s.items = append(s.items, v.sql+" AS "+name(as))
	s.vals = append(s.vals, v)
	s.out.cols = append(s.out.cols, column{name: as, t: v.t, sure: v.sure || !v.t.Nullable})
}

// byName is what HAVING and ORDER BY may call by its name.
func (s *selecting) byName() map[string]value {
	out := map[string]value{}
	for i, v := range s.vals {
		out[s.out.cols[i].name] = v
	}
	return out
}

func (s *selecting) star(i syntax.Item) {
	found := false
	for n, src := range s.sources {
		if i.Of != "" && i.Of != src.alias {
			continue
		}
		found = true
		for _, col := range src.cols {
			v, _ := (&scope{compiler: s.compiler, sources: s.sources[n : n+1]}).column(i.At, "", col.name)
			s.put(i, s.settle(v), col.name)
		}
	}
	if !found {
		s.missing(i.At, i.Of+".*")
	}
}

func (s *selecting) having() string {
	if s.q.Having != nil && !s.grouped {
		s.note(invalid("NotGrouped", s.q.Having.Place(), "HAVING has no groups", "the query has neither GROUP BY nor an aggregate", "use WHERE"))
	}
	return s.condition("HAVING", s.q.Having)
}

// orderBy compiles ORDER BY, OFFSET and FETCH. null is before all else, as in .NET.
func (s *selecting) orderBy(o syntax.Order, fetch bool) string {
	if len(o.By) > 0 && o.Fetch == nil && o.Offset == nil && fetch {
		s.note(invalid("OrderWithoutFetch", o.At, "ORDER BY in a query without FETCH", "a rowset has no order", "order in OUTPUT, or add FETCH n ROWS"))
	}
	var keys []string
	for _, k := range o.By {
		keys = append(keys, s.orderKey(k.Value)+direction(k))
	}
	sql := ""
	if len(keys) > 0 {
		sql = " ORDER BY " + strings.Join(keys, ", ")
	}
	if o.Fetch != nil {
		sql += " LIMIT " + s.rows(o.Fetch)
	}
	if o.Offset != nil {
		sql += " OFFSET " + s.rows(o.Offset)
	}
	return sql
}

func direction(k syntax.OrderItem) string {
	if k.Desc {
		return " DESC NULLS LAST"
	}
	return " ASC NULLS FIRST"
}

// orderKey takes the name of a result's column for that column.
func (s *selecting) orderKey(e syntax.Expr) string {
	if n, ok := e.(*syntax.Name); ok {
		for i, col := range s.out.cols {
			if col.name == n.Name {
				return strconv.Itoa(i + 1)
			}
		}
	}
	v := s.settle(s.expr(e))
	if s.q != nil && s.q.Distinct {
		s.note(invalid("NameUnknown", e.Place(), "ORDER BY of a SELECT DISTINCT names no column of it", "the rows that are left have no other columns", "order by a column of SELECT"))
	}
	if v.known {
		s.note(invalid("NameUnknown", e.Place(), "ORDER BY with a constant", "it orders nothing", "name a column"))
	}
	return v.sql
}

// rows returns the number of rows of FETCH or OFFSET.
func (s *scope) rows(e syntax.Expr) string {
	v := s.expr(e)
	n, ok := v.lit.(int64)
	if isBad(v) || ok && v.known && n >= 0 {
		return fmt.Sprint(n)
	}
	s.note(invalid("RowsNotConstant", e.Place(), "FETCH and OFFSET take a number", "it has to be known before the query runs", "write a number, or declare a variable of type int"))
	return "0"
}
