package clients_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/databricks"
	"github.com/zaffre-ml/zaffre/internal/driver/synapse"
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

// attachSynapse is what a script of SDK v1 does to attach a Spark pool, and what it then finds.
const attachSynapse = prelude + `
from azureml.core import LinkedService, SynapseWorkspaceLinkedServiceConfiguration
from azureml.core.compute import ComputeTarget, SynapseCompute
from azureml.exceptions import ComputeTargetException
linked = LinkedService.register(ws, "synapse1", SynapseWorkspaceLinkedServiceConfiguration(subscription_id=ws.subscription_id, resource_group="rg", name="synw"))
def attach(name, pool):
    try:
        target = ComputeTarget.attach(ws, name, SynapseCompute.attach_configuration(linked, type="SynapseSpark", pool_name=pool))
        target.wait_for_completion()
        print("TAKEN", name, target.provisioning_state)
    except ComputeTargetException as e:
        print("REFUSED", name, e.message)
attach("nowhere", "unknown")
attach("down", "down")
attach("spark", "pool")
got = ComputeTarget(ws, "spark")
print("GOT", type(got).__name__, got.provisioning_state, got.cluster_resource_id, got.provisioning_errors)
print("LIST", sorted((c.name, c.provisioning_state) for c in ComputeTarget.list(ws)))
`

// TestV1AttachesSynapse attaches a real Livy by azureml-core, as a pool whose endpoint and folder the inventory knows,
// and has it run a script.
func TestV1AttachesSynapse(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("TEST_LIVY")
	if endpoint == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "livy") {
			t.Fatal(`TEST_LIVY is not set; run: eval "$(test/engines/livy.sh env)"`)
		}
		t.Skip(`needs a real Livy: test/engines/livy.sh up; eval "$(test/engines/livy.sh env)"`)
	}
	interpreter := v1(t, "3.10")
	folder, err := os.MkdirTemp(os.Getenv("ENGINES_LIVY_FILES"), "clients-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	b := startWith(t, synapse.Kind())
	pools := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/Microsoft.Synapse/workspaces/synw/bigDataPools/"
	for pool, settings := range map[string]map[string]string{"pool": {"livy": endpoint, "store": folder}, "down": {"livy": "http://127.0.0.1:1"}} {
		if _, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: pools + pool, Settings: settings}); err != nil {
			t.Fatal(err)
		}
	}
	out := b.must(t, script{python: interpreter, text: attachSynapse})
	t.Log(out)
	holds(t, out, "REFUSED nowhere", "[ResourceUnknown]", "livy=URL", "REFUSED down", "[ConnectionRefused]", "TAKEN spark Succeeded",
		"GOT SynapseCompute Succeeded "+strings.Replace(pools, "resourceGroups", "resourcegroups", 1)+"pool None", "LIST [('down', 'Failed'), ('nowhere', 'Failed'), ('spark', 'Succeeded')]")
	run, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: "spark", Command: []string{"python", "-c", "from pyspark.sql import SparkSession\nprint('rows', SparkSession.builder.getOrCreate().range(7).count())\nopen('outputs/x', 'w').write('y')"},
		Options: map[string]any{"conf": map[string]any{"spark.ui.enabled": "false"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, b.finished(t, run.ID, "Completed"), "rows 7\n")
	files, err := b.Artifacts(t.Context(), "default", run.ID, "outputs/", client.Cursor{})
	if err != nil || len(files.Items) != 1 || files.Items[0].Path != "outputs/x" {
		t.Errorf("the run's outputs are %+v, %v", files, err)
	}
	out = b.must(t, script{python: interpreter, text: prelude + "from azureml.core.compute import ComputeTarget\nfor c in ComputeTarget.list(ws): c.detach()\n" + left})
	holds(t, out, "LEFT []")
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("detaching left %v, %v in the folder", left, err)
	}
}

// TestV1SnippetOfDatabricks runs the document's own block, to its end.
func TestV1SnippetOfDatabricks(t *testing.T) {
	t.Parallel()
	dir, interpreter, d := snippets(t), v1(t, "3.10"), workspace(t)
	b := startWith(t, databricks.Kind())
	resource := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/dbw"
	if _, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: resource, Settings: map[string]string{"databricks": d.URL}}); err != nil {
		t.Fatal(err)
	}
	out := b.must(t, script{
		python: interpreter, text: prelude + filled(t, dir, "databricks_attach.py", computer{}) + "\nprint('GOT', databricks_compute.provisioning_state)\n",
		env: []string{"AML_DATABRICKS_COMPUTE_NAME=mydatabricks", "AML_DATABRICKS_RESOURCE_GROUP=rg", "AML_DATABRICKS_WORKSPACE=dbw", "AML_DATABRICKS_ACCESS_TOKEN=" + d.Token},
	})
	holds(t, out, "compute not found", `Provisioning operation finished, operation "Succeeded"`, "GOT Succeeded")
	if strings.Contains(b.log.String(), d.Token) || b.stored(t, d.Token) {
		t.Error("the token was logged or stored")
	}
}
