package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/usql"
)

// TestTypesAgree makes random expressions. Of each that compiles, DuckDB has to compute the type that the
// compiler says: nothing else keeps the values of a column what they are on their way.
func TestTypesAgree(t *testing.T) {
	t.Parallel()
	py := os.Getenv("TEST_DUCKDB_PYTHON")
	if py == "" {
		if strings.Contains(os.Getenv("TEST_REQUIRE"), "duckdb") {
			t.Fatal("TEST_DUCKDB_PYTHON names no Python that has the package duckdb")
		}
		t.Skip("TEST_DUCKDB_PYTHON names no Python that has the package duckdb")
	}
	d, err := start(t.Context(), py, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	if err := d.ready(); err != nil {
		t.Fatal(err)
	}
	for _, m := range prelude() {
		if _, err := d.run("CREATE MACRO " + m); err != nil {
			t.Fatal(err)
		}
	}
	r, tried, made := rand.New(rand.NewPCG(3, 4)), 0, map[string]bool{}
	for len(made) < 800 && tried < 300_000 {
		tried++
		expr := random(r, 1+r.IntN(3))
		plan, err := usql.Compile(columns+"@q = SELECT "+expr+" AS x FROM @t;\nOUTPUT @q TO \"/o\" USING Outputters.Csv();", nil)
		if err != nil || made[expr] {
			continue
		}
		made[expr] = true
		agree(t, d, plan, expr)
	}
	if len(made) < 800 {
		t.Errorf("only %d of %d expressions compile", len(made), tried)
	}
}

const columns = `@t = EXTRACT b byte, sb sbyte, sh short, us ushort, i int, n int?, u uint, l long, ul ulong, f float, d double, dn double?, m decimal, mn decimal?,
yes bool, c char, s string, z string, at DateTime, an DateTime?, g Guid FROM "/t" USING Extractors.Csv(nullEscape: "#");
`

func agree(t *testing.T, d *driver, plan usql.Plan, expr string) {
	t.Helper()
	if len(plan.Inputs) > 0 { // an expression of constants alone reads it too
		var cols []string
		for _, c := range plan.Inputs[0].Columns {
			cols = append(cols, name(c.Name)+" "+c.Kind.SQL())
		}
		if _, err := d.run("CREATE TABLE IF NOT EXISTS " + plan.Inputs[0].Table + " (" + strings.Join(cols, ", ") + ")"); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := d.run("DESCRIBE " + plan.Views[0].SQL)
	if err != nil {
		t.Errorf("%s: %v\n%s", expr, err, plan.Views[0].SQL)
		if f, ok := err.(interface{ Unwrap() error }); ok {
			t.Log(f)
		}
		return
	}
	if want := plan.Outputs[0].Columns[0].Kind.SQL(); rows[0][1] != want {
		t.Errorf("%s is a %v, want %s\n%s", expr, rows[0][1], want, plan.Views[0].SQL)
	}
}

// random makes an expression without a thought about types.
func random(r *rand.Rand, depth int) string {
	if depth == 0 {
		leaves := strings.Fields(`b sb sh us i n u l ul f d dn m mn yes c s z at an g 1 0 -3 2L 7U 1.5 2.5f 1.25m true "a" "2026-01-02" 'x' null DateTime.MinValue int.MaxValue Math.PI string.Empty`)
		return leaves[r.IntN(len(leaves))]
	}
	forms := []string{
		"(%s + %s)", "(%s - %s)", "(%s * %s)", "(%s / %s)", "(%s %% %s)", "(%s == %s)", "(%s != %s)", "(%s < %s)", "(%s && %s)", "(%s ?? %s)", "(yes ? %s : %s)",
		"(-%s)", "(!%s)", "((int) %s)", "((int?) %s)", "((double) %s)", "((decimal) %s)", "((byte) %s)", "((float?) %s)", "%s.ToString()", "%s.Trim()", "%s.Substring(%s)",
		"%s.Substring(%s, %s)", "%s.Length", "%s.Replace(%s, %s)", "%s.Contains(%s)", "%s.IndexOf(%s)", "%s.PadLeft(%s)", "%s.PadLeft(%s, %s)", "%s.ToUpper()", "%s.TrimEnd()",
		"%s.Year", "%s.Date", "%s.Millisecond", "%s.AddDays(%s)", "%s.AddMonths(%s)", "%s.HasValue", "%s.Value", "%s.GetValueOrDefault(%s)", "(%s - %s).TotalDays", "(%s - %s).Days",
		"%s.ToString(\"yyyy\")", "int.Parse(%s)", "byte.Parse(%s)", "ulong.Parse(%s)", "double.Parse(%s)", "float.Parse(%s)", "decimal.Parse(%s)", "bool.Parse(%s)", "DateTime.Parse(%s)",
		"Guid.Parse(%s)", "Convert.ToInt32(%s)", "Convert.ToInt64(%s)", "Convert.ToByte(%s)", "Convert.ToDouble(%s)", "Convert.ToDecimal(%s)", "Convert.ToString(%s)", "Convert.ToSingle(%s)",
		"Convert.ToBoolean(%s)", "Math.Abs(%s)", "Math.Round(%s)", "Math.Round(%s, 2)", "Math.Max(%s, %s)", "Math.Min(%s, %s)", "Math.Sign(%s)", "Math.Floor(%s)", "Math.Ceiling(%s)",
		"Math.Truncate(%s)", "Math.Pow(%s, %s)", "Math.Sqrt(%s)", "Math.Log(%s)", "string.IsNullOrEmpty(%s)", "string.Join(%s, %s, %s)", "string.Concat(%s, %s)", "string.Format(\"{0}-{1}\", %s, %s)",
		"new DateTime(%s, %s, %s)", "(%s IN (%s, %s))", "(%s BETWEEN %s AND %s)", "(%s LIKE %s)", "(%s IS NULL)", "(CASE WHEN %s THEN %s END)", "(CASE %s WHEN %s THEN %s ELSE %s END)",
		"SUM(%s)", "AVG(%s)", "MIN(%s)", "MAX(%s)", "COUNT(%s)", "ANY_VALUE(%s)", "STDEV(%s)", "VARP(%s)", "COUNT(DISTINCT %s)", "SUM(DISTINCT %s)", "SUM(%s) OVER (PARTITION BY %s)",
		"LAG(%s, 1, %s) OVER (ORDER BY %s)", "ROW_NUMBER() OVER (ORDER BY %s DESC)", "NTILE(%s) OVER ()", "LAST_VALUE(%s) OVER ()", "AVG(%s) OVER ()", "CUME_DIST() OVER (ORDER BY %s)",
	}
	form := forms[r.IntN(len(forms))]
	var args []any
	for range strings.Count(form, "%s") {
		args = append(args, random(r, r.IntN(depth)))
	}
	return fmt.Sprintf(form, args...)
}
