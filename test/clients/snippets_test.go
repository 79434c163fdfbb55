package clients_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// snippets are those of the document, as they stand there: only placeholders are filled.
func snippets(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "seed", "snippets")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the folder of snippets, which does not belong to this repository, is not here")
	}
	return dir
}

const prelude = "from azureml.core import Workspace\nws = Workspace.from_config()\n"

// vmState goes after the snippet that attaches a machine.
const vmState = `
print('STATE', compute.provisioning_state, compute.provisioning_errors)
compute = ComputeTarget(ws, compute_target_name)
print('GOT', type(compute).__name__, compute.provisioning_state, compute.cluster_resource_id)
print('LIST', sorted(ws.compute_targets))
compute_target = compute
`

// refusedState finds what a snippet that was refused has left.
const refusedState = `
from azureml.core.compute import ComputeTarget
[compute_target] = ComputeTarget.list(ws)
print('STATE', type(compute_target).__name__, compute_target.name, compute_target.provisioning_state, compute_target.provisioning_errors)
`

const left = "\nimport time\nend = time.time() + 180\nwhile ws.compute_targets and time.time() < end: time.sleep(.2)\nprint('LEFT', list(ws.compute_targets))\n"

// filled returns a snippet with its placeholders filled.
func filled(t testing.TB, dir, name string, c computer) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	id := virtualMachine("gpu")
	if strings.HasPrefix(name, "hdinsight") {
		id = sparkCluster
	}
	return strings.NewReplacer(
		"<resource_id>", id, "<username>", c.user, "<password>", c.password, "<ssh-username>", c.user, "<ssh-pwd>", c.password,
		"<batch_account_name>", "acc", "<batch_resource_group>", "rg",
	).Replace(string(raw))
}

// TestV1Snippets runs the document's own blocks. The machine's attaches a real machine; the others fail, and say why:
// nothing says what stands behind their resource IDs, or this build has not their kind.
func TestV1Snippets(t *testing.T) {
	t.Parallel()
	dir, c, interpreter := snippets(t), realMachine(t), v1(t, "3.10")
	b := serve(t)
	attached, refused, printed := 0, 0, ""
	run := func(text string, env ...string) (string, error) {
		out, err := b.run(t, script{python: interpreter, text: prelude + text, env: env})
		printed += out
		return out, err
	}
	vm := filled(t, dir, "remote_vm_attach.py", c)
	detach := filled(t, dir, "detach.py", c) + left

	// Nothing says what the document's resource ID is, and then the inventory does.
	out, err := run(vm)
	if err == nil {
		t.Errorf("attached what nobody knows:\n%s", out)
	}
	holds(t, out, "ComputeTargetException", "[ResourceUnknown]", "zaffre inventory add "+virtualMachine("gpu"))
	b.keep(t, virtualMachine("gpu"), c.address)
	out, err = run(strings.Replace(vm, c.password, "wr0ng-canary", 1))
	if err == nil {
		t.Errorf("attached with a wrong password:\n%s", out)
	}
	holds(t, out, "ComputeTargetException", "[PasswordRefused]", "the password for user")
	out, err = run(vm + vmState + filled(t, dir, "remote_vm_run.py", c) + "\nprint('CONFIG', src.run_config.target)\n" + detach)
	if err != nil {
		t.Errorf("%v\n%s\n%s", err, out, lastLines(b.log.String(), 30))
	}
	holds(t, out, `Provisioning operation finished, operation "Succeeded"`, "STATE Succeeded None", "GOT RemoteCompute Succeeded "+virtualMachine("gpu"),
		"LIST ['attach-dsvm']", "CONFIG attach-dsvm", "LEFT []")
	attached++

	for _, s := range blocks() {
		out, err := run(filled(t, dir, s.file, computer{user: "ada", password: "wr0ng-canary"}), s.variables("dapi")...)
		if err == nil {
			t.Errorf("%s ended well:\n%s", s.file, out)
		}
		const cause = "[ResourceUnknown]" // nothing says what stands behind the resource ID
		holds(t, out, "ComputeTargetException", cause)
		out, err = run(refusedState + detach)
		if err != nil {
			t.Errorf("%s: %v\n%s", s.file, err, out)
		}
		holds(t, out, "STATE "+s.class+" "+s.name+" Failed", cause, "LEFT []")
		refused++
	}
	t.Logf("attached: %d, refused: %d", attached, refused)
	b.sealed(t, c, printed)
}
