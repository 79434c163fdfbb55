package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/engine"
)

const copying = `@t = EXTRACT a int FROM "/in.csv" USING Extractors.Csv();
OUTPUT @t TO "/out.csv" USING Outputters.Csv();
OUTPUT @t TO "/folder" USING Outputters.Csv();`

// place makes a store with the script's files, and returns the script's plan.
func place(t *testing.T, script string) (string, *os.Root, usql.Plan) {
	t.Helper()
	store := t.TempDir()
	write(t, filepath.Join(store, "in.csv"), "1\n")
	write(t, filepath.Join(store, "out.csv"), "old")
	root, err := os.OpenRoot(store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	plan, err := usql.Compile(script, nil)
	if err != nil {
		t.Fatal(err)
	}
	return store, root, plan
}

func fakePython(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPythonFails(t *testing.T) {
	t.Parallel()
	_, root, plan := place(t, copying)
	for _, tc := range []struct{ python, reason, evidence string }{
		{filepath.Join(t.TempDir(), "gone"), "PythonMissing", ""},
		{fakePython(t, `echo '{"missing": "No module named duckdb"}'; exit 3`), "DuckDBMissing", ""},
		{fakePython(t, `echo '{"version": "1.3.2"}'; sleep 0.1`), "DuckDBTooOld", ""},
		{fakePython(t, `echo "out of memory" >&2; exit 1`), "DuckDBStopped", "out of memory"},
		{fakePython(t, `echo nonsense; sleep 0.1`), "DuckDBStopped", ""},
	} {
		_, err := engine.Run(t.Context(), plan, engine.Options{Store: root, Python: tc.python, Work: t.TempDir()})
		if fault.ReasonOf(err) != tc.reason || !strings.Contains(strings.Join(fault.From(err).Evidence, ""), tc.evidence) {
			t.Errorf("%s: %+v", tc.python, err)
		}
	}
}

// TestNothingIsHalf: an output that cannot get its name leaves no temporary file behind, and a run that fails
// before leaves the files of the last one.
func TestNothingIsHalf(t *testing.T) {
	t.Parallel()
	py := python(t)
	store, root, plan := place(t, copying)
	write(t, filepath.Join(store, "folder", "x"), "")
	work := t.TempDir()
	_, err := engine.Run(t.Context(), plan, engine.Options{Store: root, Python: py, Work: work})
	if fault.ReasonOf(err) != "OutputUnwritable" {
		t.Error(err)
	}
	write(t, filepath.Join(store, "in.csv"), "1\nx\n")
	if _, err = engine.Run(t.Context(), plan, engine.Options{Store: root, Python: py, Work: work}); fault.ReasonOf(err) != "ValueInvalid" {
		t.Error(err)
	}
	got := content(t, store)
	if len(got) != 3 || got["out.csv"] != "old" || len(content(t, work)) != 0 {
		t.Errorf("%v %v", got, content(t, work))
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	py := python(t)
	_, root, plan := place(t, copying)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Run(ctx, plan, engine.Options{Store: root, Python: py, Work: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestManyFiles: the order of the rows is that of the files' names, on however many processors.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	py := python(t)
	store, root, plan := place(t, "@t = EXTRACT n string, a int FROM \"/many/{n}.csv\" USING Extractors.Csv();\nOUTPUT @t TO \"/out.csv\" USING Outputters.Csv(rowDelimiter: \"\\n\");")
	want := ""
	for i := range 26 {
		n := string(rune('a' + i))
		write(t, filepath.Join(store, "many", n+".csv"), "1\n2\n")
		want += `"` + n + "\",1\n\"" + n + "\",2\n"
	}
	result, err := engine.Run(t.Context(), plan, engine.Options{Store: root, Python: py, Work: t.TempDir()})
	if got := content(t, store)["out.csv"]; err != nil || got != want || len(result.Inputs) != 26 || result.Outputs[0].Rows != 52 {
		t.Errorf("%v %+v\n%s", err, result, got)
	}
}

// TestQueryFails: where DuckDB fails in a way that no macro knows, its words are the evidence.
func TestQueryFails(t *testing.T) {
	t.Parallel()
	py := python(t)
	_, root, plan := place(t, "@t = SELECT * FROM (VALUES (2147483647)) AS v(n);\n@u = SELECT n + 1 AS m FROM @t;\nOUTPUT @u TO \"/o.csv\" USING Outputters.Csv();")
	_, err := engine.Run(t.Context(), plan, engine.Options{Store: root, Python: py, Work: t.TempDir()})
	if fault.ReasonOf(err) != "QueryFailed" || !strings.Contains(strings.Join(fault.From(err).Evidence, ""), "Overflow") {
		t.Errorf("%+v", err)
	}
}

// TestTooLittleMemory: DuckDB says so, and a little more will do.
func TestTooLittleMemory(t *testing.T) {
	t.Parallel()
	py := python(t)
	store, root, plan := place(t, `@t = EXTRACT a int FROM "/many.csv" USING Extractors.Csv();
@u = SELECT a, COUNT(*) AS n FROM @t GROUP BY a;
OUTPUT @u TO "/out2.csv" ORDER BY n USING Outputters.Csv();`)
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintln(&many, i)
	}
	write(t, filepath.Join(store, "many.csv"), many.String())
	for memory, reason := range map[int64]string{1 << 20: "OutOfMemory", 1 << 30: ""} {
		_, err := engine.Run(t.Context(), plan, engine.Options{Store: root, Python: py, Work: t.TempDir(), Memory: memory, Threads: 1})
		if fault.ReasonOf(err) != reason {
			t.Errorf("with %d bytes: %+v", memory, err)
		}
	}
}

// TestTell: who asks for it is told of each step, and the names of outputs that are not whole can be foretold.
func TestTell(t *testing.T) {
	t.Parallel()
	py := python(t)
	store, root, plan := place(t, copying)
	write(t, filepath.Join(store, "folder", "x"), "")
	var mu sync.Mutex
	var got []string
	_, err := engine.Run(t.Context(), plan, engine.Options{Store: root, Python: py, Work: t.TempDir(), Mark: "me", Tell: func(s engine.Step, f engine.File) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprint(s, " ", f.Path, " ", f.Rows))
		if _, err := root.Stat(engine.Staged("out.csv", "me", 0)); (err == nil) != (f.Path == "folder") {
			t.Errorf("while it is %s %s, the first output is staged: %v", s, f.Path, err == nil)
		}
	}})
	if fault.ReasonOf(err) != "OutputUnwritable" {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"reading in.csv 0", "read in.csv 1", "computing out.csv 0", "computing folder 0"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
