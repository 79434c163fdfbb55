package kubernetes_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
)

// advertise has the node say that it has devices, as Kubernetes' own documentation does where there is no plugin for
// them: kubernetes.io/docs/tasks/administer-cluster/extended-resource-node. Nothing gives them to a container.
func advertise(t *testing.T, amounts map[string]int) {
	t.Helper()
	for name, n := range amounts {
		path := "/status/capacity/" + strings.ReplaceAll(name, "/", "~1")
		patch := func(change string) {
			kubectl(t, "", "patch", "node/node1", "--subresource=status", "--type=json", "-p", "["+change+"]")
		}
		patch(fmt.Sprintf(`{"op":"add","path":%q,"value":"%d"}`, path, n))
		allocatable := `{.status.allocatable.` + strings.ReplaceAll(name, ".", `\.`) + `}`
		eventually(t, "the kubelet to offer "+name, func() bool { return field(t, "default", "node/node1", allocatable) == fmt.Sprint(n) })
		t.Cleanup(func() {
			patch(fmt.Sprintf(`{"op":"remove","path":%q}`, path))
			eventuallyBy(context.Background(), t, "the kubelet to forget "+name, func() bool { return field(t, "default", "node/node1", allocatable) == "" })
		})
	}
}

// TestDevices: GPUs are asked for, counted, waited for and shown, by whatever name. It runs by itself: other tests wait
// for GPUs that there are not.
func TestDevices(t *testing.T) {
	u, _, namespace := fresh(t)
	advertise(t, map[string]int{"nvidia.com/gpu": 1, "example.com/gpu": 3})
	o, err := u.Observe(t.Context())
	if err != nil || o.Facts["gpu.nvidia.com/gpu"] != "1" || o.Facts["gpu.example.com/gpu"] != "3" {
		t.Errorf("seen are %v, %v", o.Facts, err)
	}
	nodes := o.Checks[5]
	if nodes.Name != "nodes" || nodes.Evidence[0] != "1 of 1 take pods; 3 example.com/gpu, 1 nvidia.com/gpu" {
		t.Errorf("the check says %+v", nodes)
	}
	first := wanting(1, "nvidia.com/gpu", "sh", "-c", "while [ ! -e stop ]; do sleep 0.1; done")
	h := u.start(first)
	u.await(first, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
	if got := field(t, namespace, "pods", `{.items[0].spec.containers[0].resources.limits.nvidia\.com/gpu}`); got != "1" {
		t.Errorf("its pod has %q GPUs", got)
	}
	second := wanting(1, "nvidia.com/gpu", "true")
	waits := u.start(second)
	u.says(second, waits, "Insufficient nvidia.com/gpu")
	u.says(second, waits, "(needs 1 nvidia.com/gpu, node1 has 1)")
	large := wanting(2, "nvidia.com/gpu", "true")
	u.says(large, u.start(large), "(needs 2 nvidia.com/gpu, node1 has 1)")
	none := wanting(1, "vendor.example/gpu", "true")
	u.says(none, u.start(none), "(needs 1 vendor.example/gpu, no node has any)")
	if err := u.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	u.end(first, h)
	if err := u.Release(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st := u.end(second, waits); st.State != driver.JobDone {
		t.Errorf("when the GPU is free the second is %+v", st)
	}
	other := wanting(3, "example.com/gpu", "true")
	if st := u.end(other, u.start(other)); st.State != driver.JobDone {
		t.Errorf("with another vendor's it is %+v", st)
	}
}

// wanting is a job that asks for devices.
func wanting(n int64, name string, argv ...string) driver.Job {
	j := drivertest.NewJob(argv...)
	j.Options = map[string]any{"gpus": n, "gpuResource": name}
	return j
}
