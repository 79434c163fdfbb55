package clients_test

import (
	"strings"
	"testing"
)

func TestV2AttachesAMachine(t *testing.T) {
	t.Parallel()
	interpreter := v2(t)
	b := start(t)
	b.keep(t, virtualMachine("gpu-my-vm"), "10.0.0.4")
	b.keep(t, virtualMachine("gpu-bad-vm"), "10.0.0.5")
	out := b.must(t, script{python: interpreter, file: "v2.py"})
	t.Log(out)
	holds(t, out, "workspace default local", "listed ['default']", "missing: True", "state Succeeded virtualmachine 2222 ada mine {'team': 'x'}",
		"got my-vm /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/gpu-my-vm None",
		"the password is wrong", "PasswordRefused", "REFUSED kube True", "REFUSED aml True", "REFUSED spark True",
		"('my-vm', 'virtualmachine', <ProvisioningState.SUCCEEDED", "('spark', 'synapsespark', <ProvisioningState.FAILED", "kept: True", "left []")
	if strings.Contains(out, "s3cret-canary") || b.stored(t, "s3cret-canary") {
		t.Error("a secret was printed or stored")
	}
}
