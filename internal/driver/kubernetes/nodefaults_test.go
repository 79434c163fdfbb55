package kubernetes_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
)

// lone returns a target in a namespace of its own, while no other test uses the cluster: for tests that take away a
// part of it.
func lone(t *testing.T) (driver.Target, string) {
	t.Helper()
	admin(t)
	drivertest.Alone(t, os.Getenv("ENGINES_KUBERNETES_LOCK"))
	namespace, token := space(t)
	return at(t, namespace, token), namespace
}

// take takes a part of the cluster away, as a crash does, until the returned func is called or the test ends.
func take(t *testing.T, part string) (giveBack func()) {
	t.Helper()
	t.Cleanup(func() { engine(t, "start", part) }) // one that is there stays
	engine(t, "stop", part)
	return func() { engine(t, "start", part) }
}

// counting is a program that counts for about n tenths of a second.
func counting(n int) []string {
	return []string{"sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo $i; i=$((i+1)); sleep 0.1; done; echo end", n)}
}

// counted checks that a run has ended well by its only attempt, and that its log has all of what it counted.
func (s site) counted(id string, n int) {
	s.Helper()
	if r := s.ended(id, "Completed"); len(r.Attempts) != 1 {
		s.Errorf("the attempts are %+v", r.Attempts)
	}
	var want strings.Builder
	for i := range n {
		fmt.Fprintln(&want, i)
	}
	if got := s.read(id); got != want.String()+"end\n" {
		s.Errorf("the log has %d bytes, want %d", len(got), want.Len()+4)
	}
}

// lost waits until an attempt is lost.
func (s site) lost(id string, attempt int) client.Attempt {
	s.Helper()
	r := s.until(id, "an attempt that is lost", func(r client.Run) bool {
		return len(r.Attempts) >= attempt && r.Attempts[attempt-1].State == "lost"
	})
	return r.Attempts[attempt-1]
}

// waits waits until a run that is not placed says why.
func (s site) waits(id, why string) {
	s.Helper()
	s.until(id, why, func(r client.Run) bool {
		return slices.ContainsFunc(r.Conditions, func(c client.Condition) bool { return !c.OK && strings.Contains(c.Message, why) })
	})
}

// TestAPIServerAwayAMinute: runs go on without the API server. What was asked meanwhile happens when it is back.
func TestAPIServerAwayAMinute(t *testing.T) {
	target, _ := lone(t)
	s := serve(t, target)
	counts, canceled := s.submit(1, nil, counting(700)...), s.submit(1, nil, "sleep", "600")
	s.running(counts, 1)
	s.running(canceled, 1)
	giveBack := take(t, "apiserver")
	away := time.After(time.Minute)
	s.silent(counts, "ConnectionRefused")
	if _, err := s.CancelRun(t.Context(), "default", canceled); err != nil {
		t.Fatal(err)
	}
	<-away
	for id, state := range map[string]string{counts: "Running", canceled: "CancelRequested"} {
		if r, err := s.Client.Run(t.Context(), "default", id); err != nil || r.State != state || len(r.Attempts) != 1 {
			t.Errorf("after a minute of silence the run is %s, %+v, %v; want %s", r.State, r.Attempts, err, state)
		}
	}
	giveBack()
	s.ended(canceled, "Canceled")
	s.counted(counts, 700)
}

// TestKubeletRestarted: a node whose kubelet is away for a while has its pods go on.
func TestKubeletRestarted(t *testing.T) { goesOn(t, "kubelet") }

// TestRuntimeRestarted: so does one whose container runtime is.
func TestRuntimeRestarted(t *testing.T) { goesOn(t, "containerd") }

// goesOn has a run go on while a part of its node is away.
func goesOn(t *testing.T, part string) {
	target, _ := lone(t)
	s := serve(t, target)
	id := s.submit(0, nil, counting(150)...)
	s.running(id, 1)
	giveBack := take(t, part)
	s.silent(id, "ExecFailed", "ClusterBusy", "ConnectionLost", "AgentNotStarted")
	giveBack()
	s.counted(id, 150)
}

// TestNodeLost: a node that is silent loses no run, since its pods may go on. One that is taken out of the cluster does,
// and when it comes back nothing of the run is left there.
func TestNodeLost(t *testing.T) {
	target, namespace := lone(t)
	t.Cleanup(func() { engine(t, "kwok", "0") })
	engine(t, "kwok", "2") // a cluster of which no node is ready deletes nothing
	s := serve(t, target)
	patience := map[string]any{"tolerations": []any{map[string]any{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}}}
	id := s.submit(1, patience, "sh", "-c", `[ "$ZAFFRE_ATTEMPT" = 2 ] || sleep 60123`)
	s.running(id, 1)
	giveBack := take(t, "kubelet")
	kubectl(t, "", "wait", "node/node1", "--for=condition=Ready=Unknown", "--timeout=120s")
	s.eventually("the pod's deletion", func() bool {
		return kubectl(t, "", "-n", namespace, "get", "pods", "-o", "jsonpath={.items[*].metadata.deletionTimestamp}") != ""
	})
	s.silent(id, "")
	if r, err := s.Client.Run(t.Context(), "default", id); err != nil || r.State != "Running" || len(r.Attempts) != 1 || len(pids(t, "sleep\x0060123")) == 0 {
		t.Errorf("with its node silent the run is %s, %+v, %v", r.State, r.Attempts, err)
	}
	kubectl(t, "", "delete", "node", "node1")
	if a := s.lost(id, 1); a.Reason != "NodeLost" {
		t.Errorf("with its node gone the attempt is %+v", a)
	}
	giveBack()
	if r := s.ended(id, "Completed"); len(r.Attempts) != 2 {
		t.Errorf("the attempts are %+v", r.Attempts)
	}
	s.eventually("the end of what was left on the node", func() bool { return len(pids(t, "sleep\x0060123")) == 0 })
}

// TestDrained: a run whose pod is evicted fails for that where it has no attempt left, and else runs where there is room.
func TestDrained(t *testing.T) {
	target, _ := lone(t)
	s := serve(t, target)
	once := s.submit(0, nil, "sleep", "600")
	again := s.submit(1, nil, "sh", "-c", `[ "$ZAFFRE_ATTEMPT" = 2 ] || sleep 600`)
	s.running(once, 1)
	s.running(again, 1)
	t.Cleanup(func() { kubectl(t, "", "uncordon", "node1") })
	kubectl(t, "", "drain", "node1", "--force", "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=120s")
	if r := s.ended(once, "Failed"); r.Error.Reason != "Evicted" || r.Attempts[0].State != "lost" {
		t.Errorf("without another attempt the run is %+v, %+v", r.Error, r.Attempts)
	}
	if a := s.lost(again, 1); a.Reason != "Evicted" {
		t.Errorf("the attempt is %+v", a)
	}
	s.waits(again, "unschedulable")
	kubectl(t, "", "uncordon", "node1")
	if r := s.ended(again, "Completed"); len(r.Attempts) != 2 {
		t.Errorf("the attempts are %+v", r.Attempts)
	}
}

// TestControlPlaneAway: while nobody makes pods or places them, a run waits and says for what.
func TestControlPlaneAway(t *testing.T) {
	target, _ := lone(t)
	s := serve(t, target)
	for part, why := range map[string]string{"controller-manager": "waits for its pod", "scheduler": "scheduler has said nothing"} {
		giveBack := take(t, part)
		id := s.submit(0, nil, "true")
		s.waits(id, why)
		giveBack()
		if r := s.ended(id, "Completed"); len(r.Attempts) != 1 {
			t.Errorf("the attempts are %+v", r.Attempts)
		}
	}
}
