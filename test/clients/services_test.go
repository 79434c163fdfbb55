package clients_test

import (
	"os"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/batch"
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
LinkedService.register(ws, "synapse1", SynapseWorkspaceLinkedServiceConfiguration(subscription_id=ws.subscription_id, resource_group="rg", name="synw"))
linked = LinkedService.get(ws, "synapse1")
print("LINKED", [l.name for l in LinkedService.list(ws)], linked.linked_service_resource_id.endswith("/workspaces/synw"))
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

// unlink takes the linked service away.
const unlink = `
from azureml.core import LinkedService
LinkedService.get(ws, "synapse1").unregister()
print("UNLINKED", [l.name for l in LinkedService.list(ws)])
`

// livy returns the URL of a real Livy, and a folder that both see.
func livy(t testing.TB) (endpoint, folder string) {
	t.Helper()
	endpoint = need(t, "TEST_LIVY", "livy")
	folder, err := os.MkdirTemp(os.Getenv("ENGINES_LIVY_FILES"), "clients-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return endpoint, folder
}

// keepPools adds a pool behind which the endpoint stands to the inventory, and one behind which nothing answers. It
// returns how their resource IDs begin.
func (b *box) keepPools(t testing.TB, endpoint, folder string) string {
	t.Helper()
	pools := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/Microsoft.Synapse/workspaces/synw/bigDataPools/"
	for pool, settings := range map[string]map[string]string{"pool": {"livy": endpoint, "store": folder}, "down": {"livy": "http://127.0.0.1:1"}} {
		if _, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: pools + pool, Settings: settings}); err != nil {
			t.Fatal(err)
		}
	}
	return pools
}

// runsOnPool runs a script there.
func runsOnPool(t testing.TB, b *box, name string) {
	t.Helper()
	run, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: name, Command: []string{"python", "-c", "from pyspark.sql import SparkSession\nprint('rows', SparkSession.builder.getOrCreate().range(7).count())\nopen('outputs/x', 'w').write('y')"},
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
}

// empty fails if something is left in the folder.
func empty(t testing.TB, folder string) {
	t.Helper()
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("detaching left %v, %v in the folder", left, err)
	}
}

// attachBatch is what a script of SDK v1 does to attach a batch account, and what it then finds.
const attachBatch = prelude + `
from azureml.core.compute import BatchCompute, ComputeTarget
from azureml.exceptions import ComputeTargetException
def attach(name, account):
    try:
        target = ComputeTarget.attach(ws, name, BatchCompute.attach_configuration(resource_group="rg", account_name=account))
        target.wait_for_completion()
        print("TAKEN", name, target.provisioning_state)
    except ComputeTargetException as e:
        print("REFUSED", name, e.message)
attach("nowhere", "unknown")
attach("wrong", "wrong")
attach("batch", "simulated")
got = ComputeTarget(ws, "batch")
print("GOT", type(got).__name__, got.provisioning_state, got.cluster_resource_id, got.provisioning_errors)
print("LIST", sorted((c.name, c.provisioning_state) for c in ComputeTarget.list(ws)))
`

// TestV1AttachesAzureBatch attaches an account by azureml-core, with the inventory saying where it is, its key and its
// container, and has it run a script.
func TestV1AttachesAzureBatch(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.10")
	a, blobs, container, sas := batchAccount(t)
	b := startWith(t, batch.Kind())
	accounts := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/"
	for name, key := range map[string]string{"simulated": a.Key, "wrong": "d3Jvbmc="} {
		_, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{
			ResourceID: accounts + name, Settings: map[string]string{"batch": a.URL, "pool": "pool"}, Secrets: map[string]string{"accountKey": key, "container": sas},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out := b.must(t, script{python: interpreter, text: attachBatch})
	t.Log(out)
	holds(t, out, "REFUSED nowhere", "[ResourceUnknown]", "batch=URL", "slurm=TARGET", "REFUSED wrong", "[LoginRefused]", "TAKEN batch Succeeded",
		"GOT BatchCompute Succeeded "+accounts+"simulated None", "LIST [('batch', 'Succeeded'), ('nowhere', 'Failed'), ('wrong', 'Failed')]")
	run, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: "batch", Command: []string{"python", "-c", "import os\nprint('on', os.environ['AZ_BATCH_POOL_ID'], 'ZAFFRE_FOLDER' in os.environ)\nopen('outputs/model.txt', 'w').write('weights')"},
		Options: map[string]any{"timeLimit": "10m"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if log := b.finished(t, run.ID, "Completed"); log != "on pool False\n" {
		t.Errorf("the run's log is %q", log)
	}
	files, err := b.Artifacts(t.Context(), "default", run.ID, "outputs/", client.Cursor{})
	if err != nil || len(files.Items) != 1 || files.Items[0].Path != "outputs/model.txt" {
		t.Errorf("the run's outputs are %+v, %v", files, err)
	}
	out = b.must(t, script{python: interpreter, text: prelude + "from azureml.core.compute import ComputeTarget\nfor c in ComputeTarget.list(ws): c.detach()\n" + left})
	holds(t, out, "LEFT []")
	if left, err := blobs.Blobs(container); err != nil || strings.Contains(left, "<Blob>") {
		t.Errorf("detaching left %s, %v in the container", left, err)
	}
	for _, secret := range []string{a.Key, "d3Jvbmc=", sas[strings.Index(sas, "sig="):]} {
		if strings.Contains(out, secret) || strings.Contains(b.log.String(), secret) || b.stored(t, secret) {
			t.Errorf("the secret %q was shown, logged or stored", secret)
		}
	}
}

// TestV1AttachesSynapse attaches a real Livy by azureml-core, as a pool whose endpoint and folder the inventory knows,
// and has it run a script.
func TestV1AttachesSynapse(t *testing.T) {
	t.Parallel()
	endpoint, folder := livy(t)
	interpreter := v1(t, "3.10")
	b := startWith(t, synapse.Kind())
	pools := b.keepPools(t, endpoint, folder)
	out := b.must(t, script{python: interpreter, text: attachSynapse})
	t.Log(out)
	holds(t, out, "LINKED ['synapse1'] True", "REFUSED nowhere", "[ResourceUnknown]", "livy=URL", "REFUSED down", "[ConnectionRefused]", "TAKEN spark Succeeded",
		"GOT SynapseCompute Succeeded "+strings.Replace(pools, "resourceGroups", "resourcegroups", 1)+"pool None", "LIST [('down', 'Failed'), ('nowhere', 'Failed'), ('spark', 'Succeeded')]")
	runsOnPool(t, b, "spark")
	out = b.must(t, script{python: interpreter, text: prelude + "from azureml.core.compute import ComputeTarget\nfor c in ComputeTarget.list(ws): c.detach()\n" + left + unlink})
	holds(t, out, "LEFT []", "UNLINKED []")
	empty(t, folder)
}

// TestV2AttachesSynapse attaches the same by azure-ai-ml.
func TestV2AttachesSynapse(t *testing.T) {
	t.Parallel()
	endpoint, folder := livy(t)
	interpreter := v2(t)
	b := startWith(t, synapse.Kind())
	pools := b.keepPools(t, endpoint, folder)
	out := b.must(t, script{python: interpreter, file: "v2_synapse.py", env: []string{"POOLS=" + pools}})
	t.Log(out)
	holds(t, out, "attached Succeeded synapsespark None mine {'team': 'x'} "+pools+"pool", "got SynapseSparkCompute Succeeded None",
		"REFUSED nowhere [ResourceUnknown]", "REFUSED down [ConnectionRefused]", "listed [('down', 'synapsespark', 'Failed'), ('nowhere', 'synapsespark', 'Failed'), ('spark', 'synapsespark', 'Succeeded')]",
		"updated {'team': 'y'}", "kept True")
	runsOnPool(t, b, "spark")
	out = b.must(t, script{python: interpreter, file: "v2_detach.py"})
	holds(t, out, "detached True", "left []")
	empty(t, folder)
}
