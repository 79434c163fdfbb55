package clients_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
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

// TestV1TrainsLocally has the client itself run the script, in an environment that it makes and in one that is there.
func TestV1TrainsLocally(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.11")
	for _, environment := range []string{"conda", "user"} {
		t.Run(environment, func(t *testing.T) {
			t.Parallel()
			b := serve(t)
			out := b.must(t, script{python: interpreter, file: "v1_train.py", env: []string{"TARGET=local", "ENVIRONMENT=" + environment, "INTERPRETER=" + interpreter}})
			holds(t, out, append([]string{"GONE True"}, trained...)...)
			b.kept(t, out)
		})
	}
}

// attachMachine attaches the machine of realMachine as gpu-box.
func (b *box) attachMachine(t testing.TB, interpreter string, c computer) {
	t.Helper()
	b.keep(t, virtualMachine("gpu"), c.address)
	b.must(t, script{python: interpreter, text: strings.NewReplacer("<resource_id>", virtualMachine("gpu"), "<username>", c.user, "<password>", c.password).Replace(`
from azureml.core import Workspace
from azureml.core.compute import ComputeTarget, RemoteCompute
ws = Workspace.from_config()
config = RemoteCompute.attach_configuration(resource_id="<resource_id>", ssh_port=22, username="<username>", password="<password>")
compute = ComputeTarget.attach(ws, "gpu-box", config)
compute.wait_for_completion(show_output=True)
`)})
}

// TestV1TrainsOnAMachine submits to a machine behind SSH, which has no packages but those that are brought.
func TestV1TrainsOnAMachine(t *testing.T) {
	t.Parallel()
	c, interpreter := realMachine(t), v1(t, "3.11")
	b := serve(t)
	b.attachMachine(t, interpreter, c)
	out := b.must(t, script{python: interpreter, file: "v1_train.py", env: []string{"TARGET=gpu-box", "ENVIRONMENT=conda"}})
	holds(t, out, trained...)
	b.kept(t, out, c.password)
}

// TestV1TrainsWithAnInterpreterOfTheMachine submits to a machine behind SSH, on which somebody has made an environment.
func TestV1TrainsWithAnInterpreterOfTheMachine(t *testing.T) {
	t.Parallel()
	c, interpreter := realMachine(t), v1(t, "3.11")
	b := serve(t)
	b.attachMachine(t, interpreter, c)
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: "gpu-box", Command: []string{"sh", "-ec", `
python3 -m venv ~/v1-user.new && ~/v1-user.new/bin/pip install -q azureml-core==1.61.0.post4 "setuptools<81" && rm -rf ~/v1-user && mv ~/v1-user.new ~/v1-user`}})
	if err != nil {
		t.Fatal(err)
	}
	b.finished(t, r.ID, "Completed")
	out := b.must(t, script{python: interpreter, file: "v1_train.py", env: []string{
		"TARGET=gpu-box", "ENVIRONMENT=user", "INTERPRETER=/home/" + c.user + "/v1-user/bin/python",
	}})
	holds(t, out, trained...)
	b.kept(t, out, c.password)
}

// TestV1TrainsInAnImage submits what is to run in an image, to the server's own machine and to one behind SSH.
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
	for _, target := range []string{"server", "gpu-box"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			b := serve(t, "DOCKER_HOST="+engine, "ZAFFRE_LOCAL_USER=same")
			if target == "gpu-box" {
				b.attachShared(t)
			}
			out := b.must(t, script{python: interpreter, file: "v1_train.py", env: []string{"TARGET=" + target, "ENVIRONMENT=docker", "IMAGE=" + os.Getenv("TEST_DOCKER_IMAGE")}})
			holds(t, out, trained...)
			b.kept(t, out)
		})
	}
}

// attachShared attaches the machine as gpu-box with a folder that its Docker Engine sees too: that one is this
// machine's.
func (b *box) attachShared(t testing.TB) {
	t.Helper()
	c, share := realMachine(t), os.Getenv("TEST_DOCKER_SHARE")
	if share == "" {
		t.Fatal("the machine has no Docker Engine: start test/engines/sshd.sh before test/engines/docker.sh")
	}
	_, err := b.AttachCompute(t.Context(), "default", client.Compute{Name: "gpu-box", Kind: "sshvm", Options: map[string]any{
		"address": c.address, "administratorAccount.username": c.user, "administratorAccount.password": c.password, "workDirectory": share + "/v1-image",
	}})
	if err != nil {
		t.Fatal(err)
	}
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

// TestV1Document runs the document's blocks for a virtual machine from the first line to the last, with a script of
// the user's own: on one that the server reaches, and on one behind that, which the inventory says.
func TestV1Document(t *testing.T) {
	t.Parallel()
	dir, c, interpreter := snippets(t), realMachine(t), v1(t, "3.10")
	raw, err := os.ReadFile(filepath.Join(dir, "remote_vm_run.py"))
	if err != nil {
		t.Fatal(err)
	}
	text := prelude + `
open("train.py", "w").write("import socket, sklearn, azureml.core\nfrom sklearn.datasets import load_iris\nfrom sklearn.linear_model import LogisticRegression\nx, y = load_iris(return_X_y=True)\nprint('SCORE', LogisticRegression(max_iter=500).fit(x, y).score(x, y) > .9, socket.gethostname())\n")
` + filled(t, dir, "remote_vm_attach.py", c) + "\n" + string(raw) + `
from azureml.core import Experiment
run = Experiment(ws, "document").submit(src)
run.wait_for_completion(show_output=True)
print("STATUS", run.get_status())
`
	for machine, settings := range map[string]func(*box) map[string]string{
		"vm1": func(*box) map[string]string { return map[string]string{"address": c.address} },
		"vm2": func(b *box) map[string]string {
			b.attachMachine(t, interpreter, c)
			far, _, _ := strings.Cut(os.Getenv("ENGINES_VM2"), ":")
			return map[string]string{"address": far, "via": "gpu-box"}
		},
	} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			b := serve(t)
			known := settings(b)
			_, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: virtualMachine("document"), Settings: known})
			if err != nil {
				t.Fatal(err)
			}
			out := b.must(t, script{python: interpreter, text: strings.ReplaceAll(text, virtualMachine("gpu"), virtualMachine("document"))})
			holds(t, out, "SCORE True "+machine, "STATUS Completed")
		})
	}
}
