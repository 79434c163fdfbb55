package usql

import (
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// predicate compiles what U-SQL has from SQL.
func (s *scope) predicate(e syntax.Expr) value {
	switch e := e.(type) {
	case *syntax.In:
		return s.in(e)
	case *syntax.Between:
		low := &syntax.Binary{At: e.At, Op: ">=", X: e.X, Y: e.Low}
		high := &syntax.Binary{At: e.At, Op: "<=", X: e.X, Y: e.High}
		return negated(e.Not, s.expr(&syntax.Binary{At: e.At, Op: "AND", X: low, Y: high}))
	case *syntax.Like:
		return s.like(e)
	case *syntax.IsNull:
		v := s.expr(e.X)
		if isBad(v) {
			return v
		}
		return negated(e.Not, from(plain(dotnet.Bool), "("+v.sql+" IS NULL)", v))
	case *syntax.Case:
		whens := e.Whens
		if e.X != nil {
			whens = nil
			for _, w := range e.Whens {
				whens = append(whens, syntax.When{Test: &syntax.Binary{At: w.Test.Place(), Op: "==", X: e.X, Y: w.Test}, Then: w.Then})
			}
		}
		otherwise := e.Else
		if otherwise == nil {
			otherwise = &syntax.Literal{At: e.At, Kind: syntax.NullLiteral}
		}
		return s.branches(e.At, whens, otherwise)
	}
	return bad()
}

func negated(not bool, v value) value {
	if not && !isBad(v) {
		v.sql = "(NOT " + v.sql + ")"
	}
	return v
}

func (s *scope) in(e *syntax.In) value {
	vs := []value{s.expr(e.X)}
	for _, x := range e.List {
		vs = append(vs, s.expr(x))
	}
	vs = s.unify(e.At, vs...)
	if len(vs) < 2 || isBad(vs...) {
		return bad()
	}
	var list []string
	null := false
	for _, v := range vs[1:] {
		list = append(list, v.sql)
		null = null || v.mayBeNull()
	}
	x := vs[0].sql
	sql := "(" + x + " IN (" + strings.Join(list, ", ") + "))"
	switch {
	case null:
		sql = "((" + x + " IS NOT DISTINCT FROM " + strings.Join(list, ") OR ("+x+" IS NOT DISTINCT FROM ") + "))"
	case vs[0].mayBeNull():
		sql = "coalesce(" + sql + ", FALSE)"
	}
	return negated(e.Not, from(plain(dotnet.Bool), sql, vs...))
}

func (s *scope) like(e *syntax.Like) value {
	x, p := s.expr(e.X), s.expr(e.Pattern)
	if isBad(x, p) {
		return bad()
	}
	if x.t.Kind != dotnet.String || p.t.Kind != dotnet.String {
		return s.noOperator(e.At, "LIKE", x.t, p.t)
	}
	sql := "(" + x.sql + " LIKE " + p.sql + ")"
	if x.mayBeNull() || p.mayBeNull() {
		sql = "coalesce(" + sql + ", FALSE)"
	}
	return negated(e.Not, from(plain(dotnet.Bool), sql, x, p))
}

// branches compiles ?: and CASE.
func (s *scope) branches(at syntax.Pos, whens []syntax.When, otherwise syntax.Expr) value {
	var tests, thens []value
	for _, w := range whens {
		tests = append(tests, s.to(s.expr(w.Test), plain(dotnet.Bool), w.Test.Place()))
		thens = append(thens, s.expr(w.Then))
	}
	thens = s.unify(at, append(thens, s.expr(otherwise))...)
	if thens == nil || isBad(append(tests, thens...)...) {
		return bad()
	}
	sql := "(CASE"
	sure := true
	for i, t := range tests {
		sql += " WHEN " + t.sql + " THEN " + thens[i].sql
	}
	for _, v := range thens {
		sure = sure && !v.mayBeNull()
	}
	out := from(thens[0].t, sql+" ELSE "+thens[len(tests)].sql+" END)", append(tests, thens...)...)
	out.sure = sure
	return out
}
