package kubernetes_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// TestMain makes the test binary the agent where it is started as one: it carries itself into pods.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		syscall.Exit(agent.Main(os.Args[1:])) // not os.Exit: the race detector makes that one sleep
	}
	os.Exit(m.Run())
}

// admin returns the kubeconfig of the cluster of test/engines/kubernetes.sh, whose environment TEST_KUBERNETES stands for.
func admin(t testing.TB) string {
	t.Helper()
	name := os.Getenv("TEST_KUBERNETES")
	if name == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "kubernetes") {
			t.Fatal(`TEST_KUBERNETES is not set; run: eval "$(test/engines/kubernetes.sh env)"`)
		}
		t.Skip(`needs Kubernetes: test/engines/kubernetes.sh up; eval "$(test/engines/kubernetes.sh env)"`)
	}
	return name
}

// share keeps those away that take away a part of the cluster, until the test ends.
func share(t testing.TB) {
	t.Helper()
	admin(t)
	drivertest.Share(t, os.Getenv("ENGINES_KUBERNETES_LOCK"))
}

// kubectl does something as the cluster's administrator.
func kubectl(t testing.TB, in string, args ...string) string {
	t.Helper()
	admin(t)
	out, err := rig.Kubectl(in, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// cluster is what the administrator's kubeconfig says of it.
func cluster(t testing.TB) (server, ca string) {
	t.Helper()
	text, err := os.ReadFile(admin(t))
	if err != nil {
		t.Fatal(err)
	}
	var k struct {
		Clusters []struct {
			Cluster struct {
				Server string
				CA     string `yaml:"certificate-authority-data"`
			}
		}
	}
	if err := yaml.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	return k.Clusters[0].Cluster.Server, k.Clusters[0].Cluster.CA
}

// space makes a namespace in which our account may do what the kind's Grants say, and no more.
func space(t testing.TB) (name, token string) {
	t.Helper()
	name = "zt-" + id.New()
	kubectl(t, strings.ReplaceAll(kubernetes.Kind().Grants, "{namespace:zaffre}", name), "apply", "-f", "-")
	t.Cleanup(func() {
		kubectl(t, "", "delete", "--wait=false", "--ignore-not-found", "namespace/"+name, "clusterrole/zaffre-"+name, "clusterrolebinding/zaffre-"+name)
	})
	return name, strings.TrimSpace(kubectl(t, "", "-n", name, "create", "token", "zaffre"))
}

// at returns a target in a namespace, which is cleaned at the end.
func at(t testing.TB, namespace, token string) driver.Target {
	t.Helper()
	server, ca := cluster(t)
	target := driver.Target{
		ID: id.New(), Secrets: map[string]string{"token": token}, On: map[string][]driver.Conn{},
		Options: map[string]any{"server": server, "ca": ca, "namespace": namespace, "image": os.Getenv("TEST_KUBERNETES_IMAGE")},
	}
	t.Cleanup(func() { clean(t, target) })
	return target
}

func clean(t testing.TB, target driver.Target) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	c, err := kubernetes.Kind().Connect(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := drivertest.Patiently(ctx, func() error { _, err := c.(driver.Cleaner).Clean(ctx, false); return err }); err != nil {
		t.Errorf("it cannot be cleaned: %v", err)
	}
}

func connect(t testing.TB, target driver.Target) driver.Runner {
	t.Helper()
	return drivertest.Connect[driver.Runner](t, kubernetes.Kind(), target)
}

// with returns a target with another option.
func with(target driver.Target, name string, v any) driver.Target {
	return drivertest.With(kubernetes.Kind(), target, map[string]any{name: v})
}

// by returns a target that is entered by something else.
func by(target driver.Target, name, secret string) driver.Target {
	target.Secrets = map[string]string{name: secret}
	return target
}

func TestConformance(t *testing.T) {
	t.Parallel()
	share(t)
	namespace, token := space(t)
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		good := at(t, namespace, token)
		alias := by(good, "kubeconfig", kubeconfig(t, token))
		toMake, _ := made(t, nil)
		return drivertest.Harness{
			Kind: kubernetes.Kind(), Target: good, Alias: &alias, Made: &toMake, Script: drivertest.POSIX, Few: true, Apart: true, BlackHole: blackHole(t, good),
			Crash: func(t *testing.T, _ driver.Conn) { crash(t, good) },
			Restart: func(t *testing.T) {
				kubectl(t, "", "-n", namespace, "delete", "pods", "-l", "zaffre/target="+good.ID, "--grace-period=1")
				// Until the cluster has seen that, the Job waits for its pod as one that never had any.
				kubectl(t, "", "-n", namespace, "wait", "--for=condition=Failed", "--timeout=120s", "jobs", "-l", "zaffre/target="+good.ID)
			},
			Refusals: []drivertest.Refusal{
				{Name: "TokenOfNobody", Target: by(good, "token", "nobody"), Check: "api-server", Code: fault.Unauthorized, Reason: "TokenRefused"},
				{Name: "NoToken", Target: by(good, "token", ""), Code: fault.Invalid, Reason: "CredentialsMissing"},
				{Name: "ClosedPort", Target: with(good, "server", "https://127.0.0.1:1"), Check: "api-server", Code: fault.Unavailable, Reason: "ConnectionRefused"},
				{Name: "AnotherAuthority", Target: with(good, "ca", ""), Check: "api-server", Code: fault.Precondition, Reason: "CertificateRefused"},
				{Name: "AnothersNamespace", Target: with(good, "namespace", "kube-system"), Check: "permissions", Code: fault.Denied, Reason: "PermissionMissing"},
				{Name: "NoServer", Target: with(good, "server", ""), Code: fault.Invalid, Reason: "ClusterUnknown"},
				{Name: "PlainHTTP", Target: with(good, "server", "http://10.0.0.1"), Code: fault.Invalid, Reason: "OptionInvalid"},
				{Name: "BadCache", Target: with(good, "cache", "relative/path"), Code: fault.Invalid, Reason: "OptionInvalid"},
				{Name: "NoSuchInstanceType", Target: with(good, "defaultInstanceType", "huge"), Code: fault.Invalid, Reason: "OptionInvalid"},
				{Name: "KubeconfigWithProgram", Target: by(good, "kubeconfig", strings.Replace(kubeconfig(t, token), "token: ", "exec: {command: touch, args: [/tmp/x]}, token: ", 1)), Code: fault.Invalid, Reason: "KubeconfigInvalid"},
			},
			Definition: func(what string) *driver.Definition {
				if what == "tiny" {
					return &driver.Definition{UserManaged: true, Interpreter: "python3"}
				}
				return &driver.Definition{UserManaged: true, Interpreter: "/no/such/python"}
			},
		}
	})
}

// kubeconfig returns one with a token.
func kubeconfig(t testing.TB, token string) string {
	server, ca := cluster(t)
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a,
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}],
users: [{name: u, user: {token: %s}}],
contexts: [{name: a, context: {cluster: c, user: u, namespace: elsewhere}}]}
`, server, ca, token)
}

// crash kills the target's agents, whatever pods they are in.
func crash(t *testing.T, target driver.Target) {
	t.Helper()
	for _, pid := range pids(t, "agent\x00serve\x00--root\x00/zaffre/"+target.ID) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// pids returns the processes of this machine, of which the node is a part, whose command line ends so.
func pids(t testing.TB, end string) (found []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		var pid int
		if n, _ := fmt.Sscan(e.Name(), &pid); n == 0 {
			continue
		}
		if b, err := os.ReadFile("/proc/" + e.Name() + "/cmdline"); err == nil && bytes.HasSuffix(bytes.TrimRight(b, "\x00"), []byte(end)) {
			found = append(found, pid)
		}
	}
	return found
}

// blackHole takes connections and says nothing.
func blackHole(t *testing.T, like driver.Target) *driver.Target {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	target := with(like, "server", "https://"+l.Addr().String())
	return &target
}
