package clients_test

import (
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/databricks"
)

// attachDatabricks is what a script of SDK v1 does to attach a workspace, and what it then finds.
const attachDatabricks = prelude + `
from azureml.core.compute import ComputeTarget, DatabricksCompute
from azureml.exceptions import ComputeTargetException
def attach(name, workspace, token):
    try:
        target = ComputeTarget.attach(ws, name, DatabricksCompute.attach_configuration(resource_group="rg", workspace_name=workspace, access_token=token))
        target.wait_for_completion()
        print("TAKEN", name, target.provisioning_state)
    except ComputeTargetException as e:
        print("REFUSED", name, e.message)
attach("nowhere", "unknown", "t0ken-canary")
attach("wrong", "dbw", "wr0ng-canary")
attach("dbx", "dbw", "dapi-simulated-canary")
got = ComputeTarget(ws, "dbx")
print("GOT", type(got).__name__, got.provisioning_state, got.cluster_resource_id, got.provisioning_errors)
try:
    print("KEYS", got.get_credentials())
except Exception as e:
    print("KEYS", type(e).__name__)
print("LIST", sorted((c.name, c.provisioning_state) for c in ComputeTarget.list(ws)))
`

// TestV1AttachesDatabricks attaches a workspace by azureml-core, with the inventory saying where it is, and has it
// run a script.
func TestV1AttachesDatabricks(t *testing.T) {
	t.Parallel()
	interpreter, d := v1(t, "3.10"), workspace(t)
	b := startWith(t, databricks.Kind())
	resource := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/dbw"
	if _, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: resource, Settings: map[string]string{"databricks": d.URL}}); err != nil {
		t.Fatal(err)
	}
	out := b.must(t, script{python: interpreter, text: attachDatabricks})
	t.Log(out)
	holds(t, out, "REFUSED nowhere", "[ResourceUnknown]", "REFUSED wrong", "[TokenRefused]", "TAKEN dbx Succeeded",
		"GOT DatabricksCompute Succeeded "+resource+" None", "LIST [('dbx', 'Succeeded'), ('nowhere', 'Failed'), ('wrong', 'Failed')]")
	run, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: "dbx", Command: []string{"python", "-c", "print('on the cluster'); open('outputs/model.txt', 'w').write('weights')"},
		Options: map[string]any{"cluster": "0101-000000-running"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if log := b.finished(t, run.ID, "Completed"); log != "on the cluster\n" {
		t.Errorf("the run's log is %q", log)
	}
	files, err := b.Artifacts(t.Context(), "default", run.ID, "outputs/", client.Cursor{})
	if err != nil || len(files.Items) != 1 || files.Items[0].Path != "outputs/model.txt" {
		t.Errorf("the run's outputs are %+v, %v", files, err)
	}
	out = b.must(t, script{python: interpreter, text: prelude + "from azureml.core.compute import ComputeTarget\nfor c in ComputeTarget.list(ws): c.detach()\n" + left})
	holds(t, out, "LEFT []")
	for _, secret := range []string{"t0ken-canary", "wr0ng-canary", d.Token} {
		if strings.Contains(out, secret) || strings.Contains(b.log.String(), secret) || b.stored(t, secret) {
			t.Errorf("the token %q was shown, logged or stored", secret)
		}
	}
}
