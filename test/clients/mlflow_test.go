package clients_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// mlflowVersions are those of MLflow that are tested.
var mlflowVersions = map[string]func(t testing.TB) string{
	"2.22": func(t testing.TB) string { return venv(t, "mlflow2-3.11", "3.11", "mlflow==2.22.5", "setuptools<81") },
	"3.17": func(t testing.TB) string { return venv(t, "mlflow3-3.11", "3.11", "mlflow==3.17.2") },
}

// tracking are the variables of a client of MLflow with a token.
func (b *box) tracking(t testing.TB, role string) []string {
	t.Helper()
	p, err := b.CreateToken(t.Context(), client.Token{Name: "mlflow", Workspace: "default", Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"MLFLOW_TRACKING_URI=" + b.profile.URL, "MLFLOW_TRACKING_TOKEN=" + p.Secret, "REQUESTS_CA_BUNDLE=" + b.ca,
		"MLFLOW_HTTP_REQUEST_MAX_RETRIES=1", "GIT_PYTHON_REFRESH=quiet", "MLFLOW_DISABLE_TELEMETRY=true", "PYTHONWARNINGS=ignore",
	}
}

func TestMLflow(t *testing.T) {
	t.Parallel()
	for version, python := range mlflowVersions {
		for _, file := range []struct{ name, says string }{{"mlflow_all.py", "ALL WELL " + version}, {"mlflow_model.py", "LEARNED " + version}} {
			t.Run(version+"/"+file.name, func(t *testing.T) {
				t.Parallel()
				interpreter := python(t)
				b := start(t)
				out := b.must(t, script{python: interpreter, file: file.name, plain: true, env: b.tracking(t, "Contributor")})
				holds(t, out, file.says)
			})
		}
	}
}

// TestMLflowSearch compares what filters find with what MLflow's own server finds in the same data.
func TestMLflowSearch(t *testing.T) {
	t.Parallel()
	interpreter := mlflowVersions["3.17"](t)
	b := start(t)
	ours := found(t, b.must(t, script{python: interpreter, file: "mlflow_search.py", plain: true, env: b.tracking(t, "Contributor")}))
	theirs := found(t, b.must(t, script{python: interpreter, file: "mlflow_search.py", plain: true, env: []string{"MLFLOW_TRACKING_URI=" + mlflowServer(t, interpreter)}}))
	if len(theirs) < 50 {
		t.Fatalf("only %d answers", len(theirs))
	}
	for question, why := range differs {
		if cmp.Equal(theirs[question], ours[question]) {
			t.Errorf("%s: no difference any more: %s", question, why)
		}
		delete(theirs, question)
		delete(ours, question)
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("MLflow's server finds something else (-want +got):\n%s", diff)
	}
}

// differs are the questions that zaffre answers in another way, and why.
var differs = map[string]string{
	"filter attributes.run_name IN ('Run_01', 'Run_02')": "MLflow takes IN for run_id only",
	"filter metrics.i IS NULL":                           "MLflow takes IS NULL for parameters and tags only",
}

func found(t testing.TB, out string) (answers map[string]any) {
	t.Helper()
	_, raw, _ := strings.Cut(out, "RESULT ")
	if err := json.Unmarshal([]byte(strings.SplitN(raw, "\n", 2)[0]), &answers); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return answers
}

// mlflowServer starts MLflow's own server with SQLite.
func mlflowServer(t testing.TB, python string) string {
	t.Helper()
	port, err := rig.Port()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(python), "mlflow"), "server", "--host", "127.0.0.1", "--port", fmt.Sprint(port),
		"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "mlflow.db"), "--artifacts-destination", dir, "--workers", "1")
	log := &buffer{}
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, log, log, 5*time.Second
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	deadline := time.Now().Add(3 * time.Minute)
	for {
		resp, err := http.Get(url + "/health")
		if err == nil {
			resp.Body.Close()
			return url
		}
		if time.Now().After(deadline) {
			t.Fatalf("MLflow's server did not start: %s", lastLines(log.String(), 20))
		}
		<-time.After(100 * time.Millisecond)
	}
}

func TestAzureMLflow(t *testing.T) {
	t.Parallel()
	interpreter := venv(t, "azureml-mlflow-3.11", "3.11", "azureml-mlflow==1.62.0.post6", "mlflow-skinny==2.22.5", "azure-identity==1.27.0", "setuptools<81")
	b := start(t)
	c := b.writeConfig(t, t.TempDir())
	for _, version := range []string{"v1.0", "v2.0"} {
		path := "/mlflow/" + version + "/subscriptions/" + c.Subscription + "/resourceGroups/" + c.Group + "/providers/Microsoft.MachineLearningServices/workspaces/" + c.Workspace
		uri := "azureml://" + strings.TrimPrefix(b.profile.URL, "https://") + path
		out := b.must(t, script{python: interpreter, file: "mlflow_azure.py", env: []string{"AZUREML_URI=" + uri}})
		holds(t, out, "AZURE WELL")
	}
}
