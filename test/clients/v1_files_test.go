package clients_test

import (
	"math"
	"regexp"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
)

// TestV1KeepsWhatRunsLeave logs metrics, uploads files and registers models with azureml-core, and reads them back.
func TestV1KeepsWhatRunsLeave(t *testing.T) {
	t.Parallel()
	for _, python := range []string{"3.10", "3.11"} {
		t.Run(python, func(t *testing.T) {
			t.Parallel()
			interpreter := v1(t, python)
			b := start(t)
			out := b.must(t, script{python: interpreter, file: "v1_files.py"})
			holds(t, out,
				"METRIC big 1152921504606846976\n", "METRIC flag True\n", "METRIC inf -inf\n", "METRIC list [1, 2, 2]\n",
				"METRIC many [0.0, 0.5, 1.0]\n", "METRIC mixed [1.0, 2.5, nan]\n", "METRIC one 0.5\n", "METRIC row {'x': 1, 'y': 2.5, 'z': 'NaN'}\n",
				"METRIC rows {'x': [0, 1, 2], 'y': [None, 0.5, 1.0]}\n", "METRIC same [1, 1, 1]\n",
				"METRIC table {'a': [1, 2], 'b': [0.5, 0.25], 'c': ['u', 'v']}\n", "METRIC text hello\n", "METRIC whole 42\n", "METRIC words ['a', 'NaN']\n",
				"NAN True True", "NAMED {'many': [0.0, 0.5, 1.0]} {}", "BURST True", "POPULATED [[1, 2], [3, 4]] True",
				"FILES ['model/b.txt', 'model/deep/c d.txt', 'up/a.txt', 'up/x.txt', 'up/y.txt']", "GOT first 東京", "MISSING UserErrorException True True",
				"MODEL single:1 1 {'area': 'x'} {'p': '1'} ScikitLearn 1.5 a file True files", "DOWNLOADED models-single1/a.txt first",
				"MODEL folder:1 1 {'area': 'y'} {} ", "DOWNLOADED models-folder1/model ['b.txt', 'deep/c d.txt']",
				"MODEL folder:2 2 {'from': 'here'} {} ", "DOWNLOADED models-folder2/folder ['b.txt', 'deep/c d.txt']",
				"MODEL local-file:1 1 {} {} ", "DOWNLOADED models-local-file1/a.txt first",
				"LIST ['folder:2', 'folder:1', 'local-file:1', 'single:1'] ['folder:2', 'local-file:1', 'single:1']",
				"BY ['folder:2', 'folder:1'] ['folder:1'] ['folder:1', 'single:1'] ['single:1'] ['folder:1', 'single:1'] ['folder:2', 'folder:1', 'local-file:1', 'single:1']",
				"GET 2 1 1 1 ['folder', 'local-file', 'single']", "CHANGED {'more': 'tag'} {'p': '1', 'q': '2'} another",
				"NO MODEL [True, True, True]", "DELETED 1 ['folder:1']", "NEXT 3",
			)
			id := regexp.MustCompile(`(?m)^RUN (\S+)$`).FindStringSubmatch(out)
			if id == nil {
				t.Fatalf("no run in:\n%s", out)
			}
			b.sharedMetrics(t, interpreter, id[1])
		})
	}
}

// sharedMetrics reads scalars of SDK v1 as everybody else does, and has the SDK read what was logged natively.
func (b *box) sharedMetrics(t *testing.T, interpreter, run string) {
	t.Helper()
	list, err := b.Metrics(t.Context(), "default", run)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, m := range list {
		if m.Kind == "scalar" {
			got[m.Name] = float64(m.Value)
		}
	}
	if got["one"] != .5 || got["many"] != 1 || got["whole"] != 42 || !math.IsNaN(got["nan"]) {
		t.Errorf("natively the metrics are %v", got)
	}
	if err := b.LogMetrics(t.Context(), "default", run, []client.Point{{Name: "native", Value: 2}, {Name: "native", Value: 3, Step: 1}}); err != nil {
		t.Fatal(err)
	}
	out := b.must(t, script{python: interpreter, text: prelude + `
print("NATIVE", ws.get_run("` + run + `").get_metrics("native"))
`})
	holds(t, out, "NATIVE {'native': [2.0, 3.0]}")
}
