package kubernetes_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
)

// TestEvictedByItsNode: a pod that uses more of its node's disk than it may is ended by that, in whose words it is told.
func TestEvictedByItsNode(t *testing.T) {
	t.Parallel()
	_, target, _ := fresh(t)
	s := serve(t, with(target, "instanceTypes", map[string]any{
		"small": map[string]any{"resources": map[string]any{"limits": map[string]any{"ephemeral-storage": "60Mi"}}},
	}))
	small := map[string]any{"instanceType": "small"}
	id := s.submit(1, small, "sh", "-c", `[ "$ZAFFRE_ATTEMPT" = 2 ] || { head -c 100000000 /dev/zero >outputs/large; sleep 600; }`)
	if a := s.lost(id, 1); a.Reason != "Evicted" || !strings.Contains(a.Message, "ephemeral local storage usage exceeds") {
		t.Errorf("the attempt is %+v", a)
	}
	if r := s.ended(id, "Completed"); len(r.Attempts) != 2 {
		t.Errorf("the attempts are %+v", r.Attempts)
	}
}

// TestNamespaceDeleted: with its namespace a run is lost, and no other attempt is made there.
func TestNamespaceDeleted(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	s := serve(t, target)
	id := s.submit(1, nil, "sleep", "600")
	s.running(id, 1)
	kubectl(t, "", "delete", "--wait=false", "namespace", namespace)
	a := s.lost(id, 1)
	if !slices.Contains([]string{"PodDeleted", "NoRecord"}, a.Reason) {
		t.Errorf("the attempt is %+v", a)
	}
	r := s.ended(id, "Failed")
	if reasons := []string{"NamespaceTerminating", "NamespaceMissing", "TokenRefused", "PermissionMissing"}; len(r.Attempts) > 2 || !slices.Contains(reasons, r.Error.Reason) {
		t.Errorf("the run is %+v, %+v", r.Error, r.Attempts)
	}
}

// TestPodEndedFromOutside: a run whose pod gets the signal by which nodes end pods is lost with the pod, also while the
// cluster says nothing of it yet.
func TestPodEndedFromOutside(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	s := serve(t, target)
	id := s.submit(0, nil, "sleep", "600")
	s.running(id, 1)
	kubectl(t, "", "-n", namespace, "exec", strings.TrimSpace(kubectl(t, "", "-n", namespace, "get", "pods", "-l", "zaffre/job", "-o", "name")), "--", "sh", "-c", "trap '' TERM; kill -TERM 1")
	if a := s.lost(id, 1); a.Reason != "PodDeleted" || !strings.Contains(a.Message, "ended from outside") {
		t.Errorf("the attempt is %+v", a)
	}
}

// TestPodDeletedAtTheServer: a pod that somebody deletes is an attempt that is lost. The next one runs, and without one
// the run fails for that.
func TestPodDeletedAtTheServer(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	s := serve(t, target)
	id := s.submit(1, nil, "sleep", "600")
	for attempt := range 2 {
		s.running(id, attempt+1)
		kubectl(t, "", "-n", namespace, "delete", "pods", "--all", "--grace-period=1", "--wait=false")
		if a := s.lost(id, attempt+1); a.Reason != "PodDeleted" {
			t.Errorf("attempt %d is %+v", attempt+1, a)
		}
	}
	if r := s.ended(id, "Failed"); r.Error.Reason != "PodDeleted" {
		t.Errorf("the run is %+v", r.Error)
	}
}

// TestRegistryAway: a registry that does not answer has the run wait for a while, and then fail for that.
func TestRegistryAway(t *testing.T) {
	t.Parallel()
	u, _, _ := fresh(t)
	j := drivertest.NewJob("true")
	j.Options = map[string]any{"image": "127.0.0.1:1/nope:1"}
	h := u.start(j)
	u.says(j, h, "connection refused")
	st := u.awaitWithin(4*time.Minute, j, h, "the end", func(st driver.JobStatus, err error) bool { return err == nil && st.State.Final() })
	if st.State != driver.JobFailed || st.Reason != "ImageUnavailable" || !strings.Contains(st.Message, "127.0.0.1:1/nope:1") {
		t.Errorf("the job is %+v", st)
	}
}

// TestMemoryOfARunAndOfItsPod: a run that uses more than it may is OutOfMemory whether the agent or the kernel sees it
// first, and is not tried again as one that was lost.
func TestMemoryOfARunAndOfItsPod(t *testing.T) {
	t.Parallel()
	_, target, _ := fresh(t)
	s := serve(t, target)
	eat := []string{"python", "-c", "import time; b = b'x' * 900_000_000; time.sleep(600)"}
	byKernel := s.submit(0, map[string]any{"memory": "200Mi"}, eat...)
	r, err := s.Submit(t.Context(), "default", client.RunRequest{Compute: "k8s", Memory: 200 << 20, Command: eat})
	if err != nil {
		t.Fatal(err)
	}
	for who, id := range map[string]string{"the kernel": byKernel, "the agent": r.ID} {
		if r := s.ended(id, "Failed"); r.Error.Reason != "OutOfMemory" {
			t.Errorf("by %s the run is %+v", who, r.Error)
		}
	}
}
