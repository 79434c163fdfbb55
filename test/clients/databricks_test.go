package clients_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/zaffre-ml/zaffre/test/rig"
)

// workspace starts the simulator of Databricks.
func workspace(t testing.TB) *rig.Databricks {
	t.Helper()
	bin, err := rig.BuildDatabricks(t.Context(), t.TempDir())
	if err != nil {
		absent(t, err.Error())
	}
	d, err := rig.StartDatabricks(bin, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	return d
}

// TestDatabricksClientsTakeTheSimulator drives the simulator by the official clients: what they send it takes, and what
// it says they understand. Each path that it has is asked by one of them.
func TestDatabricksClientsTakeTheSimulator(t *testing.T) {
	t.Parallel()
	d := workspace(t)
	bin := filepath.Join(t.TempDir(), "client")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./client")
	build.Dir = filepath.Join("..", "engines", "databricks")
	if out, err := build.CombinedOutput(); err != nil {
		absent(t, "databricks-sdk-go cannot be built: "+string(out))
	}
	ask := func(name string, args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), scriptWithin)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = append(os.Environ(), "DATABRICKS_HOST="+d.URL, "DATABRICKS_TOKEN="+d.Token)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		return string(out)
	}
	holds(t, ask(bin), "client 0.60.0 user ada@example.com workspace 1234567890123456",
		"dbfs second 6 0 2 12", "dbfs gone true", "volume without folder true", "volume text 7 6 4", "volume full true",
		`run good TERMINATED SUCCESS SUCCESS "go ['0', '0']\n" ""`, `run bad TERMINATED FAILED RUN_EXECUTION_ERROR "go ['3', '0']\n" "SystemExit: 3"`,
		"active 1 delete The run is active and cannot be deleted.", "run long TERMINATED CANCELED USER_CANCELED",
		"same true output of the whole true", "deleted true again The run of the idempotency token 'go-good' was deleted.",
		"cluster Cluster 0101-000000-none does not exist", "token The idempotency token has more than 64 characters.", "new cluster Missing required field",
		"cluster TERMINATED\ncluster RUNNING\n", "notebook NOTEBOOK b!")
	python := venv(t, "databricks-3.11", "3.11", "databricks-sdk==0.156.0")
	holds(t, ask(python, filepath.Join("testdata", "dbx.py")), "client 0.156.0 user ada@example.com workspace 1234567890123456",
		"dbfs ['/py/train.py'] True", "same True waited SUCCESS", "active ['py-long']", "run py-bad FAILED RUN_EXECUTION_ERROR 'SystemExit: 3'",
		"run py-long CANCELED USER_CANCELED", "missing run ResourceDoesNotExist Run 424242 does not exist.", "missing cluster ResourceDoesNotExist",
		"volume b'bytes' ['a b']", "unknown field 400 Unknown field: tasks[0].spark_python_task.parameter", "wrong token 403 Invalid access token.")
	calls, err := d.Counts("calls")
	for path, n := range calls {
		if n == 0 || err != nil {
			t.Errorf("no official client asked %s, %v", path, err)
		}
	}
}
