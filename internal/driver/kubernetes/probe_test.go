package kubernetes_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// observed is what a look at the target shows: its checks by name. Where the probe is slow to start it is looked at again.
func (u using) observed() (map[string]driver.Check, driver.Observation) {
	u.Helper()
	begin := time.Now()
	var o driver.Observation
	drivertest.Until(u.Context(), func() bool {
		if err := u.patiently(func(ctx context.Context) (err error) { o, err = u.Observe(ctx); return err }); err != nil {
			u.Fatal(err)
		}
		starting := slices.ContainsFunc(o.Checks, func(c driver.Check) bool { return c.Reason == "ProbeStarting" })
		return !starting || time.Since(begin) > 3*time.Minute
	})
	by := map[string]driver.Check{}
	for _, c := range o.Checks {
		by[c.Name] = c
	}
	u.Logf("seen in %v: %+v", time.Since(begin).Round(time.Millisecond), o.Checks[min(len(o.Checks), 7):])
	return by, o
}

// wantCheck checks how a check of the probe went: "" is well.
func (u using) wantCheck(checks map[string]driver.Check, name, reason, says string) {
	u.Helper()
	c, made := checks[name]
	if !made || c.Reason != reason || c.OK != (reason == "" || reason == "NoRoute") || !strings.Contains(strings.Join(c.Evidence, "\n"), says) {
		u.Errorf("the check %s is %+v, made %t, want the reason %q and %q", name, c, made, reason, says)
	}
	if !c.OK && c.Fix == "" {
		u.Errorf("the check %s has no Fix", name)
	}
}

// unmade checks that checks are not claimed that were not made.
func (u using) unmade(checks map[string]driver.Check, names ...string) {
	u.Helper()
	for _, name := range names {
		if c, made := checks[name]; made {
			u.Errorf("the check %s is %+v, and could not be made", name, c)
		}
	}
}

// empty checks that nothing of the target is in its namespace.
func (u using) empty(namespace string) {
	u.Helper()
	if got := kubectl(u.T, "", "-n", namespace, "get", "jobs,pods,configmaps,secrets", "-l", "app.kubernetes.io/managed-by=zaffre", "-o", "name"); got != "" {
		u.Errorf("a look has left %s", got)
	}
}

// probesMade counts the probes that a namespace has seen, by its events.
func probesMade(t testing.TB, namespace string) int {
	return strings.Count(kubectl(t, "", "-n", namespace, "get", "events", "--field-selector", "reason=SuccessfulCreate", "-o", "name"), "event/")
}

// TestProbe: a look fetches the image, runs a command and says how far pods reach. It leaves nothing, and the next one
// takes no pod.
func TestProbe(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	for range 2 {
		checks, o := u.observed()
		u.wantCheck(checks, "image", "", "node1: ")
		u.wantCheck(checks, "exec", "", "the agent came in within ")
		u.wantCheck(checks, "egress", "", "pods reach kubernetes.default.svc:443, the cluster's API server")
		if o.Facts["egress"] != "kubernetes.default.svc:443" {
			t.Errorf("the facts are %v", o.Facts)
		}
		u.empty(namespace)
	}
	if n := probesMade(t, namespace); n != 1 {
		t.Errorf("two looks have made %d pods", n)
	}
}

// TestProbeOfImages: what the registry says of the target's image is told, and the target can be used by runs that name
// others.
func TestProbeOfImages(t *testing.T) {
	t.Parallel()
	answer := func(status int, text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" && status == http.StatusNotFound {
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("WWW-Authenticate", `Basic realm="closed"`)
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"x"}]}`, text)
		})
	}
	for _, tt := range []struct{ name, image, check, reason, says string }{
		{"there is none", listen(t, answer(http.StatusNotFound, "MANIFEST_UNKNOWN"), false) + "/nope:1", "image", "ImageUnavailable", "/nope:1: not found"},
		{"a login is wanted", listen(t, answer(http.StatusUnauthorized, "UNAUTHORIZED"), false) + "/closed:1", "image", "ImageUnavailable", "401 Unauthorized"},
		{"no registry answers", "127.0.0.1:1/away:1", "image", "ImageUnavailable", "connection refused"},
		{"no name of an image", "UPPER CASE", "image", "ImageUnavailable", "UPPER CASE"},
		{"an image without a shell", "zaffre-test/pause:1", "exec", "ProbeEnded", "the image has no shell"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, target, namespace := fresh(t)
			u := using{t, connect(t, with(target, "image", tt.image))}
			checks, o := u.observed()
			u.wantCheck(checks, tt.check, tt.reason, tt.says)
			u.unmade(checks, "egress")
			if !o.Ready {
				t.Errorf("the target is %+v", o)
			}
			u.empty(namespace)
		})
	}
}

// TestProbeNot: where no probe can be made, that is said of the target instead.
func TestProbeNot(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	u := using{t, connect(t, with(target, "image", nil))}
	checks, o := u.observed()
	u.unmade(checks, "image", "exec", "egress")
	if got := o.Facts["probe"]; got != "not made: the target names no image, and its runs do" {
		t.Errorf("the fact is %q", got)
	}
	kubectl(t, "", "-n", namespace, "patch", "role", "zaffre", "--type=json", "-p", `[{"op":"replace","path":"/rules/2/verbs","value":["get"]}]`)
	u = using{t, connect(t, target)}
	o, err := u.Observe(t.Context())
	if last := o.Checks[len(o.Checks)-1]; fault.ReasonOf(err) != "PermissionMissing" || last.Name != "permissions" || last.Evidence[1] != "create pods/exec" {
		t.Errorf("%v, checks %+v", err, o.Checks)
	}
	if n := probesMade(t, namespace); n != 0 {
		t.Errorf("%d pods were made", n)
	}
}

// TestProbeWaits: a probe that finds no place says for what it would wait, as the cluster says it, and is not left there.
func TestProbeWaits(t *testing.T) {
	t.Parallel()
	far := map[string]any{"far": map[string]any{"nodeSelector": map[string]any{"zone": "far"}}}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, target driver.Target, namespace string) driver.Target
		reason string
		says   string
	}{
		{"no node fits", func(_ *testing.T, target driver.Target, _ string) driver.Target {
			return with(with(target, "instanceTypes", far), "defaultInstanceType", "far")
		}, "ProbeUnplaced", "didn't match Pod's node affinity/selector"},
		{"a quota is used up", func(t *testing.T, target driver.Target, namespace string) driver.Target {
			kubectl(t, "", "-n", namespace, "create", "quota", "none", "--hard=pods=0")
			return target
		}, "ProbeRefused", "exceeded quota: none"},
		{"pod security", func(t *testing.T, target driver.Target, namespace string) driver.Target {
			kubectl(t, "", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
			return target
		}, "ProbeRefused", "--run-as-user 10001"},
		{"no such account", func(_ *testing.T, target driver.Target, _ string) driver.Target {
			return with(target, "serviceAccount", "nobody")
		}, "ProbeRefused", `serviceaccount "nobody" not found`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, target, namespace := fresh(t)
			u := using{t, connect(t, tt.change(t, target, namespace))}
			checks, _ := u.observed()
			u.wantCheck(checks, "image", tt.reason, tt.says)
			u.unmade(checks, "exec", "egress")
			u.empty(namespace)
		})
	}
}

// TestProbeIsLittle: a probe asks for next to nothing of what its instance type has, and ends by itself.
func TestProbeIsLittle(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	gpu := map[string]any{"gpu": map[string]any{"resources": map[string]any{"requests": map[string]any{"cpu": "64"}, "limits": map[string]any{"nvidia.com/gpu": "1", "memory": "1Ti"}}}}
	u := using{t, connect(t, with(with(target, "instanceTypes", gpu), "defaultInstanceType", "gpu"))}
	name := u.dies(target, namespace)
	got := field(t, namespace, "job/"+name, "{.spec.template.spec.containers[0].resources} {.spec.activeDeadlineSeconds} {.spec.ttlSecondsAfterFinished} {.metadata.labels.zaffre/target}")
	if want := `{"limits":{"memory":"256Mi"},"requests":{"cpu":"10m","memory":"32Mi"}} 900 60 ` + target.ID; got != want {
		t.Errorf("the probe has %s, want %s", got, want)
	}
}

// dies looks at the target and dies when the probe is there, whose name it returns.
func (u using) dies(target driver.Target, namespace string) string {
	u.Helper()
	name := "zaffre-" + target.ID + "-probe"
	ctx, cancel := context.WithCancel(u.Context())
	var all sync.WaitGroup
	all.Go(func() { _, _ = u.Observe(ctx) })
	kubectl(u.T, "", "-n", namespace, "wait", "--for=create", "--timeout=120s", "job/"+name)
	cancel()
	all.Wait()
	return name
}

// TestProbeLeft: a probe that one who died has left is used by the next, or made anew if it has ended, and taken away; or
// with the target.
func TestProbeLeft(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]int{"used": 1, "ended": 2, "detached": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, target, namespace := fresh(t)
			probe := u.dies(target, namespace)
			next := using{t, connect(t, target)}
			switch name {
			case "ended":
				kubectl(t, "", "-n", namespace, "wait", "--for=create", "--timeout=120s", "pods", "-l", "zaffre/probe")
				kubectl(t, "", "-n", namespace, "delete", "--wait=false", "--grace-period=1", "pods", "-l", "zaffre/probe")
				eventually(t, "the probe's end", func() bool { // it ends well if it had begun
					ended := field(t, namespace, "job/"+probe, "{.status.conditions[*].type}")
					return strings.Contains(ended, "Failed") || strings.Contains(ended, "Complete")
				})
				fallthrough
			case "used":
				checks, _ := next.observed()
				next.wantCheck(checks, "egress", "", "pods reach")
			case "detached":
				items, err := next.Runner.(driver.Cleaner).Clean(t.Context(), true)
				if err != nil || len(items) != 1 || items[0].Name != namespace+"/"+probe {
					t.Errorf("dry: %+v, %v", items, err)
				}
				clean(t, target)
			}
			next.empty(namespace)
			if n := probesMade(t, namespace); n != made {
				t.Errorf("%d pods were made, want %d", n, made)
			}
		})
	}
}

// TestProbeAtOnce: those who look at the same time, by one connection or by several, all see the same, and leave nothing.
func TestProbeAtOnce(t *testing.T) { // not beside others: each look sends this whole test as its agent
	u, target, namespace := fresh(t)
	var all sync.WaitGroup
	for _, one := range []using{u, u, {t, connect(t, target)}} {
		all.Go(func() {
			checks, _ := one.observed()
			one.wantCheck(checks, "exec", "", "a command took")
			one.wantCheck(checks, "egress", "", "pods reach")
		})
	}
	all.Wait()
	u.empty(namespace)
	if n := probesMade(t, namespace); n > 2 {
		t.Errorf("two connections have made %d pods", n)
	}
}

// TestProbeTaken: a connection that ends because the probe is taken away says nothing of how far pods reach.
func TestProbeTaken(t *testing.T) {
	_, target, namespace := fresh(t)
	target.Tools = t.TempDir()
	host, _, _ := net.SplitHostPort(os.Getenv("TEST_KUBERNETES_REGISTRY"))
	packages, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate(t, host, filepath.Join(t.TempDir(), "ca.pem"))}}, ErrorLog: log.New(io.Discard, "", 0)}
	var all sync.WaitGroup
	t.Cleanup(func() { server.Close(); packages.Close(); all.Wait() })
	all.Go(func() {
		c, err := packages.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		kubectl(t, "", "-n", namespace, "delete", "--wait=false", "job/zaffre-"+target.ID+"-probe")
		c.Close()
		_ = server.ServeTLS(packages, "", "")
	})
	t.Setenv("UV_DEFAULT_INDEX", "https://"+packages.Addr().String()+"/simple")
	u := using{t, connect(t, target)}
	checks, _ := u.observed()
	u.wantCheck(checks, "egress", "", "pods reach "+packages.Addr().String())
	u.empty(namespace)
	if n := probesMade(t, namespace); n != 2 {
		t.Errorf("%d pods were made, want 2", n)
	}
}

// TestProbeOfALargeImage: a look does not wait for an image that is being pulled. The next one sees by the same pod how it
// went.
func TestProbeOfALargeImage(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	goOn := make(chan struct{})
	at := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			<-goOn
			w.WriteHeader(http.StatusNotFound)
		}
	}), false)
	u := using{t, connect(t, with(target, "image", at+"/large:1"))}
	for range 2 {
		begin := time.Now()
		checks, _ := u.observed()
		u.wantCheck(checks, "image", "ImagePulling", at+"/large:1 is being pulled, by node1")
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("a look took %v", took)
		}
	}
	close(goOn)
	eventually(t, "what became of it", func() bool {
		checks, _ := u.observed()
		return checks["image"].Reason == "ImageUnavailable" && strings.Contains(strings.Join(checks["image"].Evidence, "\n"), "/large:1: not found")
	})
	u.empty(namespace)
	if n := probesMade(t, namespace); n != 1 {
		t.Errorf("%d pods were made", n)
	}
}

// TestEgress: it is told how far pods reach, and that packages come by way of the server where that is not far enough. The
// engine's network holds nobody to policies: what cannot be reached refuses, says nothing, or has no address.
func TestEgress(t *testing.T) {
	_, target, namespace := fresh(t)
	target.Tools = t.TempDir()
	packages := listen(t, http.NotFoundHandler(), true)
	host, _, _ := net.SplitHostPort(packages)
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for _, tt := range []struct{ host, reason, says string }{
		{packages, "", "pods reach " + packages + ", from where this server has packages"},
		{net.JoinHostPort(host, "1"), "NoRoute", "connection refused"},
		{silent.Addr().String(), "NoRoute", "nobody answers there within 4s"},
		{"packages.invalid:443", "NoRoute", "lookup packages.invalid"},
	} {
		t.Setenv("UV_DEFAULT_INDEX", "https://u:s3cret@"+tt.host+"/simple")
		u := using{t, connect(t, target)}
		checks, o := u.observed()
		u.wantCheck(checks, "egress", tt.reason, tt.says)
		if tt.reason != "" {
			u.wantCheck(checks, "egress", tt.reason, "packages of environments come by way of the server")
		}
		if said := fmt.Sprintf("%+v", o); !o.Ready || strings.Contains(said, "s3cret") || !strings.Contains(o.Facts["egress"], tt.host) {
			t.Errorf("the target is %s", said)
		}
		u.empty(namespace)
	}
}
