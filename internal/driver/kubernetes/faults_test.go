package kubernetes_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// TestImageMissing: what the registry says of an image that there is not ends the run.
func TestImageMissing(t *testing.T) {
	t.Parallel()
	u, _, _ := fresh(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", os.Getenv("TEST_KUBERNETES_REGISTRY"))
	if err != nil {
		t.Fatal(err)
	}
	registry := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
	})}
	go func() { _ = registry.Serve(l) }()
	t.Cleanup(func() { registry.Close() })
	j := drivertest.NewJob("true")
	j.Options = map[string]any{"image": os.Getenv("TEST_KUBERNETES_REGISTRY") + "/nope:1"}
	h := u.start(j)
	st := u.end(j, h)
	if st.State != driver.JobFailed || st.Reason != "ImageUnavailable" || !strings.Contains(st.Message, "/nope:1") || !strings.Contains(st.Message, "not found") {
		t.Errorf("the job is %+v", st)
	}
	if err := u.Release(t.Context(), h); err != nil {
		t.Error(err)
	}
}

// TestImageNone: where nothing names an image, that is said before anything is made.
func TestImageNone(t *testing.T) {
	t.Parallel()
	_, target, _ := fresh(t)
	u := using{t, connect(t, with(target, "image", ""))}
	if _, err := u.Start(t.Context(), drivertest.NewJob("true")); fault.ReasonOf(err) != "ImageMissing" {
		t.Error(err)
	}
}

// TestQuota: a run waits for a quota, says so, and starts when there is room.
func TestQuota(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	kubectl(t, "", "-n", namespace, "create", "quota", "none", "--hard=pods=0")
	j := drivertest.NewJob("true")
	h := u.start(j)
	u.says(j, h, "exceeded quota: none")
	if err := u.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st := u.end(j, h); st.State != driver.JobCanceled || st.Ended.IsZero() {
		t.Errorf("the job is %+v", st)
	}
}

// TestNoNodeFits: a run that asks for more than any node has waits, and says for what.
func TestNoNodeFits(t *testing.T) {
	t.Parallel()
	u, _, _ := fresh(t)
	for option, v := range map[string]any{"cpus": "1000", "gpus": int64(1)} {
		j := drivertest.NewJob("true")
		j.Options = map[string]any{option: v, "gpuResource": "nvidia.com/gpu"}
		want := map[string]string{"cpus": "Insufficient cpu", "gpus": "Insufficient nvidia.com/gpu"}[option]
		u.says(j, u.start(j), want)
	}
	bad := drivertest.NewJob("true")
	bad.Options = map[string]any{"image": "UPPER CASE"}
	h := u.start(bad)
	if st := u.end(bad, h); st.Reason != "ImageUnavailable" {
		t.Errorf("the job is %+v", st)
	}
}

// TestForbidden: each verb that is missing is named.
func TestForbidden(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	kubectl(t, "", "-n", namespace, "patch", "role", "zaffre", "--type=json", "-p", `[{"op":"replace","path":"/rules/2/verbs","value":["get"]},{"op":"replace","path":"/rules/0/verbs","value":["get","list","patch","delete"]}]`)
	o, err := u.Observe(t.Context())
	i := slices.IndexFunc(o.Checks, func(c driver.Check) bool { return c.Name == "permissions" })
	if fault.ReasonOf(err) != "PermissionMissing" || i < 0 || !slices.Contains(o.Checks[i].Evidence, "create pods/exec") || !slices.Contains(o.Checks[i].Evidence, "create jobs") {
		t.Errorf("%v, checks %+v", err, o.Checks)
	}
	if !strings.Contains(fault.From(err).Fix, "--print-rbac --namespace "+namespace) {
		t.Errorf("the fix is %q", fault.From(err).Fix)
	}
	if _, err := u.Start(t.Context(), drivertest.NewJob("true")); fault.ReasonOf(err) != "PermissionMissing" {
		t.Errorf("a run: %v", err)
	}
}

// TestTokenRefused: an account that was taken away is not silence, and loses no run.
func TestTokenRefused(t *testing.T) {
	t.Parallel()
	u, target, namespace := fresh(t)
	j := drivertest.NewJob("true")
	h := u.start(j)
	kubectl(t, "", "-n", namespace, "delete", "serviceaccount", "zaffre")
	var err error
	for end := time.Now().Add(3 * time.Minute); fault.ReasonOf(err) != "TokenRefused"; <-time.After(100 * time.Millisecond) { // the API server knows it for a while
		if _, err = u.Observe(t.Context()); time.Now().After(end) {
			t.Fatalf("the account is gone, and the target is %v", err)
		}
	}
	if fault.CodeOf(err) != fault.Unauthorized || strings.Contains(fmt.Sprintf("%+v", fault.From(err)), target.Secrets["token"]) {
		t.Errorf("%+v", fault.From(err))
	}
	u = using{t, connect(t, target)} // a channel that is open stays so
	if st, err := u.Poll(t.Context(), h); fault.ReasonOf(err) != "TokenRefused" {
		t.Errorf("the job is %+v, %v", st, err)
	}
	kubectl(t, "", "-n", namespace, "create", "serviceaccount", "zaffre")
	token := strings.TrimSpace(kubectl(t, "", "-n", namespace, "create", "token", "zaffre"))
	target.Secrets["token"] = token // of the map that the clean-up reads too
	u = using{t, connect(t, target)}
	if st := u.end(j, h); st.State != driver.JobDone {
		t.Errorf("with another token the job is %+v", st)
	}
}

// TestNamespaceTerminating: a namespace that is being deleted takes no runs, and one that is gone is clean.
func TestNamespaceTerminating(t *testing.T) {
	t.Parallel()
	share(t)
	namespace, token := space(t)
	server, ca := cluster(t)
	target := driver.Target{ID: id.New(), Secrets: map[string]string{"token": token}, Options: map[string]any{"server": server, "ca": ca, "namespace": namespace, "image": os.Getenv("TEST_KUBERNETES_IMAGE")}}
	kubectl(t, "", "patch", "namespace", namespace, "-p", `{"metadata":{"finalizers":["zaffre.test/held"]}}`)
	kubectl(t, "", "delete", "--wait=false", "namespace", namespace)
	t.Cleanup(func() {
		kubectl(t, "", "patch", "namespace", namespace, "-p", `{"metadata":{"finalizers":null}}`)
	})
	kubectl(t, "", "wait", "namespace", namespace, "--for=jsonpath={.status.phase}=Terminating")
	config, err := os.ReadFile(admin(t)) // our own account goes with the namespace
	if err != nil {
		t.Fatal(err)
	}
	u := using{t, connect(t, by(target, "kubeconfig", string(config)))}
	if _, err := u.Start(t.Context(), drivertest.NewJob("true")); fault.ReasonOf(err) != "NamespaceTerminating" {
		t.Errorf("a run: %v", err)
	}
	o, err := u.Observe(t.Context())
	if fault.ReasonOf(err) != "NamespaceTerminating" || o.Checks[len(o.Checks)-1].Name != "namespace" {
		t.Errorf("%v, checks %+v", err, o.Checks)
	}
}

// TestOutOfMemory: the kernel's end of a run, and of its whole pod.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	u, _, _ := fresh(t)
	j := drivertest.NewJob("python", "-c", "import time; b = b'x' * 900_000_000; time.sleep(600)")
	j.Options = map[string]any{"memory": "200Mi"}
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobFailed || st.Reason != "OutOfMemory" {
		t.Errorf("the job is %+v", st)
	}
}

// TestPodDeleted: a pod that somebody deletes takes its run along, which is told and not made again.
func TestPodDeleted(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	for _, grace := range []string{"--grace-period=0", "--grace-period=30"} {
		j := drivertest.NewJob("sleep", "600")
		h := u.start(j)
		u.await(j, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
		kubectl(t, "", "-n", namespace, "delete", "pods", "-l", "zaffre/job="+j.ID, grace, "--force="+fmt.Sprint(grace == "--grace-period=0"), "--wait=false")
		if st := u.end(j, h); st.State != driver.JobLost || st.Reason != "PodDeleted" {
			t.Errorf("the job is %+v", st)
		}
		if got := kubectl(t, "", "-n", namespace, "get", "pods", "-l", "zaffre/job="+j.ID, "--field-selector=status.phase=Pending", "-o", "name"); got != "" {
			t.Errorf("another pod was made: %s", got)
		}
		if err := u.Release(t.Context(), h); err != nil {
			t.Error(err)
		}
	}
}

// TestJobDeleted: a Job that somebody deletes is no record of its run.
func TestJobDeleted(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	j := drivertest.NewJob("sleep", "600")
	h := u.start(j)
	kubectl(t, "", "-n", namespace, "delete", "job", j.ID)
	if st := u.end(j, h); st.State != driver.JobLost || st.Reason != "NoRecord" {
		t.Errorf("the job is %+v", st)
	}
}

// TestAPIServerAway: while the API server is away a run goes on, nothing is lost by silence, and the log goes on after.
func TestAPIServerAway(t *testing.T) {
	target, _ := lone(t)
	u := using{t, connect(t, target)}
	j := drivertest.NewJob("sh", "-c", "i=0; while [ $i -lt 150 ] && [ ! -e stop ]; do echo $i; i=$((i+1)); sleep 0.1; done; echo end")
	h := u.start(j)
	u.await(j, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
	giveBack := take(t, "apiserver")
	u.await(j, h, "the silence", func(st driver.JobStatus, err error) bool {
		if err == nil && st.State != driver.JobRunning {
			t.Fatalf("in silence the job is %+v", st)
		}
		return fault.CodeOf(err) == fault.Unavailable
	})
	<-time.After(3 * time.Second) // it is away for that long
	giveBack()
	u.await(j, h, "the run again", func(st driver.JobStatus, err error) bool {
		if err == nil && st.State != driver.JobRunning && st.State != driver.JobDone {
			t.Fatalf("after the silence the job is %+v", st)
		}
		return err == nil
	})
	if st := u.end(j, h); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	var want strings.Builder
	for i := range 150 {
		fmt.Fprintln(&want, i)
	}
	if got := u.log(h); got != want.String()+"end\n" {
		t.Errorf("the log has %d bytes, want %d", len(got), want.Len()+4)
	}
}

// engine has the engine's script do something.
func engine(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "bash", append([]string{os.Getenv("ENGINES_KUBERNETES")}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// TestClean: a dry run says what goes; then that goes, and what others made stays.
func TestClean(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	kubectl(t, "", "-n", namespace, "create", "job", "anothers", "--image="+os.Getenv("TEST_KUBERNETES_IMAGE"), "--", "sleep", "600")
	kubectl(t, "", "-n", namespace, "create", "configmap", "anothers")
	j := drivertest.NewJob("sleep", "600")
	u.start(j)
	items, err := u.Runner.(driver.Cleaner).Clean(t.Context(), true)
	if err != nil || !slices.ContainsFunc(items, func(i driver.Item) bool { return i.Name == namespace+"/"+j.ID && !i.Removed }) {
		t.Errorf("dry: %+v, %v", items, err)
	}
	if _, err := u.Runner.(driver.Cleaner).Clean(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	got := kubectl(t, "", "-n", namespace, "get", "jobs,configmaps", "-o", "name")
	if want := "job.batch/anothers\nconfigmap/anothers\nconfigmap/kube-root-ca.crt\n"; got != want {
		t.Errorf("left are %q, want %q", got, want)
	}
}
