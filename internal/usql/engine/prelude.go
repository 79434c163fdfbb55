package engine

// prelude are the macros that compiled queries use: what C# does and SQL does otherwise. The last argument
// of some is an error() that is reached only where C# throws.
func prelude() []string {
	return []string{
		`u_bool(b) AS CASE WHEN b THEN 'True' WHEN NOT b THEN 'False' END`,
		// The digits of a whole number as .NET writes it: with an exponent, if it has more digits than the limit and zeros at its end.
		`u_whole(d, most) AS CASE WHEN length(d) <= most OR d NOT LIKE '%0' THEN d
			ELSE rtrim(d[1] || '.' || rtrim(d[2:], '0'), '.') || 'E+' || lpad(CAST(length(d) - 1 AS VARCHAR), 2, '0') END`,
		// A number, as dotnet.AppendFloat writes it; v is how DuckDB does.
		`u_number(x, v, most) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
			WHEN x = 0 THEN '0' WHEN x < 0 AND v LIKE '%.0' THEN '-' || u_whole(v[2:-3], most) WHEN v LIKE '%.0' THEN u_whole(v[:-3], most)
			WHEN v LIKE '%e+16' AND length(replace(replace(v, '-', ''), '.', '')) = 21 THEN CAST(CAST(x AS BIGINT) AS VARCHAR)
			ELSE replace(v, 'e', 'E') END`,
		`u_double(x) AS u_number(x, CAST(x AS VARCHAR), 15)`,
		`u_float(x) AS u_number(x, CAST(x AS VARCHAR), 7)`,
		`u_decimal(x) AS regexp_replace(CAST(x AS VARCHAR), '\.?0+$', '')`,
		`u_digits(s, pattern, e) AS coalesce(nullif(regexp_extract(s, pattern, 1), ''), e)`,
		`u_real(s, e) AS coalesce(nullif(regexp_extract(s, '^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|-?Infinity)\s*$', 1), ''), e)`,
		`u_trim(s) AS trim(s, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160) || chr(12288))`,
		`u_rest(s, i, e) AS CASE WHEN i < 0 OR i > length(s) THEN e ELSE substr(s, i + 1) END`,
		`u_part(s, i, n, e) AS CASE WHEN i < 0 OR n < 0 OR i + n > length(s) THEN e ELSE substr(s, i + 1, n) END`,
		`u_padleft(s, n, c) AS CASE WHEN length(s) >= n THEN s ELSE lpad(s, n, c) END`,
		`u_padright(s, n, c) AS CASE WHEN length(s) >= n THEN s ELSE rpad(s, n, c) END`,
		`u_sqrt(x) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt(x) END`,
		`u_ln(x) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE ln(x) END`,
		`u_log10(x) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE log10(x) END`,
	}
}
