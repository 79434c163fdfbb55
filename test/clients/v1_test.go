package clients_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver/sshvm"
	"github.com/zaffre-ml/zaffre/test/rig"
)

func TestV1AttachesAMachine(t *testing.T) {
	t.Parallel()
	for _, python := range []string{"3.10", "3.11"} {
		t.Run(python, func(t *testing.T) {
			t.Parallel()
			interpreter := v1(t, python)
			b := start(t)
			out := b.must(t, script{python: interpreter, file: "v1_vm.py"})
			holds(t, out, "workspace default local", "same True", "missing: True", "class RemoteCompute",
				"state Succeeded None 10.0.0.4 2222", "got my-vm VirtualMachine", "list ['my-vm'] ['RemoteCompute']",
				"the password is wrong", "[PasswordRefused]", "bad Failed", "list ['bad-vm', 'my-vm']", "healed Succeeded", "left []", "listed ['default']")
			for _, secret := range []string{"s3cret-canary", b.profile.Token} {
				if strings.Contains(out, secret) || strings.Contains(b.log.String(), secret) {
					t.Errorf("a secret was printed or logged")
				}
			}
			t.Log(out)
		})
	}
}

// TestV1KnowsEveryType attaches all types of the document. Those without a kind here fail with their
// cause, and the list holds for all of them.
func TestV1KnowsEveryType(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.10")
	b := start(t)
	out := b.must(t, script{python: interpreter, file: "v1_types.py"})
	t.Log(out)
	holds(t, out, "linked synapse1 True ['synapse1']", "left ['good-vm'] []")
	for _, name := range []string{
		"aks AksCompute", "aks-made AksCompute", "adla AdlaCompute", "batch BatchCompute", "databricks DatabricksCompute", "datafactory DataFactoryCompute",
		"hdi HDInsightCompute", "kubernetes KubernetesCompute", "synapse SynapseCompute", "kusto KustoCompute",
		"aml AmlCompute", "instance ComputeInstance",
	} {
		holds(t, out, "REFUSED "+name+" True")
		short, class, _ := strings.Cut(name, " ")
		holds(t, out, fmt.Sprintf("('%s', '%s')", short, class))
	}
	for _, secret := range []string{"dapi-canary", "hdi-canary", "kusto-canary", "conn-canary"} {
		if strings.Contains(out, secret) || strings.Contains(b.log.String(), secret) || b.stored(t, secret) {
			t.Errorf("the secret %q was shown, logged or stored", secret)
		}
	}
}

// TestV1OverSSH attaches by the kind that real servers have. Nothing listens there, and the script says so.
func TestV1OverSSH(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.10")
	port, err := rig.Port()
	if err != nil {
		t.Fatal(err)
	}
	b := startWith(t, sshvm.Kind())
	out, err := b.run(t, script{python: interpreter, text: prelude + fmt.Sprintf(`
from azureml.core.compute import ComputeTarget, RemoteCompute
config = RemoteCompute.attach_configuration(address="127.0.0.1", ssh_port=%d, username="ada", password="canary-ssh")
ComputeTarget.attach(ws, "gpu", config).wait_for_completion()
`, port)})
	if err == nil {
		t.Errorf("attached to nothing:\n%s", out)
	}
	holds(t, out, "ComputeTargetException", fmt.Sprintf("127.0.0.1:%d", port), "[ConnectionRefused]")
	if strings.Contains(b.log.String(), "canary-ssh") || b.stored(t, "canary-ssh") {
		t.Error("the password was logged or stored")
	}
}

// stored reports whether some file of the data folder holds the text.
func (b *box) stored(t testing.TB, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(b.dir, "data"), func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // the server removed it meanwhile
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		found = found || strings.Contains(string(raw), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
