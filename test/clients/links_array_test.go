package clients_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
)

// taskLogs is a task that logs three points, and the rest when the server is gone. $1 is a folder of the test.
const taskLogs = `
import json, os, ssl, sys, time, urllib.request
tls, task = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"]), os.environ["SLURM_ARRAY_TASK_ID"]
kept = 0
def log(step):
    global kept
    request = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric",
        json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss-" + task, "value": step / 4, "timestamp": int(time.time() * 1000), "step": step}).encode(),
        {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"})
    kept += (urllib.request.urlopen(request, context=tls).headers.get("Warning") or "").startswith("112")
def wait(name):
    while not os.path.exists(os.path.join(sys.argv[1], name)): time.sleep(0.05)
for step in range(3): log(step)
open(os.path.join(sys.argv[1], "begun-" + task), "w")
wait("gone")
for step in range(3, 40): log(step)
if task == "9": wait("last")
open(os.path.join(sys.argv[1], "over-" + task), "w").write(str(kept))
`

// TestArrayWhileTheServerIsAway: tasks of an array begin, log and end while the server is dead. What those have logged that
// have ended arrives when it is back, not only when the last task has ended; each point once.
func TestArrayWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	conf, shared := need(t, "TEST_SLURM", "slurm"), t.TempDir()
	b := mortalServer(t, sameUser)
	_, err := b.AttachCompute(t.Context(), "default", client.Compute{Name: "hpc", Kind: "batch", Shared: true, Options: map[string]any{
		"slurm": "server", "slurmConf": conf, "workDirectory": t.TempDir(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: "hpc", Options: map[string]any{"array": "0-9%4"}, Command: []string{"python3", "-c", taskLogs, shared},
	})
	if err != nil {
		t.Fatal(err)
	}
	has := func(pattern string, n int) func() bool {
		return func() bool { found, _ := filepath.Glob(filepath.Join(shared, pattern)); return len(found) >= n }
	}
	eventually(t, "four tasks", has("begun-*", 4))
	b.kill()
	write(t, filepath.Join(shared, "gone"))
	eventually(t, "nine ends", has("over-*", 9))
	b.start(t)
	eventually(t, "the points of nine tasks", func() bool {
		list, err := b.Metrics(t.Context(), "default", r.ID)
		whole := 0
		for _, m := range list {
			if m.Points >= 40 && m.Name != "loss-9" {
				whole++
			}
		}
		return err == nil && whole == 9
	})
	eventually(t, "a run that goes on: one task is to go", func() bool {
		now, err := b.Run(t.Context(), "default", r.ID)
		return err == nil && now.State == "Running"
	})
	write(t, filepath.Join(shared, "last"))
	log := b.finished(t, r.ID, "Completed")
	if n := strings.Count(log, " ended with exit code 0"); n != 10 {
		t.Errorf("%d tasks ended:\n%s", n, log)
	}
	for task := range 10 {
		b.inOrder(t, r.ID, fmt.Sprint("loss-", task), 40)
		kept, err := os.ReadFile(filepath.Join(shared, fmt.Sprint("over-", task)))
		n, nan := strconv.Atoi(string(kept))
		if err != nil || nan != nil || task < 4 && n < 37 || task < 9 && n == 0 {
			t.Errorf("of task %d %q writes were kept, %v", task, kept, err)
		}
	}
}

func write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
