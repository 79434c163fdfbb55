package kubernetes_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// using is a target in use.
type using struct {
	*testing.T
	driver.Runner
}

// fresh returns a target in a namespace of its own, in use.
func fresh(t *testing.T) (using, driver.Target, string) {
	t.Helper()
	share(t)
	namespace, token := space(t)
	target := at(t, namespace, token)
	return using{t, connect(t, target)}, target, namespace
}

// digestOf returns a digest that nobody else uses.
func digestOf(t *testing.T) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(t.Name()+id.New())))
}

// patiently has a call made again that an API server which has much else to do cannot answer now.
func (u using) patiently(call func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.Context()), time.Minute)
	defer cancel()
	drivertest.Until(ctx, func() bool {
		if err = call(ctx); fault.ReasonOf(err) == "ClusterBusy" {
			u.Log(fault.From(err).Evidence)
			return false
		}
		return true
	})
	return err
}

func (u using) Cancel(_ context.Context, h driver.Handle) error {
	return u.patiently(func(ctx context.Context) error { return u.Runner.Cancel(ctx, h) })
}

func (u using) Release(_ context.Context, h driver.Handle) error {
	return u.patiently(func(ctx context.Context) error { return u.Runner.Release(ctx, h) })
}

func (u using) start(j driver.Job) (h driver.Handle) {
	u.Helper()
	if err := u.patiently(func(ctx context.Context) (err error) { h, err = u.Start(ctx, j); return err }); err != nil {
		u.Fatal(err)
	}
	return h
}

// await polls, and starts again where the target asks for that, until ok is true.
func (u using) await(j driver.Job, h driver.Handle, what string, ok func(driver.JobStatus, error) bool) driver.JobStatus {
	u.Helper()
	return u.awaitWithin(3*time.Minute, j, h, what, ok)
}

func (u using) awaitWithin(within time.Duration, j driver.Job, h driver.Handle, what string, ok func(driver.JobStatus, error) bool) driver.JobStatus {
	u.Helper()
	ctx, cancel := context.WithTimeout(u.Context(), within)
	defer cancel()
	var st driver.JobStatus
	var err error
	if !drivertest.Until(ctx, func() bool {
		if st, err = u.Poll(ctx, h); ok(st, err) {
			return true
		}
		if st.Again {
			if _, err := u.Start(ctx, j); err != nil && !fault.Retryable(err) {
				u.Fatalf("started again: %v", err)
			}
		}
		return false
	}) {
		u.Fatalf("waited in vain for %s: the job is %+v, %v", what, st, err)
	}
	return st
}

func (u using) end(j driver.Job, h driver.Handle) driver.JobStatus {
	u.Helper()
	return u.await(j, h, "the end", func(st driver.JobStatus, err error) bool { return err == nil && st.State.Final() })
}

// says waits until a job that waits says why.
func (u using) says(j driver.Job, h driver.Handle, text string) {
	u.Helper()
	u.await(j, h, "the message "+text, func(st driver.JobStatus, _ error) bool {
		return st.State == driver.JobPending && strings.Contains(st.Message, text)
	})
}

func (u using) log(h driver.Handle) string {
	u.Helper()
	r, err := u.Runner.(driver.LogReader).ReadLog(u.Context(), h, 0)
	if err != nil {
		u.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		u.Error(err)
	}
	return string(b)
}

// uv is a definition that uv builds, with what the server gives to builds.
var uv = driver.Definition{Pip: []string{"six==1.16.0"}}

// TestEnvironment: what uv builds in a pod, a run has in its own; the nodes keep the packages.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	_, target, _ := fresh(t)
	target.Tools = tools(t)
	cache := filepath.Join("/var/tmp", "zaffre-test-"+target.ID)
	t.Cleanup(func() { os.RemoveAll(cache) })
	target = with(target, "cache", cache)
	u := using{t, connect(t, target)}
	digest := digestOf(t)
	u.build(digest, uv)
	st := u.built(digest)
	if st.State != driver.BuildDone || st.Way != "uv" {
		t.Fatalf("the build is %+v", st)
	}
	if _, err := os.Stat(filepath.Join(cache, "uv")); err != nil {
		t.Errorf("the cache is not used: %v", err)
	}
	j := drivertest.NewJob("python", "-c", "import six; print('six', six.__version__)")
	j.Runtime = st.Runtime
	h := u.start(j)
	if end := u.end(j, h); end.State != driver.JobDone || u.log(h) != "six 1.16.0\n" {
		t.Errorf("the job is %+v and says %q", end, u.log(h))
	}
	// A server that was started since knows no definition: it is asked to build again, which takes no pod.
	next := using{t, connect(t, target)}
	second := drivertest.NewJob("python", "-c", "import six")
	second.Runtime = st.Runtime
	h = next.start(second)
	_, err := next.Start(t.Context(), second)
	for ; err == nil || fault.ReasonOf(err) == "ClusterBusy"; _, err = next.Start(t.Context(), second) {
		if st, err := next.Poll(t.Context(), h); err == nil && st.State != driver.JobPending {
			t.Fatalf("without a definition the job is %+v", st)
		}
	}
	if fault.ReasonOf(err) != "EnvironmentMissing" {
		t.Fatal(err)
	}
	if st, err := next.Runner.(driver.EnvBuilder).BuildStatus(t.Context(), digest); err != nil || st.State != driver.BuildMissing {
		t.Errorf("not defined, the build is %+v, %v", st, err)
	}
	next.build(digest, uv)
	if end := next.end(second, h); end.State != driver.JobDone {
		t.Errorf("built again, the job is %+v", end)
	}
}

// TestEnvironmentImpossible: a package that there is not is told by the build, in its words.
func TestEnvironmentImpossible(t *testing.T) {
	t.Parallel()
	_, target, _ := fresh(t)
	target.Tools = tools(t)
	u := using{t, connect(t, target)}
	digest := digestOf(t)
	u.build(digest, driver.Definition{Pip: []string{"no-such-package-of-zaffre==1"}})
	if st := u.built(digest); st.State != driver.BuildFailed || st.Reason != "PackageNotFound" {
		t.Errorf("the build is %+v", st)
	}
	bad := driver.Definition{Dockerfile: []byte("FROM x")}
	if err := u.Runner.(driver.EnvBuilder).Build(t.Context(), digest, bad); fault.ReasonOf(err) != "ImageBuildUnsupported" {
		t.Error(err)
	}
}

func (u using) build(digest string, d driver.Definition) {
	u.Helper()
	ctx, cancel := context.WithTimeout(u.Context(), 3*time.Minute)
	defer cancel()
	if err := drivertest.Patiently(ctx, func() error { return u.Runner.(driver.EnvBuilder).Build(ctx, digest, d) }); err != nil {
		u.Fatal(err)
	}
}

func (u using) built(digest string) driver.BuildStatus {
	u.Helper()
	for end := time.Now().Add(3 * time.Minute); ; <-time.After(50 * time.Millisecond) {
		st, err := u.Runner.(driver.EnvBuilder).BuildStatus(u.Context(), digest)
		if err != nil && !fault.Retryable(err) || time.Now().After(end) {
			u.Fatalf("the build is %+v, %v", st, err)
		}
		if err == nil && st.State != driver.BuildRunning {
			return st
		}
	}
}

// tools returns the server's folder for programs, which tests share: what is in it is downloaded once.
func tools(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	return filepath.Join(dir, "zaffre-test", "tools")
}

// asking is a program that asks the server.
const asking = `
import os, ssl, urllib.request
r = urllib.request.Request(os.environ["HOME_URL"] + "/x", headers={"Authorization": "Bearer a-token"})
print(urllib.request.urlopen(r, context=ssl.create_default_context(cafile=os.environ["CA"])).read().decode())
`

// TestServerFromAPod: a run reaches the server through the channel by which its agent is spoken to.
func TestServerFromAPod(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	target.Home = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	u := using{t, connect(t, target)}
	j := drivertest.NewJob("python", "-c", asking)
	j.Token, j.Env = "a-token", map[string]string{"HOME_URL": driver.HomeURL, "CA": driver.HomeCA, "API_KEY": "k3y-canary"}
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobDone || u.log(h) != "hello Bearer a-token\n" {
		t.Errorf("the job is %+v, and says %q", st, u.log(h))
	}
	unseen(t, namespace, j, "a-token", "k3y-canary", "urllib", target.Secrets["token"])
}

// unseen checks that none of these stands in an object of the namespace, in which the job does.
func unseen(t *testing.T, namespace string, j driver.Job, secrets ...string) {
	t.Helper()
	made := kubectl(t, "", "-n", namespace, "get", "jobs,pods,configmaps,events", "-o", "yaml")
	for _, secret := range secrets {
		if !strings.Contains(made, j.ID) || strings.Contains(made, secret) {
			t.Errorf("%q stands in an object of the cluster", secret)
		}
	}
}

// TestVia: the API server is reached through another target's machine, and by nothing else.
func TestVia(t *testing.T) {
	t.Parallel()
	_, target, _ := fresh(t)
	host, err := local.Kind().Connect(t.Context(), driver.Target{ID: "jump-" + id.New(), Options: map[string]any{"user": "same", "workDirectory": t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	jump := &dials{Host: host.(driver.Host)}
	target.On["via"] = []driver.Conn{jump}
	t.Cleanup(func() { delete(target.On, "via") }) // cleaned up without it
	u := using{t, connect(t, target)}
	j := drivertest.NewJob("echo", "through")
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobDone || u.log(h) != "through\n" {
		t.Errorf("the job is %+v", st)
	}
	if n := jump.dialed.Load(); n < 2 { // for requests, and for the agent
		t.Errorf("the jump host was asked for %d connections", n)
	}
}

// dials notes what is connected to.
type dials struct {
	driver.Host
	dialed atomic.Int64
}

func (c *dials) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c.dialed.Add(1)
	return c.Host.Dial(ctx, network, addr)
}

// TestInstanceTypes: what the types and options say stands in the pod.
func TestInstanceTypes(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	target = with(target, "instanceTypes", map[string]any{
		"small": map[string]any{"resources": map[string]any{"requests": map[string]any{"cpu": "10m"}, "limits": map[string]any{"memory": "200Mi"}}},
		"far":   map[string]any{"nodeSelector": map[string]any{"zone": "far"}, "tolerations": []any{map[string]any{"key": "far", "operator": "Exists"}}},
	})
	u := using{t, connect(t, with(target, "defaultInstanceType", "small"))}
	usual := drivertest.NewJob("true")
	usual.Options = map[string]any{"cpus": "20m", "gpus": int64(0)}
	h := u.start(usual)
	if st := u.end(usual, h); st.State != driver.JobDone || len(st.Nodes) != 1 {
		t.Errorf("the job is %+v", st)
	}
	got := kubectl(t, "", "-n", namespace, "get", "job", usual.ID, "-o", "jsonpath={.spec.template.spec.containers[0].resources} {.spec.template.spec.automountServiceAccountToken}")
	if want := `{"limits":{"memory":"200Mi"},"requests":{"cpu":"20m"}} false`; got != want {
		t.Errorf("the pod has %s, want %s", got, want)
	}
	far := drivertest.NewJob("true")
	far.Options = map[string]any{"instanceType": "far"}
	u.says(far, u.start(far), "didn't match Pod's node affinity/selector")
	unknown := drivertest.NewJob("true")
	unknown.Options = map[string]any{"instanceType": "nope"}
	if _, err := u.Start(t.Context(), unknown); fault.ReasonOf(err) != "OptionInvalid" || !strings.Contains(fault.From(err).Fix, "far, small") {
		t.Errorf("an instance type that there is not: %v", err)
	}
}
