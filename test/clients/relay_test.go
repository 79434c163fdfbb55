package clients_test

import (
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

// sameUser has the server run code as itself, which can read the tests' environments.
const sameUser = "ZAFFRE_LOCAL_USER=same"

// finished waits until a run has ended, and returns what it printed.
func (b *box) finished(t testing.TB, id, state string) string {
	t.Helper()
	var log strings.Builder
	if err := b.FollowRunLog(t.Context(), "default", id, client.LogOptions{}, func(text string) error { log.WriteString(text); return nil }); err != nil {
		t.Fatal(err)
	}
	var r client.Run
	deadline := time.Now().Add(3 * time.Minute)
	for r.State != state {
		var err error
		if r, err = b.Run(t.Context(), "default", id); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the run is %s, not %s: %s", r.State, state, log.String())
		}
		<-time.After(50 * time.Millisecond)
	}
	return log.String()
}

// logged are the latest values of a run's metrics.
func (b *box) logged(t testing.TB, id string) map[string]client.Number {
	t.Helper()
	list, err := b.Metrics(t.Context(), "default", id)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]client.Number{}
	for _, m := range list {
		out[m.Name] = m.Value
	}
	return out
}

// TestMLflowInsideARun: the real package logs to the run in which it is, and to that one only.
func TestMLflowInsideARun(t *testing.T) {
	t.Parallel()
	python := mlflowVersions["3.17"](t)
	b := serve(t, sameUser)
	const script = `
import mlflow, os
mlflow.log_metric("loss", 0.25, step=3)
mlflow.log_param("depth", 4)
open("note.txt", "w").write("kept")
mlflow.log_artifact("note.txt")
print("SAME", mlflow.active_run().info.run_id == os.environ["ZAFFRE_RUN_ID"])
import requests
print("PUBLIC", open(os.environ["REQUESTS_CA_BUNDLE"]).read().count("BEGIN CERTIFICATE") > 50)
home = os.environ["MLFLOW_TRACKING_URI"]
print("STRANGER", requests.post(home + "/api/2.0/mlflow/runs/search", json={}).status_code)
`
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Name: "inside", Compute: "server", Command: []string{python, "-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, b.finished(t, r.ID, "Completed"), "SAME True", "PUBLIC True", "STRANGER 401")
	if got := b.logged(t, r.ID); got["loss"] != 0.25 {
		t.Errorf("metrics are %v", got)
	}
}

// TestRelayOnAMachine: a machine that cannot reach the server by any address of its own does by the relay, and so
// does another user of the server's.
func TestRelayOnAMachine(t *testing.T) {
	t.Parallel()
	c := realMachine(t)
	b := serve(t)
	_, err := b.AttachCompute(t.Context(), "default", client.Compute{Name: "gpu-box", Kind: "sshvm", Options: map[string]any{
		"address": c.address, "administratorAccount.username": c.user, "administratorAccount.password": c.password,
	}})
	if err != nil {
		t.Fatal(err)
	}
	const script = `
import json, os, ssl, time, urllib.request
tls = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
def ask(path, body):
    r = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/" + path, json.dumps(body).encode(),
        {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(r, context=tls))
print("ANSWER", ask("runs/log-metric", {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": 0.5, "timestamp": int(time.time() * 1000), "step": 1}))
`
	for _, compute := range []string{"server", "gpu-box"} {
		r, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: compute, Command: []string{"python3", "-c", script}})
		if err != nil {
			t.Fatal(err)
		}
		holds(t, b.finished(t, r.ID, "Completed"), "ANSWER {}")
		if got := b.logged(t, r.ID); got["loss"] != 0.5 {
			t.Errorf("metrics on %s are %v", compute, got)
		}
	}
}

// TestShortScriptsLoseNothing: azureml-core posts metrics from a thread; whatever way a script ends, they arrive.
func TestShortScriptsLoseNothing(t *testing.T) {
	t.Parallel()
	b := serve(t, sameUser)
	for _, version := range []string{"3.10", "3.11"} {
		python := v1(t, version)
		script := `
one() { printf '%s\n' "from azureml.core import Run" "import sys, os" "Run.get_context().log('$1', 1.0)" "$2" >"$1.py"; }
one ends "";          $PY ends.py
one exits "sys.exit(3)"; $PY exits.py; echo "EXIT $?"
one raises "raise ValueError('no such luck')"; $PY raises.py; echo "RAISED $?"
one module "";        $PY -m module
one nested "";        sh -c "$PY nested.py"
one many "[Run.get_context().log('series', float(i)) for i in range(200)]"; $PY many.py
`
		r, err := b.Submit(t.Context(), "default", client.RunRequest{
			Name: "short-" + version, Compute: "server", Command: []string{"sh", "-c", script}, Variables: map[string]string{"PY": python},
		})
		if err != nil {
			t.Fatal(err)
		}
		out := b.finished(t, r.ID, "Completed")
		holds(t, out, "EXIT 3", "RAISED 1", "no such luck")
		got := b.logged(t, r.ID)
		for _, name := range []string{"ends", "exits", "raises", "module", "nested", "many"} {
			if got[name] != 1 {
				t.Errorf("%s: %s is lost: %v\n%s", version, name, got, out)
			}
		}
		if got["series"] != 199 {
			t.Errorf("%s: the last of many is %v", version, got["series"])
		}
	}
}
