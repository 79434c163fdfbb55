package kubernetes_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// maker is a token of an account that may do what the kind's Provision says is granted, and no more. The whole
// cluster has one such account.
var maker = sync.OnceValue(func() func(testing.TB) string {
	var once sync.Once
	token := ""
	return func(t testing.TB) string {
		once.Do(func() {
			kubectl(t, strings.ReplaceAll(kubernetes.Kind().Provision.Grants, "{namespace:zaffre}", "zaffre"), "apply", "-f", "-")
			token = strings.TrimSpace(kubectl(t, "", "-n", "zaffre", "create", "token", "zaffre-provision"))
		})
		return token
	}
})

// made returns a target that is to be made, and the name of its namespace, which goes at the end.
func made(t testing.TB, options map[string]any) (driver.Target, string) {
	t.Helper()
	admin(t)
	server, ca := cluster(t)
	target := driver.Target{
		ID: id.New(), Made: true, Secrets: map[string]string{"token": maker()(t)}, On: map[string][]driver.Conn{},
		Options: map[string]any{"server": server, "ca": ca, "image": os.Getenv("TEST_KUBERNETES_IMAGE"), "agentCount": int64(2), "agentVmSize": "Standard_D3_v2"},
	}
	for path, v := range options {
		target.Options[path] = v
	}
	namespace := "zaffre-" + target.ID
	t.Cleanup(func() { kubectl(t, "", "delete", "--wait=false", "--ignore-not-found", "namespace/"+namespace) })
	return target, namespace
}

func create(t testing.TB, target driver.Target) (driver.Provisioner, error) {
	t.Helper()
	c := drivertest.Connect[driver.Provisioner](t, kubernetes.Kind(), target)
	return c, c.Create(t.Context())
}

// field reads one of an object.
func field(t testing.TB, namespace, object, path string) string {
	t.Helper()
	return kubectl(t, "", "-n", namespace, "get", object, "-o", "jsonpath="+path)
}

// TestMade: a namespace is made with what is granted for that, with a quota; a run runs in it; it is made again without
// a change, changed, and deleted.
func TestMade(t *testing.T) {
	t.Parallel()
	target, namespace := made(t, nil)
	c, err := create(t, target)
	if err != nil {
		t.Fatal(err)
	}
	quota := func() string { return field(t, namespace, "resourcequota/zaffre", "{.spec.hard}") }
	if got, want := quota(), `{"pods":"60","requests.cpu":"8","requests.memory":"28Gi","requests.nvidia.com/gpu":"0"}`; got != want {
		t.Errorf("the quota is %s, want %s", got, want)
	}
	eventually(t, "a quota of which nothing is used", func() bool {
		o, err := c.Observe(t.Context())
		if err != nil || !o.Ready || !strings.HasSuffix(o.Identity, "/"+namespace) || o.Facts["agents"] != "2" {
			t.Errorf("it is %+v, %v", o, err)
		}
		return o.Facts["quota.requests.cpu"] == "0 of 8"
	})
	version := func() string { return field(t, namespace, "resourcequota/zaffre", "{.metadata.resourceVersion}") }
	eventually(t, "a quota that is not written anew", func() bool { // the quota's controller may write meanwhile
		before := version()
		if err := c.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		return version() == before
	})
	u := using{t, c.(driver.Runner)}
	j := drivertest.NewJob("sh", "-c", "echo in; echo > /dev/shm/x")
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	if got := field(t, namespace, "pods", "{.items[0].spec.containers[0].resources}"); got != `{"limits":{"cpu":"4","memory":"14Gi"},"requests":{"cpu":"1","memory":"3584Mi"}}` {
		t.Errorf("a pod that asks for nothing has %s", got)
	}
	larger := with(target, "agentCount", int64(3))
	if _, err := create(t, larger); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(quota(), `"requests.cpu":"12"`) {
		t.Errorf("with another agent the quota is %s", quota())
	}
	items, err := c.Delete(t.Context(), true)
	if err != nil || len(items) != 2 || items[0].Name != namespace || items[1].Type != "job" {
		t.Errorf("a dry run says %+v, %v", items, err)
	}
	gone(t, c)
	if items, err := c.Delete(t.Context(), false); err != nil || len(items) != 0 {
		t.Errorf("deleted again: %+v, %v", items, err)
	}
}

// gone deletes until nothing is left.
func gone(t testing.TB, c driver.Provisioner) {
	t.Helper()
	eventually(t, "the namespace to go", func() bool {
		items, err := c.Delete(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		return len(items) == 0
	})
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	eventuallyBy(t.Context(), t, what, ok)
}

// eventuallyBy is eventually with a context: at a test's end its own is over.
func eventuallyBy(ctx context.Context, t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if !drivertest.Until(ctx, ok) {
		t.Fatalf("waited in vain for %s", what)
	}
}

// TestMadeNamesOnly: the account cannot touch namespaces of other names, nor a target one that it did not make.
func TestMadeNamesOnly(t *testing.T) {
	t.Parallel()
	target, namespace := made(t, nil)
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte(kubeconfig(t, target.Secrets["token"])), 0o600); err != nil {
		t.Fatal(err)
	}
	other, _ := space(t)
	for _, args := range [][]string{{"delete", "namespace", other}, {"create", "namespace", "other"}, {"-n", other, "create", "rolebinding", "x", "--clusterrole=zaffre-runs", "--user=x"}} {
		args = append([]string{"--kubeconfig", config, "--dry-run=server"}, args...)
		var out []byte
		eventually(t, "the policy to refuse it", func() bool { // it takes a moment to hold
			out, _ = exec.CommandContext(t.Context(), os.Getenv("ENGINES_KUBECTL"), args...).CombinedOutput()
			return strings.Contains(string(out), "zaffre makes and changes only namespaces whose name begins with zaffre-")
		})
	}
	kubectl(t, "", "create", "namespace", namespace)
	c := drivertest.Connect[driver.Provisioner](t, kubernetes.Kind(), target)
	if items, err := c.Delete(t.Context(), false); err != nil || len(items) != 0 {
		t.Errorf("of somebody else's namespace goes %+v, %v", items, err)
	}
	if phase := field(t, namespace, "namespace/"+namespace, "{.status.phase}"); phase != "Active" {
		t.Errorf("somebody else's namespace is %s", phase)
	}
}

// TestMadeRefuses: what cannot be made says why, and nothing is there afterwards.
func TestMadeRefuses(t *testing.T) {
	t.Parallel()
	cert, key := pair(t)
	for _, tt := range []struct {
		reason  string
		options map[string]any
		secrets map[string]string
		says    string
	}{
		{"SizeUnknown", map[string]any{"agentVmSize": "Standard_Z9"}, nil, `sizes={"Standard_Z9"`},
		{"OptionInvalid", map[string]any{"agentCount": int64(0)}, nil, "1 to 5000"},
		{"OptionInvalid", map[string]any{"agentVmSize": "big", "sizes": map[string]any{"big": map[string]any{"cpu": 1}}}, nil, `"memory":"32Gi"`},
		{"OptionInvalid", map[string]any{"sslConfiguration.status": "Auto"}, nil, "ssl_cname"},
		{"OptionInvalid", map[string]any{"sslConfiguration.cname": "a.example"}, map[string]string{"sslConfiguration.cert": cert}, "--ssl-key-file"},
		{"OptionInvalid", map[string]any{"sslConfiguration.cname": "a.example"}, map[string]string{"sslConfiguration.cert": key, "sslConfiguration.key": key}, "openssl"},
	} {
		target, namespace := made(t, tt.options)
		for name, v := range tt.secrets {
			target.Secrets[name] = v
		}
		c, err := create(t, target)
		f := fault.From(err)
		if f == nil || f.Reason != tt.reason || !strings.Contains(f.Fix, tt.says) || strings.Contains(f.Error(), "PRIVATE") {
			t.Errorf("%v: %v", tt.options, err)
		}
		if out := kubectl(t, "", "get", "--ignore-not-found", "namespace/"+namespace); out != "" {
			t.Errorf("%v left %s", tt.options, out)
		}
		if items, err := c.Delete(t.Context(), false); err != nil || len(items) != 0 {
			t.Errorf("%v: deleting says %+v, %v", tt.options, items, err)
		}
	}
}

// pair returns a certificate and its key.
func pair(t testing.TB) (cert, key string) {
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
	text, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

// TestMadeHalf: what was made half is finished, and what was made half can be deleted. An account without the right to
// make says which grant it needs.
func TestMadeHalf(t *testing.T) {
	t.Parallel()
	target, namespace := made(t, map[string]any{"agentVmSize": "own", "sizes": map[string]any{"OWN": map[string]any{"cpu": 2, "memory": "4Gi", "gpus": 1}}})
	other, token := space(t)
	mine := by(target, "token", token)
	_, err := create(t, mine)
	if f := fault.From(err); f == nil || f.Reason != "PermissionMissing" || !strings.Contains(f.Fix, "compute create kubernetes --print-rbac") {
		t.Errorf("by the account of %s: %v", other, err)
	}
	c, err := create(t, target)
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "-n", namespace, "delete", "rolebinding/zaffre", "resourcequota/zaffre")
	if err := c.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := field(t, namespace, "resourcequota/zaffre", "{.spec.hard}"); !strings.Contains(got, `"requests.cpu":"4","requests.memory":"8Gi","requests.nvidia.com/gpu":"2"`) {
		t.Errorf("the quota is %s", got)
	}
	kubectl(t, "", "-n", namespace, "delete", "--ignore-not-found", "rolebinding/zaffre")
	gone(t, c)
}

// TestMadeRestricted: with a user of its own a namespace is made at the level restricted; without, at baseline, which
// lets no folder of a node in.
func TestMadeRestricted(t *testing.T) {
	t.Parallel()
	target, namespace := made(t, map[string]any{"runAsUser": int64(10001)})
	c, err := create(t, target)
	if err != nil {
		t.Fatal(err)
	}
	if got := field(t, namespace, "namespace/"+namespace, `{.metadata.labels.pod-security\.kubernetes\.io/enforce}`); got != "restricted" {
		t.Errorf("its level is %q", got)
	}
	u := using{t, c.(driver.Runner)}
	j := drivertest.NewJob("id", "-u")
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobDone || u.log(h) != "10001\n" {
		t.Errorf("the job is %+v and says %q", st, u.log(h))
	}
	plain, _ := made(t, map[string]any{"cache": "/var/tmp/zaffre-test-none"})
	if c, err = create(t, plain); err != nil {
		t.Fatal(err)
	}
	u = using{t, c.(driver.Runner)}
	j = drivertest.NewJob("true")
	u.says(j, u.start(j), `violates PodSecurity "baseline:latest"`)
}
