package usql

import (
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// window compiles a function with OVER.
func (s *scope) window(c *syntax.Call, fn string) value {
	if !s.windows || s.grouped || s.within {
		s.note(invalid("AggregateMisplaced", c.Over.At, "OVER cannot stand here", "a window stands in SELECT, in a query without groups, and not within another", "compute it in a query of its own"))
		return bad()
	}
	s.windows = false
	defer func() { s.windows = true }()
	over, deps, ok := s.windowOf(c.Over)
	if !ok {
		return bad()
	}
	var out value
	if syntax.IsAggregate(fn) {
		s.over = over
		out = s.aggregate(c, fn)
		s.over = ""
	} else {
		out = s.ranked(c, fn, over)
	}
	if isBad(out) {
		return out
	}
	all := from(out.t, out.sql, append(deps, out)...)
	all.sure, all.throws = out.sure, true
	return all
}

// windowOf compiles PARTITION BY and ORDER BY.
func (s *scope) windowOf(o *syntax.Over) (sql string, deps []value, ok bool) {
	var partition, order []string
	for _, e := range o.Partition {
		v := s.windowKey(e)
		deps, partition = append(deps, v), append(partition, v.sql)
	}
	for _, k := range o.Order {
		v := s.windowKey(k.Value)
		deps, order = append(deps, v), append(order, v.sql+direction(k))
	}
	if len(partition) > 0 {
		sql = "PARTITION BY " + strings.Join(partition, ", ")
	}
	if len(order) > 0 {
		sql += " ORDER BY " + strings.Join(order, ", ")
	}
	return " OVER (" + sql + ")", deps, !isBad(deps...)
}

// windowKey compiles what a window is parted or ordered by: DuckDB takes nothing there that may end the run.
func (s *scope) windowKey(e syntax.Expr) value {
	v := s.expr(e)
	if placed.MatchString(v.sql) {
		s.note(refused(e.Place(), "an expression that may fail in OVER", "compute it in a query before this one, and name its column here"))
		return bad()
	}
	return v
}

// ranked compiles the functions that exist with OVER only.
func (s *scope) ranked(c *syntax.Call, fn, over string) value {
	long := plain(dotnet.Long)
	vs, ok := s.args(c.Args)
	if !ok {
		return bad()
	}
	switch {
	case fn == "ROW_NUMBER" || fn == "RANK" || fn == "DENSE_RANK":
		if len(vs) == 0 {
			return value{t: long, sql: strings.ToLower(fn) + "()" + over, sure: true}
		}
	case fn == "PERCENT_RANK" || fn == "CUME_DIST":
		if len(vs) == 0 {
			return value{t: plain(dotnet.Double), sql: strings.ToLower(fn) + "()" + over, sure: true}
		}
	case fn == "NTILE":
		if len(vs) == 1 && vs[0].t.Kind.Integer() && !vs[0].t.Nullable {
			return from(long, "ntile(CAST("+vs[0].sql+" AS BIGINT))"+over, vs...)
		}
	case fn == "FIRST_VALUE" || fn == "LAST_VALUE":
		if len(vs) == 1 {
			return from(vs[0].t, strings.ToLower(fn)+"("+vs[0].sql+")"+over, vs...)
		}
	case fn == "LAG" || fn == "LEAD":
		return s.shifted(c, fn, over, vs)
	default:
		s.note(refused(c.At, "the function "+fn+" with OVER", "use an aggregate, ROW_NUMBER, RANK, DENSE_RANK, NTILE, PERCENT_RANK, CUME_DIST, FIRST_VALUE, LAST_VALUE, LAG or LEAD"))
		return bad()
	}
	return s.wrongArguments(c.At, fn)
}

// shifted compiles LAG and LEAD(value[, rows[, default]]).
func (s *scope) shifted(c *syntax.Call, fn, over string, vs []value) value {
	if len(vs) == 0 || len(vs) > 3 || len(vs) > 1 && !(vs[1].t.Kind.Integer() && vs[1].known) {
		return s.wrongArguments(c.At, fn)
	}
	list, t := vs[0].sql, vs[0].t.OrNull(true)
	if len(vs) > 1 {
		list += ", " + vs[1].sql
	}
	if len(vs) > 2 {
		both := s.unify(c.At, vs[0], vs[2])
		if both == nil || isBad(both...) {
			return bad()
		}
		list, t = both[0].sql+", "+vs[1].sql+", "+both[1].sql, both[0].t
	}
	return from(t, strings.ToLower(fn)+"("+list+")"+over, vs...)
}
