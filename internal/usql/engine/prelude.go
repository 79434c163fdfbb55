package engine

// prelude are the macros that compiled queries use: what C# does and SQL does otherwise. The last argument
// of some is an error() that is reached only where C# throws.
func prelude() []string {
	return []string{
		`u_bool(b) AS CASE WHEN b THEN 'True' WHEN NOT b THEN 'False' END`,
		`u_double(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
			ELSE regexp_replace(replace(CAST(x AS VARCHAR), 'e', 'E'), '\.0$', '') END`,
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
