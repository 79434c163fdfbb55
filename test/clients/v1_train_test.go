package clients_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// trained is what v1_train.py prints wherever the run was, up to its kind of environment.
var trained = []string{
	"submitted True True", "context _SubmittedRun ", "note it's \"quoted\" 東京", "the last line", "STATUS Completed azureml.scriptrun",
	"METRICS ['loss', 'point', 'slope', 'squares', 'table'] 2.0 [1.0, 0.5, 0.3333333333333333, 0.25, 0.2] [1, 4, 9, 16] {'x': 1, 'y': 2.5} {'a': [1, 2], 'b': [0.5, 0.25]}",
	"TAGS red 0.5 True", "CHILDREN [('>fold-1', 'Completed', {'accuracy': 0.75})]", "FILES ['extra/late.txt', 'outputs/model.json']",
	`DOWNLOADED {"slope": 2.0, "alpha": 0.5}`, "PREFIX uploaded by hand", "LOGGED True train.py", "1 {'area': 'line'} True",
	`MODEL AT {"slope": 2.0, "alpha": 0.5}`, "FOUND True [True]", "SECOND Completed True", "SHORT {'only': 42}", "BAD Failed True True", "SLOW Canceled",
}

// TestV1TrainsOnTheServer submits to the server's own machine.
func TestV1TrainsOnTheServer(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.11")
	b := serve(t)
	out := b.must(t, script{python: interpreter, file: "v1_train.py", env: []string{"TARGET=server", "ENVIRONMENT=conda"}})
	holds(t, out, trained...)
	b.kept(t, out)
}

// TestV1TrainsOnAMachine submits to a machine behind SSH, which has no packages but those that are brought.
func TestV1TrainsOnAMachine(t *testing.T) {
	t.Parallel()
	c, interpreter := realMachine(t), v1(t, "3.11")
	b := serve(t)
	b.keep(t, virtualMachine("gpu"), c.address)
	attach := strings.NewReplacer("<resource_id>", virtualMachine("gpu"), "<username>", c.user, "<password>", c.password).Replace(`
from azureml.core import Workspace
from azureml.core.compute import ComputeTarget, RemoteCompute
ws = Workspace.from_config()
config = RemoteCompute.attach_configuration(resource_id="<resource_id>", ssh_port=22, username="<username>", password="<password>")
compute = ComputeTarget.attach(ws, "gpu-box", config)
compute.wait_for_completion(show_output=True)
`)
	b.must(t, script{python: interpreter, text: attach})
	out := b.must(t, script{python: interpreter, file: "v1_train.py", env: []string{"TARGET=gpu-box", "ENVIRONMENT=conda"}})
	holds(t, out, trained...)
	b.kept(t, out, c.password)
}

// TestV1TrainsInAnImage submits to the server's own machine what is to run in an image.
func TestV1TrainsInAnImage(t *testing.T) {
	t.Parallel()
	engine := os.Getenv("TEST_DOCKER")
	if engine == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "docker") {
			t.Fatal("TEST_REQUIRE names docker, and TEST_DOCKER is not set")
		}
		t.Skip(`needs a Docker Engine: test/engines/docker.sh up; eval "$(test/engines/docker.sh env)"`)
	}
	interpreter := v1(t, "3.11")
	b := serve(t, "DOCKER_HOST="+engine, "ZAFFRE_LOCAL_USER=same")
	out := b.must(t, script{python: interpreter, file: "v1_train.py", env: []string{"TARGET=server", "ENVIRONMENT=docker", "IMAGE=" + os.Getenv("TEST_DOCKER_IMAGE")}})
	holds(t, out, trained...)
	b.kept(t, out)
}

// kept fails if a secret was printed, logged or stored.
func (b *box) kept(t testing.TB, out string, secrets ...string) {
	t.Helper()
	for _, secret := range append(secrets, b.profile.Token) {
		if strings.Contains(out, secret) || strings.Contains(b.log.String(), secret) {
			t.Error("a secret was printed or logged")
		}
	}
}

// TestV1Document runs the document's blocks for a virtual machine from the first line to the last, with a
// script of the user's own.
func TestV1Document(t *testing.T) {
	t.Parallel()
	dir, c, interpreter := snippets(t), realMachine(t), v1(t, "3.10")
	b := serve(t)
	b.keep(t, virtualMachine("gpu"), c.address)
	raw, err := os.ReadFile(filepath.Join(dir, "remote_vm_run.py"))
	if err != nil {
		t.Fatal(err)
	}
	text := prelude + `
open("train.py", "w").write("import sklearn, azureml.core\nfrom sklearn.datasets import load_iris\nfrom sklearn.linear_model import LogisticRegression\nx, y = load_iris(return_X_y=True)\nprint('SCORE', LogisticRegression(max_iter=500).fit(x, y).score(x, y) > .9)\n")
` + filled(t, dir, "remote_vm_attach.py", c) + "\n" + string(raw) + `
from azureml.core import Experiment
run = Experiment(ws, "document").submit(src)
run.wait_for_completion(show_output=True)
print("STATUS", run.get_status())
`
	out := b.must(t, script{python: interpreter, text: text})
	holds(t, out, "SCORE True", "STATUS Completed")
}
