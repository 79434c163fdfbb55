package usql

import (
	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// aggregate compiles COUNT and the like.
func (s *scope) aggregate(c *syntax.Call, fn string) value {
	if fn == "ARRAY_AGG" || fn == "MAP_AGG" {
		s.note(refused(c.At, fn, "keep one row for each value"))
		return bad()
	}
	if s.over == "" && (!s.aggs || s.within) {
		s.note(invalid("AggregateMisplaced", c.At, fn+" cannot stand here", "an aggregate stands in SELECT, HAVING or ORDER BY, and not within another", "compute it in a query before this one"))
		return bad()
	}
	if fn == "COUNT" && (c.Star || len(c.Args) == 0) {
		return value{t: plain(dotnet.Long), sql: "count(*)" + s.over, agg: s.over == "", sure: true}
	}
	if len(c.Args) != 1 {
		return s.wrongArguments(c.At, fn)
	}
	over := s.over
	s.within, s.over = over == "", ""
	v := s.expr(c.Args[0])
	s.within, s.over = false, over
	if isBad(v) {
		return v
	}
	out := s.aggregated(c.At, fn, c.Distinct, v)
	out.agg, out.throws, out.refs = over == "", true, v.refs
	return out
}

func (s *scope) aggregated(at syntax.Pos, fn string, distinct bool, v value) value {
	arg := distinctly(distinct) + v.sql
	k := v.t.Kind
	number := dotnet.Type{Kind: dotnet.Double, Nullable: v.t.Nullable || len(s.groups) == 0 && s.over == ""}
	switch {
	case fn == "COUNT":
		return value{t: plain(dotnet.Long), sql: "count(" + arg + ")" + s.over, sure: true}
	case fn == "MIN" || fn == "MAX" || fn == "ANY_VALUE":
		return value{t: dotnet.Type{Kind: k, Nullable: number.Nullable || k == dotnet.String}, sql: map[string]string{"MIN": "min", "MAX": "max", "ANY_VALUE": "any_value"}[fn] + "(" + arg + ")" + s.over, sure: !v.mayBeNull() && !number.Nullable}
	case !k.Numeric():
		return s.noOperator(at, fn, v.t)
	case fn == "SUM":
		return s.sum(arg, k, number)
	case k == dotnet.Decimal:
		s.note(refused(at, fn+" of decimals", "compute it as double: "+fn+"((double) x)"))
		return bad()
	}
	sql := map[string]string{"AVG": "avg", "STDEV": "stddev_samp", "STDEVP": "stddev_pop", "VAR": "var_samp", "VARP": "var_pop"}[fn]
	number.Nullable = number.Nullable || fn == "STDEV" || fn == "VAR"
	return value{t: number, sql: sql + "(" + distinctly(distinct) + "CAST(" + v.sql + " AS DOUBLE))" + s.over}
}

// sum widens: that of whole numbers is a long.
func (s *scope) sum(arg string, k dotnet.Kind, t dotnet.Type) value {
	switch {
	case k == dotnet.ULong:
		t.Kind = dotnet.ULong
	case k.Integer():
		t.Kind = dotnet.Long
	case k == dotnet.Decimal:
		t.Kind = k
	}
	return value{t: t, sql: "CAST(sum(" + arg + ")" + s.over + " AS " + t.Kind.SQL() + ")"}
}

func (c *compiler) wrongArguments(at syntax.Pos, fn string) value {
	c.note(invalid("ArgumentsWrong", at, fn+" cannot take these arguments", "there are too many, too few, or ones of another type", "look up what it takes; docs/howto/u-sql.md lists what is known here"))
	return bad()
}

func distinctly(distinct bool) string {
	if distinct {
		return "DISTINCT "
	}
	return ""
}
