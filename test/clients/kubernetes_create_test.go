package clients_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// makeCluster has create(NAME, OPTIONS), by which scripts of SDK v1 make a cluster.
const makeCluster = prelude + `
import os
from azureml.core import Environment, Experiment, ScriptRunConfig
from azureml.core.compute import AksCompute, ComputeTarget
from azureml.core.runconfig import DockerConfiguration
from azureml.core.compute.aks import AksUpdateConfiguration, SslConfiguration
from azureml.exceptions import ComputeTargetException
def create(name, ssl=None, **options):
    config = AksCompute.provisioning_configuration(**options)
    if ssl: config.enable_ssl(**ssl)
    target = ComputeTarget.create(ws, name, config)
    try:
        target.wait_for_completion(show_output=True)
    except ComputeTargetException as e:
        print("REFUSED", name, e.message)
    return target
def show(name):
    c = ComputeTarget(ws, name)
    ssl = c.ssl_configuration
    print("GOT", name, type(c).__name__, c.provisioning_state, c.is_attached, c.agent_count, c.agent_vm_size, bool(c.cluster_fqdn), ssl and (ssl.status, ssl.cname, ssl.cert, ssl.key))
    return c
def refused(what, f):
    try:
        f()
        print("TAKEN", what)
    except ComputeTargetException as e:
        print("REFUSED", what, e.message)
`

// nothingMade tries to make a cluster where nobody has said in which.
const nothingMade = makeCluster + `
target = create("early", agent_count=1, vm_size="Standard_D3_v2")
target.delete()
`

// clusterMade makes clusters, wrongly and well, runs a script on one, and changes it.
const clusterMade = makeCluster + `
create("unknown", vm_size="Standard_Z9").delete()
create("azures", ssl=dict(leaf_domain_label="contoso")).delete()
tls = dict(ssl_cname="a.example", ssl_cert_pem_file=os.environ["CERT"], ssl_key_pem_file=os.environ["KEY"])
aks = create("aks", ssl=tls, agent_count=2, vm_size="Standard_D3_v2", cluster_purpose="FastProd", load_balancer_type="InternalLoadBalancer")
show("aks")
create("aks", agent_count=2, vm_size="Standard_D3_v2")
env = Environment("e")
env.docker.base_image = os.environ["IMAGE"]
env.python.user_managed_dependencies = True
os.makedirs("src")
with open("src/train.py", "w") as f: f.write("print('in a pod')")
run = Experiment(ws, "e").submit(ScriptRunConfig(source_directory="src", script="train.py", compute_target=aks, environment=env, docker_runtime_config=DockerConfiguration(use_docker=True)))
run.wait_for_completion(show_output=True)
print("RUN", run.get_status())
create("aks", agent_count=3)
aks = show("aks")
aks.update(AksUpdateConfiguration(SslConfiguration(status="Disabled")))
aks.wait_for_completion()
show("aks")
print("LIST", sorted((c.name, type(c).__name__, c.provisioning_state) for c in ComputeTarget.list(ws)))
refused("detach", aks.detach)
`

// clusterDeleted deletes the one that was made.
const clusterDeleted = makeCluster + `
aks = ComputeTarget(ws, "aks")
aks.delete()
aks.wait_for_completion(show_output=True, is_delete_operation=True)
print("LEFT", sorted(ws.compute_targets))
`

// clusterAttached attaches a cluster, which is not deleted.
const clusterAttached = makeCluster + `
aks = ComputeTarget.attach(ws, "found", AksCompute.attach_configuration(resource_group="rg", cluster_name="a"))
aks.wait_for_completion()
show("found")
refused("delete", aks.delete)
aks.detach()
`

// kubectl does something as the cluster's administrator.
func kubectl(t testing.TB, in string, args ...string) string {
	t.Helper()
	out, err := rig.Kubectl(in, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// maker is the kubeconfig of an account with what zaffre compute create --print-rbac grants, and no more.
func maker(t testing.TB) (config, token string) {
	t.Helper()
	kubectl(t, strings.ReplaceAll(kubernetes.Kind().Provision.Grants, "{namespace:zaffre}", "zaffre"), "apply", "-f", "-")
	token = kubectl(t, "", "-n", "zaffre", "create", "token", "zaffre-provision")
	view := func(field string) string {
		return kubectl(t, "", "config", "view", "--raw", "--minify", "-o", "jsonpath={.clusters[0].cluster."+field+"}")
	}
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a,
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}], users: [{name: u, user: {token: %s}}],
contexts: [{name: a, context: {cluster: c, user: u}}]}`, view("server"), view("certificate-authority-data"), token), token
}

// pair writes a certificate and its key into files. line is one of the key's.
func pair(t testing.TB) (cert, key, line string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"a.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, b := range map[string][]byte{cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key: text} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, strings.Split(string(text), "\n")[1]
}

// TestV1MakesKubernetes makes a cluster by azureml-core: a namespace with a quota of the one that the inventory names. A
// script runs on it, and deleting takes the namespace away.
func TestV1MakesKubernetes(t *testing.T) {
	t.Parallel()
	admins, interpreter := cluster(t), v1(t, "3.10")
	config, token := maker(t)
	b := startWith(t, kubernetes.Kind())
	out := b.must(t, script{python: interpreter, text: nothingMade})
	t.Log(out)
	holds(t, out, "REFUSED early", "[ResourceUnknown]", "zaffre inventory add "+kubernetes.Kind().Provision.Resource+" --secret kubeconfig=FILE")
	group := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/"
	for resource, secret := range map[string]string{kubernetes.Kind().Provision.Resource: config, group + "Microsoft.ContainerService/managedClusters/a": admins} {
		if _, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: resource, Secrets: map[string]string{"kubeconfig": secret}}); err != nil {
			t.Fatal(err)
		}
	}
	cert, key, line := pair(t)
	out = b.must(t, script{python: interpreter, text: clusterMade, env: []string{"CERT=" + cert, "KEY=" + key, "IMAGE=" + os.Getenv("TEST_KUBERNETES_IMAGE")}})
	t.Log(out)
	holds(t, out, "REFUSED unknown", "[SizeUnknown]", "REFUSED azures", "ssl_cert_pem_file", "in a pod", "RUN Completed",
		"GOT aks AksCompute Succeeded False 2 Standard_D3_v2 True ('Enabled', 'a.example', None, None)",
		"GOT aks AksCompute Succeeded False 3 Standard_D3_v2 True ('Enabled', 'a.example', None, None)",
		"GOT aks AksCompute Succeeded False 3 Standard_D3_v2 True None",
		"LIST [('aks', 'AksCompute', 'Succeeded')]", "REFUSED detach", "DetachUnsupported", "zaffre compute delete aks")
	made, err := b.Compute(t.Context(), "default", "aks")
	if err != nil {
		t.Fatal(err)
	}
	namespace := made.Facts["namespace"]
	if got := kubectl(t, "", "-n", namespace, "get", "resourcequota/zaffre", "-o", `jsonpath={.spec.hard.requests\.cpu}`); got != "12" {
		t.Errorf("the quota on CPUs is %s", got)
	}
	out = b.must(t, script{python: interpreter, text: clusterDeleted})
	t.Log(out)
	holds(t, out, `operation "Succeeded"`, "LEFT []")
	if got := kubectl(t, "", "get", "--ignore-not-found", "namespace/"+namespace); got != "" {
		t.Errorf("left is %s", got)
	}
	out = b.must(t, script{python: interpreter, text: clusterAttached})
	t.Log(out)
	holds(t, out, "GOT found AksCompute Succeeded True None None False None", "REFUSED delete", "DeleteUnsupported", "zaffre compute detach found")
	for _, secret := range []string{token, line} {
		if strings.Contains(out, secret) || strings.Contains(b.log.String(), secret) || b.stored(t, secret) {
			t.Error("a secret was shown, logged or stored")
		}
	}
}
