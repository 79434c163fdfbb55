package usql

import (
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

func (s *scope) unary(e *syntax.Unary) value {
	v := s.expr(e.X)
	switch {
	case isBad(v):
		return v
	case e.Op == "!":
		v = s.to(v, plain(dotnet.Bool), e.At)
		return from(v.t, "(NOT "+v.sql+")", v)
	case !v.t.Kind.Numeric() || v.t.Kind == dotnet.ULong && e.Op == "-":
		return s.noOperator(e.At, e.Op, v.t)
	}
	if n, ok := v.lit.(int64); ok && v.known && e.Op == "-" {
		if v.t.Kind == dotnet.UInt && n == 1<<31 {
			return constant(dotnet.Int, -n)
		}
		return constant(v.t.Kind, -n)
	}
	k, _ := dotnet.Promote(v.t.Kind, dotnet.Int)
	v = cast(v, k)
	return from(v.t, "("+e.Op+" "+v.sql+")", v)
}

func (c *compiler) noOperator(at syntax.Pos, op string, ts ...dotnet.Type) value {
	var names []string
	for _, t := range ts {
		names = append(names, t.String())
	}
	c.note(invalid("TypesDiffer", at, "there is no operator "+op+" for "+strings.Join(names, " and "), "C# has none for these types", "cast one of them, or use Parse or ToString"))
	return bad()
}

func (s *scope) binary(e *syntax.Binary) value { return s.combine(e, s.expr(e.X), s.expr(e.Y)) }

// combine compiles an operator between values; e says which, and where they stand.
func (s *scope) combine(e *syntax.Binary, x, y value) value {
	if isBad(x, y) {
		return bad()
	}
	switch e.Op {
	case "&&", "AND", "||", "OR":
		return s.logic(e, x, y)
	case "??":
		return s.orElse(e.At, x, y)
	case "==", "!=":
		return s.equal(e, x, y)
	case "<", ">", "<=", ">=":
		return s.order(e, x, y)
	case "+":
		if x.t.Kind == dotnet.String || y.t.Kind == dotnet.String {
			return s.concat(e.At, x, y)
		}
	}
	if x.t.Kind == dotnet.DateTime || x.t.Kind == dotnet.TimeSpan {
		return s.times(e, x, y)
	}
	return s.arithmetic(e, x, y)
}

// logic keeps the right side from being computed where C# would not, if computing it may fail.
func (s *scope) logic(e *syntax.Binary, x, y value) value {
	x, y = s.to(x, plain(dotnet.Bool), e.X.Place()), s.to(y, plain(dotnet.Bool), e.Y.Place())
	if isBad(x, y) {
		return bad()
	}
	and := e.Op == "&&" || e.Op == "AND"
	sql := "(" + x.sql + " OR " + y.sql + ")"
	switch {
	case and && y.throws:
		sql = "(CASE WHEN " + x.sql + " THEN " + y.sql + " ELSE FALSE END)"
	case and:
		sql = "(" + x.sql + " AND " + y.sql + ")"
	case y.throws:
		sql = "(CASE WHEN " + x.sql + " THEN TRUE ELSE " + y.sql + " END)"
	}
	return from(x.t, sql, x, y)
}

func (s *scope) orElse(at syntax.Pos, x, y value) value {
	if x.t.Kind != dotnet.Null && !x.t.Nullable {
		return s.noOperator(at, "??", x.t, y.t)
	}
	both := s.unify(at, x, y)
	if both == nil || isBad(both...) {
		return bad()
	}
	t := both[0].t
	t.Nullable = y.t.Nullable || t.Kind == dotnet.String
	out := from(t, "coalesce("+both[0].sql+", "+both[1].sql+")", both...)
	out.sure = !both[1].mayBeNull()
	return out
}

// comparable brings two values to where SQL compares them as C# does.
func (s *scope) comparable(e *syntax.Binary, x, y value) bool {
	a, b := x.t.Kind, y.t.Kind
	_, numbers := dotnet.Promote(a, b)
	if a == b && a != dotnet.Null || numbers {
		return e.Op == "==" || e.Op == "!=" || a != dotnet.String && a != dotnet.Bool && a != dotnet.Guid
	}
	return (a == dotnet.Null || b == dotnet.Null) && (e.Op == "==" || e.Op == "!=")
}

// equal: null is equal to null.
func (s *scope) equal(e *syntax.Binary, x, y value) value {
	if !s.comparable(e, x, y) {
		return s.noOperator(e.At, e.Op, x.t, y.t)
	}
	op := map[string]string{"==": " = ", "!=": " <> "}[e.Op]
	if x.mayBeNull() || y.mayBeNull() {
		op = map[string]string{"==": " IS NOT DISTINCT FROM ", "!=": " IS DISTINCT FROM "}[e.Op]
	}
	return from(plain(dotnet.Bool), "("+x.sql+op+y.sql+")", x, y)
}

// order: beside null, nothing is less or more.
func (s *scope) order(e *syntax.Binary, x, y value) value {
	if !s.comparable(e, x, y) {
		return s.noOperator(e.At, e.Op, x.t, y.t)
	}
	sql := "(" + x.sql + " " + e.Op + " " + y.sql + ")"
	if x.mayBeNull() || y.mayBeNull() {
		sql = "coalesce(" + sql + ", FALSE)"
	}
	return from(plain(dotnet.Bool), sql, x, y)
}

// concat: null beside + is the empty string.
func (s *scope) concat(at syntax.Pos, x, y value) value {
	a, b := s.text(x, at), s.text(y, at)
	if isBad(a, b) {
		return bad()
	}
	out := from(plain(dotnet.String), "concat("+a.sql+", "+b.sql+")", a, b)
	out.sure = true
	if a.known && b.known {
		p, _ := a.lit.(string)
		q, _ := b.lit.(string)
		return out.fold(p + q)
	}
	return out
}

// arithmetic computes in the type that C# takes; whole numbers are divided without a rest.
func (s *scope) arithmetic(e *syntax.Binary, x, y value) value {
	k, ok := dotnet.Promote(x.t.Kind, y.t.Kind)
	if !ok {
		return s.noOperator(e.At, e.Op, x.t, y.t)
	}
	if k == dotnet.Decimal && e.Op == "/" {
		s.note(refused(e.At, "the division of decimals", "divide as double: (double) a / (double) b"))
		return bad()
	}
	x, y = cast(x, k), cast(y, k)
	t := dotnet.Type{Kind: k, Nullable: x.t.Nullable || y.t.Nullable}
	if a, ok := x.lit.(int64); ok && x.known && y.known {
		if b, ok := y.lit.(int64); ok && slices.Contains([]string{"+", "-", "*"}, e.Op) && k == dotnet.Int {
			return s.folded(e, a, b)
		}
	}
	op := e.Op
	if op == "/" && k.Integer() {
		op = "//"
	}
	if (op == "//" || op == "%") && k != dotnet.Double && k != dotnet.Float {
		y = s.nonzero(e, y)
	}
	out := from(t, "("+x.sql+" "+op+" "+y.sql+")", x, y)
	out.throws = out.throws || k.Integer() || k == dotnet.Decimal
	if k == dotnet.Decimal {
		out.sql = "CAST(" + out.sql + " AS " + k.SQL() + ")"
	}
	out.sure = !x.mayBeNull() && !y.mayBeNull()
	return out
}

func (s *scope) folded(e *syntax.Binary, a, b int64) value {
	n := map[string]int64{"+": a + b, "-": a - b, "*": a * b}[e.Op]
	if n != int64(int32(n)) {
		s.note(invalid("NumberTooLarge", e.At, "this is too large for an int", "both sides are constants of type int", "write one of them with L at its end"))
		return bad()
	}
	return constant(dotnet.Int, n)
}

// nonzero guards a divisor.
func (s *scope) nonzero(e *syntax.Binary, y value) value {
	if n, ok := y.lit.(int64); y.known && ok && n != 0 {
		return y
	}
	zero := raise(e.At, "a division by zero")
	if y.mayBeNull() {
		y.sql = "(CASE WHEN " + y.sql + " = 0 THEN " + zero + " ELSE " + y.sql + " END)"
	} else {
		y.sql = "coalesce(nullif(" + y.sql + ", 0), " + zero + ")"
	}
	y.throws = true
	return y
}

// times computes with DateTime and TimeSpan, which is kept in microseconds.
func (s *scope) times(e *syntax.Binary, x, y value) value {
	nullable := x.t.Nullable || y.t.Nullable
	t := dotnet.Type{Kind: dotnet.DateTime, Nullable: nullable}
	switch {
	case x.t.Kind == dotnet.DateTime && y.t.Kind == dotnet.DateTime && e.Op == "-":
		return from(dotnet.Type{Kind: dotnet.TimeSpan, Nullable: nullable}, "(epoch_us("+x.sql+") - epoch_us("+y.sql+"))", x, y)
	case x.t.Kind == dotnet.DateTime && y.t.Kind == dotnet.TimeSpan && (e.Op == "-" || e.Op == "+"):
		return from(t, "("+x.sql+" "+e.Op+" to_microseconds("+y.sql+"))", x, y)
	}
	return s.noOperator(e.At, e.Op, x.t, y.t)
}
