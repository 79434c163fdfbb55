package kubernetes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// class makes a priority class.
func class(t *testing.T, value int) string {
	t.Helper()
	name := fmt.Sprintf("zt-%d-%s", value, id.New())
	kubectl(t, "", "create", "priorityclass", name, fmt.Sprintf("--value=%d", value))
	t.Cleanup(func() { kubectl(t, "", "delete", "priorityclass", name) })
	return name
}

// device makes the node have so many of a device that only this test asks for: what it asks for nobody else lacks.
func device(t *testing.T, count int) string {
	t.Helper()
	name := id.New() + ".zaffre.test/gpu"
	node := strings.TrimSpace(kubectl(t, "", "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"))
	path := "/status/capacity/" + strings.ReplaceAll(name, "/", "~1")
	kubectl(t, "", "patch", "node", node, "--subresource=status", "--type=json", "-p", fmt.Sprintf(`[{"op":"add","path":%q,"value":"%d"}]`, path, count))
	t.Cleanup(func() {
		kubectl(t, "", "patch", "node", node, "--subresource=status", "--type=json", "-p", fmt.Sprintf(`[{"op":"remove","path":%q}]`, path))
	})
	return name
}

// holding returns a job that takes devices of the node.
func holding(nodes int, device, class string, argv ...string) driver.Job {
	return over(nodes, map[string]any{"gpus": int64(1), "gpuResource": device, "priorityClass": class}, argv...)
}

// TestPreempted: a run of a low class goes for one of a high class, and is lost, with one node as with two.
func TestPreempted(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 2} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			t.Parallel()
			u, _, _ := fresh(t)
			low, high, gpu := class(t, 1000), class(t, 2000), device(t, nodes)
			victim := holding(nodes, gpu, low, "sleep", "600")
			h := u.start(victim)
			u.await(victim, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
			urgent := holding(1, gpu, high, "true")
			first := u.start(urgent)
			if st := u.end(victim, h); st.State != driver.JobLost || st.Reason != "Preempted" {
				t.Errorf("the run of the low class is %+v", st)
			}
			if st := u.end(urgent, first); st.State != driver.JobDone {
				t.Errorf("the run of the high class is %+v", st)
			}
			if st, err := u.Poll(t.Context(), h); err != nil || st.State != driver.JobLost || st.Reason != "Preempted" {
				t.Errorf("later, the run of the low class is %+v, %v", st, err)
			}
		})
	}
}

// TestPriorityClassUnknown: a class that there is not is refused with those that there are; an account that may not see
// them hears it from the cluster.
func TestPriorityClassUnknown(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	there := class(t, 10)
	j := drivertest.NewJob("true")
	j.Options = map[string]any{"priorityClass": "zt-nobody"}
	_, err := u.Start(t.Context(), j)
	if f := fault.From(err); fault.ReasonOf(err) != "PriorityClassUnknown" || !strings.Contains(f.Fix, there) || strings.Contains(f.Fix, "system-") {
		t.Fatalf("%v, fix %q", err, fault.From(err).Fix)
	}
	kubectl(t, "", "patch", "clusterrole", "zaffre-"+namespace, "--type=json", "-p", `[{"op":"remove","path":"/rules/2"}]`)
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobFailed || st.Reason != "PriorityClassUnknown" || !strings.Contains(st.Message, "zt-nobody") {
		t.Errorf("the job is %+v", st)
	}
}
