package usql

import (
	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// to converts a value as C# does without a cast, and notes a fault where it does not.
func (c *compiler) to(v value, t dotnet.Type, at syntax.Pos) value {
	switch {
	case isBad(v) || t.Kind == dotnet.None:
		return bad()
	case v.t.Kind == dotnet.Null && t.Nullable:
		return constant(t.Kind, nil)
	case v.t.Kind == t.Kind && (t.Nullable || !v.t.Nullable || t.Kind == dotnet.String):
		v.sure = v.sure || !v.t.Nullable
		v.t.Nullable = t.Nullable
		return v
	case (dotnet.Widens(v.t.Kind, t.Kind) && v.t.Kind != dotnet.Char || fits(v, t.Kind)) && (t.Nullable || !v.t.Nullable):
		v.sure = v.sure || !v.t.Nullable
		v = cast(v, t.Kind)
		v.t.Nullable = t.Nullable
		return v
	}
	c.note(invalid("TypesDiffer", at, "cannot convert "+v.t.String()+" to "+t.String(), "C# has no conversion between them without a cast", c.castFix(v.t, t)))
	return bad()
}

func (c *compiler) castFix(from, to dotnet.Type) string {
	switch {
	case from.Kind == dotnet.Null:
		return "take " + to.String() + "? as the type, or another value"
	case from.Nullable && !to.Nullable && from.Kind == to.Kind:
		return "name a value for null with ??, or cast with (" + to.String() + ")"
	case from.Kind == dotnet.String && to.Kind != dotnet.String:
		return "use " + to.Kind.String() + ".Parse"
	case to.Kind == dotnet.String:
		return "use ToString"
	case from.Kind.Numeric() && to.Kind.Numeric():
		return "cast with (" + to.String() + ")"
	}
	return "use values of one type"
}

// fits reports whether C# takes a constant int for a smaller kind.
func fits(v value, k dotnet.Kind) bool {
	n, ok := v.lit.(int64)
	if !v.known || !ok || v.t.Kind != dotnet.Int || !k.Integer() {
		return false
	}
	_, ok = dotnet.Append(nil, k, []byte(literal(dotnet.Int, max(n, 0))))
	return ok && (n >= 0 || k == dotnet.SByte && n >= -128 || k == dotnet.Short && n >= -32768)
}

// unify brings values to one type: that of ?:, ??, CASE and set operations.
func (c *compiler) unify(at syntax.Pos, vs ...value) []value {
	t := dotnet.Type{Kind: dotnet.Null}
	for _, v := range vs {
		if isBad(v) {
			return nil
		}
		t.Nullable = t.Nullable || v.t.Nullable && v.t.Kind != dotnet.String
		switch {
		case t.Kind == dotnet.Null:
			t.Kind = v.t.Kind
		case v.t.Kind == dotnet.Null || dotnet.Widens(v.t.Kind, t.Kind) && v.t.Kind != dotnet.Char || fits(v, t.Kind):
		case dotnet.Widens(t.Kind, v.t.Kind) && t.Kind != dotnet.Char:
			t.Kind = v.t.Kind
		default:
			c.note(invalid("TypesDiffer", at, "the values here are "+t.String()+" and "+v.t.String(), "they have to be of one type", "cast one of them, or use Parse or ToString"))
			return nil
		}
	}
	if t.Kind == dotnet.Null {
		c.note(invalid("TypesDiffer", at, "all values here are null", "null alone has no type", "cast one: (int?) null"))
		return nil
	}
	t.Nullable = t.Nullable || t.Kind == dotnet.String
	out := make([]value, len(vs))
	for i, v := range vs {
		out[i] = c.to(v, t, at)
	}
	return out
}

// explicit converts a value as a cast of C# does: whole numbers are cut, and null has to have a place.
func (c *compiler) explicit(v value, t dotnet.Type, at syntax.Pos) value {
	t.Nullable = t.Nullable || t.Kind == dotnet.String
	if isBad(v) || v.t.Kind == dotnet.Null && t.Nullable {
		return c.to(v, t, at)
	}
	ok := v.t.Kind == t.Kind || v.t.Kind.Numeric() && t.Kind.Numeric()
	if !ok {
		c.note(invalid("TypesDiffer", at, "cannot cast "+v.t.String()+" to "+t.String(), "C# has no such cast", c.castFix(v.t, t)))
		return bad()
	}
	if !t.Nullable {
		v = must(v, at, "a value that is null is cast to "+t.String())
	}
	if v.t.Kind != t.Kind {
		if t.Kind.Integer() && !v.t.Kind.Integer() {
			v = from(v.t, "trunc("+v.sql+")", v)
		}
		v.throws = v.throws || !dotnet.Widens(v.t.Kind, t.Kind)
		v = cast(v, t.Kind)
	}
	v.sure = v.sure || !v.t.Nullable
	v.t = t
	return v
}

// text converts a value as + beside a string does. null stays null.
func (c *compiler) text(v value, at syntax.Pos) value {
	sql := v.sql
	switch v.t.Kind {
	case dotnet.String:
		return v
	case dotnet.Null:
		return constant(dotnet.String, nil)
	case dotnet.Char:
	case dotnet.Bool:
		sql = "u_bool(" + sql + ")"
	case dotnet.Float, dotnet.Double:
		sql = "u_" + v.t.Kind.String() + "(" + sql + ")"
	case dotnet.Decimal:
		sql = "u_decimal(" + sql + ")"
	case dotnet.DateTime, dotnet.TimeSpan:
		c.note(refused(at, "a "+v.t.Kind.String()+" as a string without a format", `name a format: ToString("yyyy-MM-dd HH:mm:ss")`))
		return bad()
	default:
		sql = "CAST(" + sql + " AS VARCHAR)"
	}
	out := from(plain(dotnet.String), sql, v)
	out.sure = !v.mayBeNull()
	if v.known {
		out = out.fold(textOf(v.lit))
	}
	return out
}

// fold makes a value one that is known.
func (v value) fold(lit any) value {
	if lit == nil || isBad(v) {
		return v
	}
	k := constant(v.t.Kind, lit)
	k.t = v.t
	return k
}
