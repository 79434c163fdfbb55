package usql_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
)

// FuzzCompile: no script brings the compiler down, and each fault says where and what to do.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"DECLARE EXTERNAL @a int? = 1 + -0x1F * 2L; DECLARE @b string = @\"c:\\\" + \"\\u0041\" + 'x';",
		"@t = EXTRACT a int, d DateTime FROM \"/{d:yyyy}/{*}.csv\", \"/x/{d:yyyy}\" USING Extractors.Text(delimiter: '|', silent: true);\nOUTPUT @t TO \"/o\" ORDER BY a DESC FETCH 3 ROWS USING Outputters.Tsv(outputHeader: true);",
		frame + "CASE WHEN i IN (1, 2) THEN s.Trim().Substring(1, 2) ELSE null END AS a, (n ?? 0) / i AS b" + after,
		"@t = SELECT DISTINCT x.a, SUM(b) AS c FROM (VALUES (1, 2), (3, null)) AS x(a, b) LEFT OUTER JOIN @t AS y ON x.a == y.a WHERE a BETWEEN 1 AND 2 GROUP BY a HAVING COUNT(*) > 1 ORDER BY a OFFSET 1 ROWS FETCH NEXT 5 ROWS ONLY UNION ALL (SELECT 1 AS a FROM @q) EXCEPT DISTINCT SELECT * FROM @r;",
		"CREATE FUNCTION f() AS BEGIN @a = b; END; IF true THEN END; // c\n/* d */ @x = PROCESS @y;",
		"@q = SELECT (int?) null ?? Math.Round(1.5m) AS [a b], string.Format(\"{0:yyyy}{{\", DateTime.Now.AddDays(1)) AS c FROM @t;",
	} {
		f.Add(s)
	}
	files, err := filepath.Glob("engine/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(a.Files[0].Data))
	}
	f.Fuzz(func(t *testing.T, script string) {
		_, err := usql.Compile(script, nil)
		if err == nil {
			return
		}
		all, ok := err.(usql.Faults)
		if !ok || len(all) == 0 {
			t.Fatalf("%T %v", err, err)
		}
		for _, e := range all {
			if e.Reason == "" || e.What == "" || e.Why == "" || e.Fix == "" || !strings.HasPrefix(e.Field, "line ") || fault.CodeOf(e) == fault.Internal {
				t.Errorf("%+v", e)
			}
		}
	})
}
