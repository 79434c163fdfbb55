package usql

import (
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// math compiles the members of Math that keep the type of their arguments; ok is false for the others.
func (s *scope) math(e *syntax.Member, vs []value) (value, bool) {
	kind := dotnet.Int
	for _, v := range vs {
		if v.t.Nullable || !v.t.Kind.Numeric() {
			return s.wrongArguments(e.At, "Math."+e.Name), true
		}
		k, ok := dotnet.Promote(kind, v.t.Kind)
		if !ok {
			return s.wrongArguments(e.At, "Math."+e.Name), true
		}
		kind = k
	}
	if len(vs) == 1 || len(vs) == 2 && e.Name == "Round" {
		if sql, ok := rounding(e.Name, len(vs)); ok {
			return s.rounded(e, sql, vs), true
		}
	}
	if fn, ok := map[string]string{"Max": "greatest", "Min": "least"}[e.Name]; ok && len(vs) == 2 {
		return s.apply(e.At, "Math."+e.Name, member{args: kinds(kind, kind), ret: kind, sql: fn + "($1, $2)"}, value{}, vs), true
	}
	if sql, ok := real()[e.Name]; ok && len(vs) == strings.Count(sql, "$") {
		m := member{args: kinds(dotnet.Double, dotnet.Double)[:len(vs)], ret: dotnet.Double, sql: sql}
		if m.takes(vs) {
			return s.apply(e.At, "Math."+e.Name, m, value{}, vs), true
		}
	}
	return bad(), false
}

// rounding are those of one number, which a decimal has of its own. Round goes to the even number.
func rounding(fn string, n int) (string, bool) {
	sql, ok := map[string]string{
		"Abs": "abs($1)", "Ceiling": "ceil($1)", "Floor": "floor($1)", "Truncate": "trunc($1)", "Round": "round_even($1, 0)", "Sign": "CAST(sign($1) AS INTEGER)",
	}[fn]
	if n == 2 {
		sql = "round_even($1, $2)"
	}
	return sql, ok
}

func (s *scope) rounded(e *syntax.Member, sql string, vs []value) value {
	k := vs[0].t.Kind
	if k != dotnet.Decimal && (e.Name != "Abs" && e.Name != "Sign" || !k.Integer()) {
		k = dotnet.Double
	}
	ret := k
	if e.Name == "Sign" {
		ret = dotnet.Int
	}
	if ret != dotnet.Int {
		sql = "CAST(" + sql + " AS " + ret.SQL() + ")"
	}
	m := member{args: kinds(k, dotnet.Int)[:len(vs)], ret: ret, sql: sql}
	if !m.takes(vs) {
		return s.wrongArguments(e.At, "Math."+e.Name)
	}
	return s.apply(e.At, "Math."+e.Name, m, value{}, vs)
}

// real are those that compute in double.
func real() map[string]string {
	return map[string]string{
		"Pow": "pow($1, $2)", "Sqrt": "u_sqrt($1)", "Exp": "exp($1)", "Log": "u_ln($1)", "Log10": "u_log10($1)", "Sin": "sin($1)", "Cos": "cos($1)",
		"Tan": "tan($1)", "Atan": "atan($1)", "Atan2": "atan2($1, $2)",
	}
}
