package clients_test

import (
	"os/exec"
	"testing"
)

// TestV1KeepsRuns keeps runs that a script on the client's machine makes.
func TestV1KeepsRuns(t *testing.T) {
	t.Parallel()
	for _, python := range []string{"3.10", "3.11"} {
		t.Run(python, func(t *testing.T) {
			t.Parallel()
			interpreter := v1(t, python)
			b := start(t)
			out := b.must(t, script{python: interpreter, file: "v1_runs.py"})
			t.Log(out)
			holds(t, out,
				"EXPERIMENT True None {}", "TAGGED {'team': 'red'} ['by-hand'] ['by-hand'] []",
				"STARTED Running 1 first None None", "PROPERTY 400 True", "LABELS [('a', '1'), ('lr', '0.1')] ada ada 0.1",
				"NAMED renamed what it is for", ">fold-1 Running True", "KID ENDED Completed", "FAILED Failed SystemError no such luck",
				"MADE ['Running', 'Running', 'Running'] ['1', '2', '3']", "CANCELED Canceled", "CHILDREN 5 6 1 1 1", "ENDED Completed True",
				"ERROR User program failed with ValueError: a wrong turn", "RAISED ActivityFailedException True",
				"RUNS 2 8 [True] [True] [True] 1 5 0", "ORDER True", "FOUND Completed by-hand True", "MISSING 404 True", "FLUSHED", "DELETED []",
				"ARCHIVED True [] ['by-hand']", "BACK None ['by-hand']",
			)
		})
	}
}

// TestV1Widgets shows a run in Jupyter.
func TestV1Widgets(t *testing.T) {
	t.Parallel()
	interpreter := venv(t, "v1-widgets-3.11", "3.11", "azureml-core==1.61.0.post4", "azureml-widgets==1.61.0", "ipython<9", "setuptools<81")
	b := start(t)
	out := b.must(t, script{python: interpreter, file: "v1_widgets.py"})
	holds(t, out, "STATUS Completed True {'team': 'red'}", "METRICS [('accuracy', [0.5]), ('loss', [1.0, 0.5, 0.3333333333333333])]", "SHOWN True []")
}

// TestV1FollowsLogs prints every line of a run, however short it is and however it ends.
func TestV1FollowsLogs(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.11")
	b := serve(t)
	out := b.must(t, script{python: interpreter, file: "v1_logs.py", env: []string{"INTERPRETER=" + anyonesPython(t)}})
	t.Log(out)
	holds(t, out, "SHORT True Completed None", "MANY True 1", "PARTS True", "BAD True Failed ActivityFailedException True True UserError",
		"AGAIN True", "DETAILS True Failed server True main.py", "ALL ['std_log.txt'] True", "SLOW Canceled True None True")
}

// anyonesPython returns a Python that jobs can run too: a server of root gives them another user, who does not
// reach root's folders.
func anyonesPython(t testing.TB) string {
	t.Helper()
	for _, p := range []string{"/usr/bin/python3", "/usr/local/bin/python3"} {
		if exec.Command(p, "--version").Run() == nil {
			return p
		}
	}
	absent(t, "no Python of the system's")
	return ""
}
