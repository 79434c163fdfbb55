package usql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
)

// frame puts a query where it compiles: @t has a column of each type.
const frame = `@t = EXTRACT i int, n int?, s string, d double, at DateTime, m decimal, yes bool, u ulong FROM "/t.csv" USING Extractors.Csv();
@q = SELECT `

const after = "\nFROM @t;\nOUTPUT @q TO \"/q.csv\" USING Outputters.Csv();"

// told returns the faults as "line:column reason what".
func told(err error) (out []string) {
	var all usql.Faults
	if !errors.As(err, &all) && err != nil {
		return []string{err.Error()}
	}
	for _, f := range all {
		at := strings.NewReplacer("line ", "", ", column ", ":").Replace(f.Field)
		out = append(out, at+" "+f.Reason+" "+f.What)
	}
	return out
}

// TestExpressionFaults: the second line of the script is "@q = SELECT " and what stands here, from column 13 on.
func TestExpressionFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ expr, want string }{
		{`x AS a`, `2:13 NameUnknown there is no column "x"`},
		{`S AS a`, `2:13 NameUnknown there is no column "S"`},
		{`t.i AS a`, `2:13 NameUnknown there is no column "t"`},
		{`@x AS a`, `2:13 NameUnknown there is no variable @x`},
		{`@t AS a`, `2:13 NameUnknown @t is a rowset, not a value`},
		{`i + 1`, `2:13 NameMissing this column has no name`},
		{`i, i`, `2:6 ColumnsDiffer two columns have the name "i"`},
		{`i, s AS I`, `2:6 USQLNotSupported a rowset with the columns "i" and "I", which differ in case only, is not supported`},
		{`i + yes AS a`, `2:15 TypesDiffer there is no operator + for int and bool`},
		{`i == s AS a`, `2:15 TypesDiffer there is no operator == for int and string`},
		{`s < "b" AS a`, `2:15 TypesDiffer there is no operator < for string and string`},
		{`i == null && n AS a`, `2:26 TypesDiffer cannot convert int? to bool`},
		{`-u AS a`, `2:13 TypesDiffer there is no operator - for ulong`},
		{`!i AS a`, `2:13 TypesDiffer cannot convert int to bool`},
		{`m + d AS a`, `2:15 TypesDiffer there is no operator + for decimal and double`},
		{`m / m AS a`, `2:15 USQLNotSupported the division of decimals is not supported`},
		{`i ?? 1 AS a`, `2:15 TypesDiffer there is no operator ?? for int and int`},
		{`yes ? 1 : "a" AS a`, `2:17 TypesDiffer the values here are int and string`},
		{`yes ? null : null AS a`, `2:17 TypesDiffer all values here are null`},
		{`null AS a`, `2:13 TypesDiffer null alone is no column`},
		{`at - at AS a`, `2:13 USQLNotSupported a TimeSpan as a column is not supported`},
		{`"at " + at AS a`, `2:19 USQLNotSupported a DateTime as a string without a format is not supported`},
		{`(int) s AS a`, `2:13 TypesDiffer cannot cast string to int`},
		{`(object) s AS a`, `2:14 USQLNotSupported the type object is not supported`},
		{`s.Substring(n) AS a`, `2:15 TypesDiffer cannot convert int? to int`},
		{`s.Substring("1") AS a`, `2:15 ArgumentsWrong string.Substring cannot take these arguments`},
		{`s.Substring AS a`, `2:15 USQLNotSupported string.Substring is not supported`},
		{`s.Length() AS a`, `2:15 USQLNotSupported string.Length is not supported`},
		{`s.Split(',') AS a`, `2:15 USQLNotSupported string.Split is not supported`},
		{`n.ToUpper() AS a`, `2:15 NameUnknown int? has no member ToUpper`},
		{`Regex.IsMatch(s, "a") AS a`, `2:19 USQLNotSupported Regex.IsMatch is not supported`},
		{`Foo(s) AS a`, `2:13 USQLNotSupported the function Foo is not supported`},
		{`at.DayOfWeek AS a`, `2:16 USQLNotSupported DateTime.DayOfWeek is not supported`},
		{`at.ToString("D") AS a`, `2:16 USQLNotSupported "D" as a format (the format "D" hangs on a culture) is not supported`},
		{`d.ToString("N2") AS a`, `2:15 USQLNotSupported ToString with these arguments is not supported`},
		{`string.Format("{0:C}", d) AS a`, `2:20 USQLNotSupported {0:C} in a format is not supported`},
		{`string.Format("{1}", d) AS a`, `2:20 ArgumentsWrong string.Format cannot take these arguments`},
		{`SUM(i) AS a, s`, `2:26 NotGrouped the column "s" is neither grouped nor in an aggregate`},
		{`SUM(COUNT(i)) AS a`, `2:17 AggregateMisplaced COUNT cannot stand here`},
		{`SUM(s) AS a`, `2:13 TypesDiffer there is no operator SUM for string`},
		{`AVG(m) AS a`, `2:13 USQLNotSupported AVG of decimals is not supported`},
		{`ARRAY_AGG(s) AS a`, `2:13 USQLNotSupported ARRAY_AGG is not supported`},
		{`SUM(i) OVER (ORDER BY s ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS a`, `2:37 USQLNotSupported ROWS in OVER is not supported`},
		{`RANK() OVER (ORDER BY int.Parse(s)) AS a`, `2:39 USQLNotSupported an expression that may fail in OVER is not supported`},
		{`int.Parse('x') AS a`, `2:17 ArgumentsWrong int.Parse cannot take these arguments`},
		{`FOO(i) OVER () AS a`, `2:13 USQLNotSupported the function FOO with OVER is not supported`},
		{`i OVER () AS a`, `2:15 USQLSyntax OVER has no function before it`},
		{`ROW_NUMBER() AS a`, `2:13 USQLNotSupported the function ROW_NUMBER is not supported`},
		{`ROW_NUMBER(i) OVER () AS a`, `2:13 ArgumentsWrong ROW_NUMBER cannot take these arguments`},
		{`LAG(i, i) OVER () AS a`, `2:13 ArgumentsWrong LAG cannot take these arguments`},
		{`SUM(i) AS a, RANK() OVER (ORDER BY s) AS b`, `2:33 AggregateMisplaced OVER cannot stand here`},
		{`SUM(RANK() OVER (ORDER BY s)) OVER () AS b`, `2:24 AggregateMisplaced OVER cannot stand here`},
		{`s[0] AS a`, `2:14 USQLNotSupported an index is not supported`},
		{`i & 1 AS a`, `2:15 USQLNotSupported the operator & is not supported`},
		{`s?.Length AS a`, `2:14 USQLNotSupported the operator ?. is not supported`},
		{`i = 1 AS a`, `2:15 USQLSyntax = compares nothing`},
		{`2147483647 + 1 AS a`, `2:24 NumberTooLarge this is too large for an int`},
		{`"a\qb" AS a`, `2:15 USQLSyntax the escape \q is not known`},
		{`"ab AS a`, `2:13 USQLSyntax this string has no end`},
		{`'ab' AS a`, `2:13 USQLSyntax a char has one character`},
		{`i AS a /* b`, `2:20 USQLSyntax this comment has no end`},
		{`i # 1 AS a`, `2:15 USQLSyntax the character # has no meaning here`},
		{`1x AS a`, `2:13 USQLSyntax 1x is no number`},
		{`(i AS a`, `2:16 USQLSyntax ) is expected, not AS`},
		{`new TimeSpan(1) AS a`, `2:13 USQLNotSupported new TimeSpan with these arguments is not supported`},
		{strings.Repeat("(", 300) + "1", `2:212 USQLTooDeep this is nested too deep`},
	} {
		_, err := usql.Compile(frame+tc.expr+after, nil)
		if diff := cmp.Diff([]string{tc.want}, told(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.expr, diff)
		}
	}
}

func TestStatementFaults(t *testing.T) {
	t.Parallel()
	const out = "\nOUTPUT @t TO \"/o\" USING Outputters.Csv();"
	const in = "@t = EXTRACT a int FROM \"/a\" USING Extractors.Csv();\n"
	for _, tc := range []struct {
		script string
		want   []string
	}{
		{"", []string{"1:1 OutputMissing the script writes nothing"}},
		{"CREATE DATABASE x;\nUSE DATABASE x;\nDROP TABLE t;", []string{
			"1:1 USQLNotSupported CREATE DATABASE is not supported", "2:1 USQLNotSupported USE is not supported", "3:1 USQLNotSupported DROP TABLE is not supported",
		}},
		{"CREATE FUNCTION f() RETURNS @r AS BEGIN @r = x; @s = y; END;\nREFERENCE ASSEMBLY [a];" + out, []string{
			"1:1 USQLNotSupported CREATE FUNCTION is not supported", "2:1 USQLNotSupported REFERENCE ASSEMBLY is not supported", "3:1 NameUnknown there is no rowset @t",
		}},
		{"IF true THEN\n@t = x;\nEND;", []string{"1:1 USQLNotSupported IF is not supported", "3:1 USQLSyntax a statement (DECLARE, OUTPUT or @name = …) is expected, not END"}},
		{"master.dbo.P();", []string{"1:1 USQLNotSupported the call of a procedure is not supported"}},
		{"@t = PROCESS @a PRODUCE b int USING new My.Processor();", []string{"1:6 USQLNotSupported PROCESS is not supported"}},
		{"@t = REDUCE @a ON b PRODUCE c int USING new R();", []string{"1:6 USQLNotSupported REDUCE is not supported"}},
		{"@t = COMBINE @a WITH @b ON c PRODUCE d int USING new R();", []string{"1:6 USQLNotSupported COMBINE is not supported"}},
		{"@t = EXTRACT a int FROM \"/a\" USING new My.Extractor();", []string{"1:36 USQLNotSupported USING new … is not supported"}},
		{"@t = EXTRACT a int FROM \"/a\" USING My.Extractor();", []string{"1:36 USQLNotSupported this way to read or write files is not supported"}},
		{"@t = EXTRACT a int FROM \"/a\" USING Extractors.Parquet();" + out, []string{"1:47 USQLNotSupported Parquet is not supported"}},
		{"@t = EXTRACT a SqlArray<string> FROM \"/a\" USING Extractors.Csv();", []string{"1:16 USQLNotSupported the type SqlArray<…> is not supported"}},
		{"@t = EXTRACT a byte[] FROM \"/a\" USING Extractors.Csv();", []string{"1:16 USQLNotSupported the type byte[] is not supported"}},
		{"@t = EXTRACT a int FROM \"adl://x/a\" USING Extractors.Csv();" + out, []string{"1:25 USQLNotSupported a path elsewhere (adl://…) is not supported"}},
		{"@t = EXTRACT a int FROM \"/../a\" USING Extractors.Csv();" + out, []string{`1:25 PathInvalid cannot use the path "/../a"`}},
		{"@t = EXTRACT a int FROM \"/{b}\" USING Extractors.Csv();" + out, []string{`1:25 NameUnknown EXTRACT has no column "b"`}},
		{"@t = EXTRACT a int FROM \"/{a:yyyy}\" USING Extractors.Csv();" + out, []string{`1:25 TypesDiffer the column "a" is int`}},
		{"@t = EXTRACT a int FROM \"/{a:yy}\" USING Extractors.Csv();" + out, []string{`1:25 PathInvalid cannot use the path "/{a:yy}"`}},
		{in + "OUTPUT @t TO \"/{*}\" USING Outputters.Csv();", []string{`2:14 PathInvalid cannot use the path "/{*}"`}},
		{in + "OUTPUT @t TO \"/o\" USING Outputters.Csv(silent: true);", []string{"2:48 ArgumentsWrong there is no parameter silent here"}},
		{in + "OUTPUT @t TO \"/o\" USING Outputters.Csv(quoting: 1);", []string{"2:49 ArgumentsWrong this is no value for quoting"}},
		{in + "OUTPUT @t TO \"/o\" USING Outputters.Text(delimiter: \"||\");", []string{"2:52 ArgumentsWrong this is no value for delimiter"}},
		{in + "OUTPUT @t TO \"/o\" USING Outputters.Csv(encoding: Encoding.UTF7);", []string{"2:59 USQLNotSupported this encoding is not supported"}},
		{in + "OUTPUT @t TO \"/o\" USING Outputters.Csv();\nOUTPUT @t TO \"o\" USING Outputters.Csv();", []string{`3:14 NameTaken "o" is written twice`}},
		{in + "@u = SELECT a FROM @t ORDER BY a;" + out, []string{"2:23 OrderWithoutFetch ORDER BY in a query without FETCH"}},
		{in + "@u = SELECT a FROM @t ORDER BY a FETCH a ROWS;" + out, []string{`2:40 RowsNotConstant FETCH and OFFSET take a number`}},
		{in + "@u = SELECT 1 AS a;" + out, []string{"2:6 USQLSyntax this SELECT has no FROM"}},
		{in + "@u = SELECT a FROM @T;" + out, []string{"2:20 NameUnknown there is no rowset @T"}},
		{in + "@u = SELECT a FROM dbo.T;" + out, []string{"2:20 USQLNotSupported a table, a view or a function of a catalogue is not supported"}},
		{in + "@u = SELECT a FROM @t PIVOT (SUM(a) FOR a IN (1));" + out, []string{"2:23 USQLNotSupported PIVOT is not supported"}},
		{in + "@u = SELECT a FROM @t SAMPLE ANY (5);" + out, []string{"2:23 USQLNotSupported SAMPLE is not supported"}},
		{in + "@u = SELECT a FROM @t CROSS APPLY EXPLODE(a) AS r(b);" + out, []string{"2:23 USQLNotSupported CROSS APPLY is not supported"}},
		{in + "@u = SELECT a FROM @t LEFT SEMIJOIN @t AS x ON a == b;" + out, []string{"2:23 USQLNotSupported SEMIJOIN is not supported"}},
		{in + "@u = SELECT a FROM @t OUTER UNION SELECT a FROM @t;" + out, []string{"2:23 USQLNotSupported OUTER UNION is not supported"}},
		{in + "@u = SELECT a FROM @t UNION ALL BY NAME SELECT a FROM @t;" + out, []string{"2:33 USQLNotSupported UNION BY NAME is not supported"}},
		{in + "@u = SELECT a FROM @t UNION SELECT a FROM @t;" + out, []string{"2:29 USQLSyntax ALL or DISTINCT is expected, not SELECT"}},
		{in + "@u = SELECT a FROM @t UNION ALL SELECT a, a AS b FROM @t;" + out, []string{"2:23 ColumnsDiffer UNION of 1 columns and 2"}},
		{in + "@u = SELECT a FROM @t UNION ALL SELECT \"x\" AS a FROM @t;" + out, []string{"2:23 TypesDiffer the values here are int and string"}},
		{in + "@u = SELECT x.a FROM @t AS x JOIN @t AS y ON a == 1;" + out, []string{`2:46 ColumnAmbiguous the column "a" is in several rowsets`}},
		{in + "@u = SELECT a FROM @t WHERE COUNT(*) > 1;" + out, []string{"2:29 AggregateMisplaced COUNT cannot stand here"}},
		{in + "@u = SELECT a FROM @t HAVING a > 1;" + out, []string{"2:32 NotGrouped HAVING has no groups"}},
		{in + "@u = SELECT a FROM @t OPTION(LABEL = \"x\");" + out, []string{"2:23 USQLNotSupported OPTION is not supported"}},
		{in + "@u = VALUES (1);" + out, []string{"2:6 ColumnsDiffer VALUES has rows of 1 values and 0 names"}},
		{"DECLARE @a int = \"x\";\nDECLARE @b = @c;\nDECLARE @b int = 1;\nDECLARE @d SqlMap<int, int> = null;", []string{
			"1:18 TypesDiffer cannot convert string to int", "2:14 NameUnknown there is no variable @c", "3:9 NameTaken @b is declared before",
			"4:12 USQLNotSupported the type SqlMap<…> is not supported",
		}},
		{"DECLARE @a int = 1;\n@a = SELECT 1 AS x FROM @b;", []string{"2:1 NameTaken @a is a variable"}},
		{"DECLARE @p string = (1).ToString() + 1.5;\n@t = EXTRACT a int FROM @p USING Extractors.Csv();" + out, []string{"2:25 PathNotConstant this path is not known before the script runs"}},
	} {
		_, err := usql.Compile(tc.script, nil)
		if diff := cmp.Diff(tc.want, told(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.script, diff)
		}
	}
}

func TestParameterFaults(t *testing.T) {
	t.Parallel()
	const script = "DECLARE EXTERNAL @n int = 1;\nDECLARE @m int = 2;"
	for _, tc := range []struct {
		params map[string]string
		want   []string
	}{
		{map[string]string{"n": "x"}, []string{"1:18 ParameterInvalid the parameter n cannot be used"}},
		{map[string]string{"m": "3"}, []string{"2:9 NameTaken @m is declared before"}},
	} {
		_, err := usql.Compile(script, tc.params)
		if diff := cmp.Diff(tc.want, told(err)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.params, diff)
		}
	}
}

func TestFaultsAreComplete(t *testing.T) {
	t.Parallel()
	_, err := usql.Compile("USE DATABASE x;", nil)
	f := fault.From(err)
	want := fault.Error{
		Code: fault.Unsupported, Reason: "USQLNotSupported", What: "USE is not supported", Why: "zaffre runs a part of U-SQL, and this is not in it",
		Fix: "take the statement out: there is no catalogue here", Field: "line 1, column 1",
	}
	if diff := cmp.Diff(want, *f); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOnlyWhatIsNeeded: a query that no output reads is checked and not run.
func TestOnlyWhatIsNeeded(t *testing.T) {
	t.Parallel()
	plan, err := usql.Compile(`@a = EXTRACT x int FROM "/a" USING Extractors.Csv();
@b = EXTRACT x int FROM "/b" USING Extractors.Csv();
@c = SELECT x FROM @b;
OUTPUT @a TO "/o" USING Outputters.Csv();`, nil)
	if err != nil || len(plan.Inputs) != 1 || plan.Inputs[0].Paths[0] != "a" || len(plan.Views) != 0 {
		t.Errorf("%+v %v", plan, err)
	}
}

// TestChosenFiles: which conditions choose the files of a file set.
func TestChosenFiles(t *testing.T) {
	t.Parallel()
	const in = "@t = EXTRACT a int, k string, l string FROM \"/{k}-{l}\" USING Extractors.Csv();\n"
	const k, l = `(f."k" = 'x')`, `(f."l" = 'y')`
	for _, tc := range []struct{ script, want string }{
		{`@u = SELECT a FROM @t WHERE k == "x";`, "(" + k + ")"},
		{`@u = SELECT a FROM @t AS z WHERE z.k == "x" AND a > 1 && z.l == "y";`, "(" + k + " AND " + l + ")"},
		{`@u = SELECT a FROM @t WHERE k == "x" OR a > 1;`, ""},
		{`@u = SELECT a FROM @t;`, ""},
		{`@u = SELECT a FROM @t WHERE k == "x" UNION ALL SELECT a FROM @t WHERE l == "y";`, "(" + k + ") OR (" + l + ")"},
		{`@u = SELECT a FROM @t WHERE k == "x" UNION ALL SELECT a FROM @t;`, ""},
		{`@v = SELECT a FROM @t WHERE k == "x"; @u = SELECT x.a FROM @v AS x RIGHT JOIN @t AS y ON x.a == y.a WHERE y.k == "x";`, "(" + k + ") OR (" + k + ")"},
		{`@v = SELECT a FROM @t WHERE k == "x"; @u = SELECT x.a FROM @v AS x LEFT JOIN @t AS y ON x.a == y.a WHERE y.k == "x";`, ""},
		{`@u = SELECT a FROM @t WHERE k == "x"; OUTPUT @t TO "/t" USING Outputters.Csv();`, ""},
	} {
		plan, err := usql.Compile(in+tc.script+"OUTPUT @u TO \"/u\" USING Outputters.Csv();", nil)
		if err != nil {
			t.Errorf("%s: %v", tc.script, err)
			continue
		}
		if diff := cmp.Diff(tc.want, plan.Inputs[0].Filter); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.script, diff)
		}
	}
}

// TestTooLarge: what doubles with each level ends in a fault, and soon.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{
		strings.Repeat("CASE ", 150) + "i" + strings.Repeat(" WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 3 END", 150),
		strings.Repeat("(n + 1) / (", 150) + "n" + strings.Repeat(")", 150),
	} {
		_, err := usql.Compile(frame+expr+" AS a"+after, nil)
		if fault.ReasonOf(err) != "USQLTooDeep" {
			t.Errorf("%.100v", err)
		}
	}
}
