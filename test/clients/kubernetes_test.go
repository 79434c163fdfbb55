package clients_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
)

// attachCluster has attach(NAME, CONFIG), by which scripts of SDK v1 attach a cluster.
const attachCluster = prelude + `
from azureml.core.compute import AksCompute, ComputeTarget, KubernetesCompute
from azureml.exceptions import ComputeTargetException
clusters = "/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/" % ws.subscription_id
def attach(name, config):
    try:
        target = ComputeTarget.attach(ws, name, config)
        target.wait_for_completion()
        print("TAKEN", name, type(target).__name__, target.provisioning_state)
    except ComputeTargetException as e:
        print("REFUSED", name, e.message)
`

// asConnected attaches a cluster as one that Azure Arc connects, asAKS the same one as AKS.
const (
	asConnected = attachCluster + `
attach("nowhere", KubernetesCompute.attach_configuration(resource_id=clusters + "unknown"))
attach("kube", KubernetesCompute.attach_configuration(resource_id=clusters + "c"))
got = ComputeTarget(ws, "kube")
print("GOT", type(got).__name__, got.provisioning_state, got.cluster_resource_id, got.provisioning_errors)
`
	asAKS = attachCluster + `
attach("twice", AksCompute.attach_configuration(resource_group="rg", cluster_name="a"))
for c in ComputeTarget.list(ws): c.detach()
` + left + `
attach("aks", AksCompute.attach_configuration(resource_group="rg", cluster_name="a"))
print("LIST", sorted((c.name, type(c).__name__, c.provisioning_state) for c in ComputeTarget.list(ws)))
`
)

// cluster returns the kubeconfig of the cluster of test/engines/kubernetes.sh.
func cluster(t *testing.T) string {
	t.Helper()
	name := os.Getenv("TEST_KUBERNETES")
	if name == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "kubernetes") {
			t.Fatal(`TEST_KUBERNETES is not set; run: eval "$(test/engines/kubernetes.sh env)"`)
		}
		t.Skip(`needs Kubernetes: test/engines/kubernetes.sh up; eval "$(test/engines/kubernetes.sh env)"`)
	}
	drivertest.Share(t, os.Getenv("ENGINES_KUBERNETES_LOCK"))
	config, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(config)
}

// TestV1AttachesKubernetes attaches a real cluster by azureml-core, whose kubeconfig the inventory has, and has it run a
// command.
func TestV1AttachesKubernetes(t *testing.T) {
	t.Parallel()
	config, interpreter := cluster(t), v1(t, "3.10")
	b := startWith(t, kubernetes.Kind())
	group := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/"
	for _, id := range []string{"Microsoft.Kubernetes/connectedClusters/c", "Microsoft.ContainerService/managedClusters/a"} {
		entry := client.InventoryEntry{ResourceID: group + id, Secrets: map[string]string{"kubeconfig": config}}
		if _, err := b.AddInventoryEntry(t.Context(), "default", entry); err != nil {
			t.Fatal(err)
		}
	}
	out := b.must(t, script{python: interpreter, text: asConnected})
	t.Log(out)
	holds(t, out, "REFUSED nowhere", "[ResourceUnknown]", "TAKEN kube KubernetesCompute Succeeded", "GOT KubernetesCompute Succeeded "+group+"Microsoft.Kubernetes/connectedClusters/c None")
	run, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: "kube", Command: []string{"python", "-c", "print('in a pod'); open('outputs/model.txt', 'w').write('weights')"},
		Options: map[string]any{"image": os.Getenv("TEST_KUBERNETES_IMAGE")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if log := b.finished(t, run.ID, "Completed"); log != "in a pod\n" {
		t.Errorf("the run's log is %q", log)
	}
	files, err := b.Artifacts(t.Context(), "default", run.ID, "outputs/", client.Cursor{})
	if err != nil || len(files.Items) != 1 || files.Items[0].Path != "outputs/model.txt" {
		t.Errorf("the run's outputs are %+v, %v", files, err)
	}
	out = b.must(t, script{python: interpreter, text: asAKS})
	t.Log(out)
	holds(t, out, "REFUSED twice", "LEFT []", "TAKEN aks AksCompute Succeeded", "LIST [('aks', 'AksCompute', 'Succeeded')]") // one cluster is one target
	key := config[strings.Index(config, "client-key-data: "):][17:57]
	if strings.Contains(out, key) || strings.Contains(b.log.String(), key) || b.stored(t, key) {
		t.Error("the kubeconfig was shown, logged or stored")
	}
}

// v2Cluster is what a script of SDK v2 does to attach a cluster.
const v2Cluster = `
from azure.ai.ml import MLClient
from azure.ai.ml.entities import KubernetesCompute
from azure.identity import DefaultAzureCredential
ml = MLClient.from_config(DefaultAzureCredential())
clusters = "/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/" % ml.subscription_id
ml.compute.begin_create_or_update(KubernetesCompute(name="kube", namespace="kube-public", resource_id=clusters + "c")).result()
got = ml.compute.get("kube")
print("GOT", got.type, got.provisioning_state.value, got.namespace, got.resource_id)
ml.compute.begin_delete("kube", action="Detach").result()
print("LEFT", [c.name for c in ml.compute.list()])
`

// TestV2AttachesKubernetes attaches a real cluster by azure-ai-ml, in a namespace of its choice.
func TestV2AttachesKubernetes(t *testing.T) {
	t.Parallel()
	config, interpreter := cluster(t), v2(t)
	b := startWith(t, kubernetes.Kind())
	resource := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/c"
	entry := client.InventoryEntry{ResourceID: resource, Secrets: map[string]string{"kubeconfig": config}}
	if _, err := b.AddInventoryEntry(t.Context(), "default", entry); err != nil {
		t.Fatal(err)
	}
	out := b.must(t, script{python: interpreter, text: v2Cluster})
	t.Log(out)
	holds(t, out, "GOT kubernetes Succeeded kube-public "+resource, "LEFT []")
}
