package usql

import (
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// value is a compiled expression.
type value struct {
	t      dotnet.Type
	sql    string
	sure   bool // it is never null, though its type has null
	throws bool // computing it may fail, so it must not be computed where C# would not
	known  bool // lit is its value
	lit    any  // string, int64, float64, bool or time.Time; nil: null
	agg    bool // it has an aggregate
	loose  *syntax.Name
	refs   []ref // the columns it reads
}

// ref is a column of a source of the scope.
type ref struct {
	source int
	column string
}

func (v value) mayBeNull() bool { return v.t.Nullable && !v.sure }

// bad is the value of what has a fault already; nothing is said about it again.
func bad() value { return value{sql: "NULL"} }

func isBad(vs ...value) bool {
	for _, v := range vs {
		if v.t.Kind == dotnet.None {
			return true
		}
	}
	return false
}

// from returns a value that is computed from others.
func from(t dotnet.Type, sql string, vs ...value) value {
	out := value{t: t, sql: sql}
	for _, v := range vs {
		out.throws = out.throws || v.throws
		out.agg = out.agg || v.agg
		if out.loose == nil {
			out.loose = v.loose
		}
		out.refs = append(out.refs, v.refs...)
	}
	return out
}

func plain(k dotnet.Kind) dotnet.Type {
	return dotnet.Type{Kind: k, Nullable: k == dotnet.String}
}

// constant returns a known value of a kind.
func constant(k dotnet.Kind, lit any) value {
	if lit == nil {
		return value{t: dotnet.Type{Kind: k, Nullable: true}, sql: "CAST(NULL AS " + k.SQL() + ")", known: true}
	}
	return value{t: plain(k), sql: literal(k, lit), sure: true, known: true, lit: lit}
}

func literal(k dotnet.Kind, lit any) string {
	switch v := lit.(type) {
	case string:
		return quote(v)
	case bool:
		return strings.ToUpper(strconv.FormatBool(v))
	case time.Time:
		return "TIMESTAMP '" + string(dotnet.AppendTimestamp(nil, v)) + "'"
	case float64:
		return "CAST('" + strconv.FormatFloat(v, 'g', -1, 64) + "' AS " + k.SQL() + ")"
	case int64:
		if k == dotnet.Int && v >= 0 {
			return strconv.FormatInt(v, 10)
		}
		return "CAST('" + strconv.FormatInt(v, 10) + "' AS " + k.SQL() + ")"
	}
	return "NULL"
}

// quote writes a text as SQL does. DuckDB's texts cannot hold a NUL in a literal.
func quote(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.ContainsRune(s, 0) {
		q = "(" + strings.ReplaceAll(q, "\x00", "' || chr(0) || '") + ")"
	}
	return q
}

func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// raise is SQL that ends the run with words about a place of the script.
func raise(at syntax.Pos, words string) string {
	return "error(" + quote("usql:"+strconv.Itoa(at.Line)+":"+strconv.Itoa(at.Column)+":"+words) + ")"
}

// must returns the value's SQL, which fails where it is null.
func must(v value, at syntax.Pos, words string) value {
	if !v.mayBeNull() {
		return v
	}
	v.sql = "coalesce(" + v.sql + ", " + raise(at, words) + ")"
	v.throws, v.sure, v.known = true, true, false
	return v
}

// cast returns the value as another kind, without a question whether C# does that.
func cast(v value, k dotnet.Kind) value {
	if v.t.Kind == k {
		return v
	}
	if n, ok := v.lit.(int64); ok && v.known {
		switch {
		case k == dotnet.Double || k == dotnet.Float:
			return recast(v, constant(k, float64(n)))
		case k.Integer():
			return recast(v, constant(k, n))
		}
	}
	v.sql, v.known = "CAST("+v.sql+" AS "+k.SQL()+")", false
	v.t.Kind = k
	return v
}

func recast(old, v value) value {
	v.t.Nullable = old.t.Nullable
	return v
}
