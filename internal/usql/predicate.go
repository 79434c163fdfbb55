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
		return s.between(e)
	case *syntax.Like:
		return s.like(e)
	case *syntax.IsNull:
		v := s.expr(e.X)
		if isBad(v) {
			return v
		}
		return negated(e.Not, from(plain(dotnet.Bool), "("+v.sql+" IS NULL)", v))
	case *syntax.Case:
		return s.cases(e)
	}
	return bad()
}

// between reads its left side once.
func (s *scope) between(e *syntax.Between) value {
	x := s.expr(e.X)
	low := s.combine(&syntax.Binary{At: e.At, Op: ">=", X: e.X, Y: e.Low}, x, s.expr(e.Low))
	high := s.combine(&syntax.Binary{At: e.At, Op: "<=", X: e.X, Y: e.High}, x, s.expr(e.High))
	return negated(e.Not, s.combine(&syntax.Binary{At: e.At, Op: "AND", X: e.X, Y: e.High}, low, high))
}

// cases compiles CASE; one with a value before WHEN compares it with each.
func (s *scope) cases(e *syntax.Case) value {
	otherwise := e.Else
	if otherwise == nil {
		otherwise = &syntax.Literal{At: e.At, Kind: syntax.NullLiteral}
	}
	if e.X == nil {
		return s.branches(e.At, e.Whens, otherwise)
	}
	x := s.expr(e.X)
	var tests, thens []value
	for _, w := range e.Whens {
		tests = append(tests, s.combine(&syntax.Binary{At: w.Test.Place(), Op: "==", X: e.X, Y: w.Test}, x, s.expr(w.Test)))
		thens = append(thens, s.expr(w.Then))
	}
	return s.decide(e.At, tests, append(thens, s.expr(otherwise)))
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

// branches compiles ?:, and CASE with conditions.
func (s *scope) branches(at syntax.Pos, whens []syntax.When, otherwise syntax.Expr) value {
	var tests, thens []value
	for _, w := range whens {
		tests = append(tests, s.to(s.expr(w.Test), plain(dotnet.Bool), w.Test.Place()))
		thens = append(thens, s.expr(w.Then))
	}
	return s.decide(at, tests, append(thens, s.expr(otherwise)))
}

// decide takes the value of the first test that is true; the last value is that of none.
func (s *scope) decide(at syntax.Pos, tests, thens []value) value {
	thens = s.unify(at, thens...)
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
