package usql

import (
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
)

// kinds is a list of arguments; empty and not nil for a method without any.
func kinds(ks ...dotnet.Kind) []dotnet.Kind { return append([]dotnet.Kind{}, ks...) }

// parse reads a text strictly: DuckDB's own cast takes 1.5 for an int.
func parse(k dotnet.Kind) []member {
	arg := kinds(dotnet.String)
	sql := map[dotnet.Kind]string{
		dotnet.Bool:     `CASE lower(trim($1)) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE ELSE !this text is no bool! END`,
		dotnet.Float:    `CAST(u_real($1, !this text is no float!) AS FLOAT)`,
		dotnet.Double:   `CAST(u_real($1, !this text is no double!) AS DOUBLE)`,
		dotnet.Decimal:  `CAST(u_digits($1, '^\s*([+-]?\d*\.?\d{0,10})\s*$', !this text is no decimal of at most 10 digits behind the point!) AS DECIMAL(38,10))`,
		dotnet.DateTime: `coalesce(try_strptime(regexp_replace(trim($1), '(\.\d{6})\d+', '\1'), ` + dotnet.ParseFormats() + `), !this text is no DateTime in a form that is known here!)`,
		dotnet.Guid:     `coalesce(try_cast(trim($1) AS UUID), !this text is no Guid!)`,
	}[k]
	m := member{args: arg, ret: k, sql: "(" + sql + ")", parses: true}
	if k.Integer() {
		m.sql = `coalesce(try_cast(u_digits($1, '^\s*([+-]?\d+)\s*$', NULL) AS ` + k.SQL() + `), !this text is no ` + k.String() + `!)`
	}
	if k == dotnet.DateTime {
		m.fold = foldDateTime
	}
	return []member{m}
}

func foldDateTime(args []any) any {
	if s, ok := args[0].(string); ok {
		if t, ok := dotnet.ParseDateTime(s); ok {
			return t
		}
	}
	return nil
}

// The members by the name of their type and their own. They are made when the first script asks.
var (
	statics   = sync.OnceValue(ofTypes)
	instances = sync.OnceValue(ofValues)
)

// ofTypes are the members of types.
func ofTypes() map[string][]member {
	str, dbl, dt := dotnet.String, dotnet.Double, dotnet.DateTime
	out := map[string][]member{
		"string.IsNullOrEmpty":      {{args: kinds(str), ret: dotnet.Bool, null: true, sql: `($1 = '')`}},
		"string.IsNullOrWhiteSpace": {{args: kinds(str), ret: dotnet.Bool, null: true, sql: `(u_trim($1) = '')`}},
		"string.Empty":              {{ret: str, sql: `''`, fold: func([]any) any { return "" }}},
		"Math.PI":                   {{ret: dbl, sql: `pi()`}},
		"Math.E":                    {{ret: dbl, sql: `exp(CAST(1 AS DOUBLE))`}},
		"DateTime.MinValue":         {{ret: dt, sql: `TIMESTAMP '0001-01-01'`}},
		"DateTime.MaxValue":         {{ret: dt, sql: `TIMESTAMP '9999-12-31 23:59:59.999999'`}},
		"Guid.Empty":                {{ret: dotnet.Guid, sql: `CAST('00000000-0000-0000-0000-000000000000' AS UUID)`}},
		"int.MaxValue":              {{ret: dotnet.Int, sql: `2147483647`}},
		"int.MinValue":              {{ret: dotnet.Int, sql: `CAST('-2147483648' AS INTEGER)`}},
		"long.MaxValue":             {{ret: dotnet.Long, sql: `CAST('9223372036854775807' AS BIGINT)`}},
		"long.MinValue":             {{ret: dotnet.Long, sql: `CAST('-9223372036854775808' AS BIGINT)`}},
	}
	for k := dotnet.Bool; k <= dotnet.Guid; k++ {
		if k != dotnet.Char && k != dotnet.String {
			out[k.String()+".Parse"] = parse(k)
		}
	}
	for class, k := range map[string]dotnet.Kind{
		"Int16": dotnet.Short, "Int32": dotnet.Int, "Int64": dotnet.Long, "Byte": dotnet.Byte, "Single": dotnet.Float, "Double": dotnet.Double,
		"Decimal": dotnet.Decimal, "Boolean": dotnet.Bool, "DateTime": dotnet.DateTime,
	} {
		out["Convert.To"+class] = convert(k)
	}
	return out
}

// convert rounds to the even number where a cast cuts.
func convert(k dotnet.Kind) []member {
	if k == dotnet.DateTime || k == dotnet.Bool {
		return parse(k)
	}
	number := `CAST($1 AS ` + k.SQL() + `)`
	round := number
	if k.Integer() {
		round = `CAST(round_even($1, 0) AS ` + k.SQL() + `)`
	}
	return append([]member{
		{args: kinds(dotnet.Long), ret: k, sql: number},
		{args: kinds(dotnet.Double), ret: k, sql: round},
		{args: kinds(dotnet.Decimal), ret: k, sql: round},
		{args: kinds(dotnet.Bool), ret: k, sql: number},
	}, parse(k)...)
}

// ofValues are the members of values.
func ofValues() map[string][]member {
	out := map[string][]member{}
	for name, m := range texts() {
		out["string."+name] = m
	}
	for name, m := range dates() {
		out["DateTime."+name] = m
	}
	for name, sql := range map[string]string{
		"TotalDays": "86400e6", "TotalHours": "3600e6", "TotalMinutes": "60e6", "TotalSeconds": "1e6", "TotalMilliseconds": "1e3",
	} {
		out["TimeSpan."+name] = []member{{ret: dotnet.Double, sql: "($0 / " + sql + ")"}}
	}
	for name, sql := range map[string]string{
		"Days": "($0 // 86400000000)", "Hours": "($0 // 3600000000 % 24)", "Minutes": "($0 // 60000000 % 60)", "Seconds": "($0 // 1000000 % 60)",
	} {
		out["TimeSpan."+name] = []member{{ret: dotnet.Int, sql: "CAST(" + sql + " AS INTEGER)"}}
	}
	return out
}

// texts are the members of string.
func texts() map[string][]member {
	str, num := dotnet.String, dotnet.Int
	none, one := kinds(), kinds(dotnet.String)
	pad := func(fn string) []member {
		return []member{
			{args: kinds(num), ret: str, sql: `u_` + fn + `($0, $1, ' ')`}, {args: kinds(num, dotnet.Char), ret: str, sql: `u_` + fn + `($0, $1, $2)`},
		}
	}
	trim := func(fn string, fold func(string) string) []member {
		return []member{{args: none, ret: str, sql: fn + `($0)`, fold: func(a []any) any { return foldText(a, fold) }}}
	}
	outside := `!Substring reaches outside of the string!`
	return map[string][]member{
		"Length":           {{ret: num, sql: `CAST(length($0) AS INTEGER)`}},
		"Substring":        {{args: kinds(num), ret: str, sql: `u_rest($0, $1, ` + outside + `)`}, {args: kinds(num, num), ret: str, sql: `u_part($0, $1, $2, ` + outside + `)`}},
		"ToUpper":          trim("upper", strings.ToUpper),
		"ToLower":          trim("lower", strings.ToLower),
		"ToUpperInvariant": trim("upper", strings.ToUpper),
		"ToLowerInvariant": trim("lower", strings.ToLower),
		"Trim":             trim("u_trim", strings.TrimSpace),
		"TrimStart":        {{args: none, ret: str, sql: `regexp_replace($0, '^\s+', '')`}},
		"TrimEnd":          {{args: none, ret: str, sql: `regexp_replace($0, '\s+$', '')`}},
		"Replace":          {{args: kinds(str, str), ret: str, null: true, sql: `replace($0, coalesce(nullif($1, ''), !the text that Replace looks for is empty!), $2)`}},
		"Contains":         {{args: one, ret: dotnet.Bool, sql: `contains($0, $1)`}},
		"StartsWith":       {{args: one, ret: dotnet.Bool, sql: `starts_with($0, $1)`}},
		"EndsWith":         {{args: one, ret: dotnet.Bool, sql: `ends_with($0, $1)`}},
		"IndexOf":          {{args: one, ret: num, sql: `CAST(strpos($0, $1) - 1 AS INTEGER)`}},
		"Equals":           {{args: one, ret: dotnet.Bool, null: false, sql: `($0 = $1)`}},
		"PadLeft":          pad("padleft"),
		"PadRight":         pad("padright"),
	}
}

func foldText(args []any, fold func(string) string) any {
	if s, ok := args[0].(string); ok {
		return fold(s)
	}
	return nil
}

// dates are the members of DateTime.
func dates() map[string][]member {
	out := map[string][]member{
		"Date":        {{ret: dotnet.DateTime, sql: `CAST(date_trunc('day', $0) AS TIMESTAMP)`}},
		"Millisecond": {{ret: dotnet.Int, sql: `CAST(date_part('millisecond', $0) % 1000 AS INTEGER)`}},
		"AddMonths":   {{args: kinds(dotnet.Int), ret: dotnet.DateTime, sql: `($0 + to_months($1))`}},
		"AddYears":    {{args: kinds(dotnet.Int), ret: dotnet.DateTime, sql: `($0 + to_years($1))`}},
	}
	for name, part := range map[string]string{
		"Year": "year", "Month": "month", "Day": "day", "Hour": "hour", "Minute": "minute", "Second": "second", "DayOfYear": "doy",
	} {
		out[name] = []member{{ret: dotnet.Int, sql: `CAST(date_part('` + part + `', $0) AS INTEGER)`}}
	}
	for name, unit := range map[string]time.Duration{
		"AddDays": 24 * time.Hour, "AddHours": time.Hour, "AddMinutes": time.Minute, "AddSeconds": time.Second, "AddMilliseconds": time.Millisecond,
	} {
		// .NET rounds to milliseconds.
		ms := literal(dotnet.Double, float64(unit.Milliseconds()))
		out[name] = []member{{args: kinds(dotnet.Double), ret: dotnet.DateTime, fold: addTime(unit), sql: `($0 + to_microseconds(CAST(round($1 * ` + ms + `) AS BIGINT) * 1000))`}}
	}
	return out
}

func addTime(unit time.Duration) func(args []any) any {
	return func(args []any) any {
		t, ok := args[0].(time.Time)
		n, ok2 := args[1].(float64)
		if !ok || !ok2 {
			return nil
		}
		return t.Add(time.Duration(n * float64(unit)).Round(time.Millisecond))
	}
}
