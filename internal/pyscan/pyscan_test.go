package pyscan_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/azureml"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/pyscan"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	t.Parallel()
	x := azureml.NewIndex()
	for _, name := range []string{"submit.py", "refused.py", "notebook.ipynb"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			uses := pyscan.Script(x, name, string(raw))
			if filepath.Ext(name) == ".ipynb" {
				if uses, err = pyscan.Notebook(x, name, raw); err != nil {
					t.Fatal(err)
				}
			}
			var b strings.Builder
			for _, u := range uses {
				fmt.Fprintf(&b, "%s:%s %s %s\n", u.File, u.Place(), u.Support, u.Call)
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFlow(t *testing.T) {
	t.Parallel()
	x := azureml.NewIndex()
	const head = "from azureml.core import Workspace, Run, Experiment\nimport azureml.core as ac\n"
	for _, tc := range []struct{ reason, src, want string }{
		{"a name that is not of the SDK", "run.log('a', 1)", ""},
		{"another package's", "from mylib import Run\nRun.get_context().log('a', 1)", ""},
		{"a chain", "Run.get_context().log('a', 1)", "3 Run.get_context, 3 Run.log"},
		{"through a module", "ac.Run.get_context()", "3 Run.get_context"},
		{"a function's result", "def f():\n  return Run.get_context()\nf().log('a', 1)", "4 Run.get_context, 5 Run.log"},
		{"a function's argument", "def f(r):\n  r.log('a', 1)\nf(Run.get_context())", "4 Run.log, 5 Run.get_context"},
		{"a function's annotation", "def f(r: Run): r.log('a', 1)", "3 Run.log"},
		{"a name set after the function", "def f():\n  run.log('a', 1)\nrun = Run.get_context()", "4 Run.log, 5 Run.get_context"},
		{"a local name", "run = Run.get_context()\ndef f(run=None):\n  run.log('a', 1)", "3 Run.get_context"},
		{"a new value", "run = Run.get_context()\nrun = 3\nrun.log('a', 1)", "3 Run.get_context"},
		{"a comparison", "x = Run.get_context() == 3\nx.log('a', 1)", "3 Run.get_context"},
		{"an unfinished string", "run = Run.get_context()\nx = '\nrun.log('a', 1)", "3 Run.get_context, 5 Run.log"},
		{"an unfinished bracket", "Run.get_context(", "3 Run.get_context"},
		{"in an f-string", "f'{Run.get_context()}'", ""},
		{"with a backslash", "Run.\\\n  get_context()", "4 Run.get_context"},
		{"items", "for n, e in Workspace.from_config().experiments.items():\n  e.archive()", "3 Workspace.from_config, 4 Experiment.archive"},
		{"in one line", "for r in Experiment(1, 2).get_runs(): r.cancel()", "3 Experiment(), 3 Experiment.get_runs, 3 Run.cancel"},
		{"an unknown name", "Run.get_context().fly()", "3 Run.get_context, 3 Run.fly unknown"},
	} {
		var got []string
		for _, u := range pyscan.Script(x, "f", head+tc.src) {
			s := u.Place() + " " + u.Call
			if u.Support == pyscan.Unknown {
				s += " unknown"
			}
			got = append(got, s)
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
}

func TestNoNotebook(t *testing.T) {
	t.Parallel()
	if _, err := pyscan.Notebook(azureml.NewIndex(), "f", []byte("no JSON")); fault.ReasonOf(err) != "NotebookInvalid" {
		t.Errorf("got %v", err)
	}
}

func FuzzScript(f *testing.F) {
	raw, err := os.ReadFile("testdata/submit.py")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw))
	f.Add("def f(")
	f.Add("from azureml.core import (")
	f.Add("for in in in: with as as def")
	x := azureml.NewIndex()
	f.Fuzz(func(_ *testing.T, src string) { pyscan.Script(x, "f", src) })
}
