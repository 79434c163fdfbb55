package usql

import (
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// textOf returns the text of a known value, nil where it has none that is certain.
func textOf(lit any) any {
	switch v := lit.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return nil
}

// number reads a number of C# with its suffix.
func (c *compiler) number(l *syntax.Literal) value {
	s := strings.ToLower(strings.ReplaceAll(l.Text, "_", ""))
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		return c.integer(l, strings.TrimRight(hex, "ul"), 16, strings.Contains(s, "l"), strings.Contains(s, "u"))
	}
	switch body := s[:len(s)-1]; s[len(s)-1] {
	case 'm':
		return c.parsed(l, dotnet.Decimal, body)
	case 'f':
		return c.parsed(l, dotnet.Float, body)
	case 'd':
		return c.parsed(l, dotnet.Double, body)
	}
	if strings.ContainsAny(s, ".e") {
		return c.parsed(l, dotnet.Double, s)
	}
	return c.integer(l, strings.TrimRight(s, "ul"), 10, strings.Contains(s, "l"), strings.Contains(s, "u"))
}

// integer takes the first of int, uint, long and ulong that has the number.
func (c *compiler) integer(l *syntax.Literal, digits string, base int, long, unsigned bool) value {
	n, err := strconv.ParseUint(digits, base, 64)
	kind := dotnet.Int
	switch {
	case err != nil:
		return c.noNumber(l)
	case n > 1<<63-1 || unsigned && (long || n > 1<<32-1):
		kind = dotnet.ULong
	case long || n > 1<<32-1:
		kind = dotnet.Long
	case unsigned || n > 1<<31-1:
		kind = dotnet.UInt
	}
	if n > 1<<63-1 {
		return value{t: plain(kind), sure: true, sql: "CAST('" + strconv.FormatUint(n, 10) + "' AS UBIGINT)"}
	}
	return constant(kind, int64(n))
}

func (c *compiler) noNumber(l *syntax.Literal) value {
	c.note(invalid("USQLSyntax", l.At, l.Text+" is no number", "a number has digits, a point, an exponent and a suffix of L, U, F, D or M", "correct the number"))
	return bad()
}

// parsed reads a number that may have a fraction.
func (c *compiler) parsed(l *syntax.Literal, k dotnet.Kind, s string) value {
	out, ok := dotnet.Append(nil, k, []byte(s))
	if !ok {
		return c.noNumber(l)
	}
	if f, err := strconv.ParseFloat(s, 64); k == dotnet.Double && err == nil {
		return constant(k, f)
	}
	return value{t: plain(k), sure: true, sql: "CAST('" + string(out) + "' AS " + k.SQL() + ")"}
}

// given reads the value of a parameter by its type.
func given(k dotnet.Kind, s string) (v value, ok bool) {
	out, ok := dotnet.Append(nil, k, []byte(s))
	if !ok {
		return bad(), false
	}
	switch {
	case k == dotnet.String || k == dotnet.Char:
		return constant(k, s), true
	case k == dotnet.Bool:
		return constant(k, string(out) == "true"), true
	case k == dotnet.DateTime:
		t, _ := dotnet.ParseDateTime(s)
		return constant(k, t), true
	case k.Integer() && k != dotnet.ULong:
		n, _ := strconv.ParseInt(string(out), 10, 64)
		return constant(k, n), true
	}
	return value{t: plain(k), sure: true, sql: "CAST(" + quote(string(out)) + " AS " + k.SQL() + ")"}, true
}
