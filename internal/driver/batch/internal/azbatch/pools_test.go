package azbatch_test

import (
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func TestPools(t *testing.T) {
	t.Parallel()
	a := start(t)
	base := target(t, a)
	quota := []any{map[string]any{"code": "AccountCoreQuotaReached", "message": "The specified account has reached core quota"}}
	other := []any{map[string]any{"code": "AllocationFailed", "message": "Desired number of dedicated nodes could not be allocated"}}
	tell(t, a, "pool", map[string]any{"id": "quota", "nodes": 0, "targetDedicatedNodes": 2, "resizeErrors": quota}, nil)
	tell(t, a, "pool", map[string]any{"id": "failed", "nodes": 0, "targetDedicatedNodes": 2, "resizeErrors": other}, nil)
	tell(t, a, "pool", map[string]any{"id": "growing", "nodes": 0, "targetDedicatedNodes": 2, "allocationState": "resizing"}, nil)
	tell(t, a, "pool", map[string]any{"id": "scaled", "nodes": 0, "enableAutoScale": true}, nil)
	tell(t, a, "pool", map[string]any{"id": "going", "state": "deleting"}, nil)
	for pool, want := range map[string]struct{ reason, waits string }{
		"empty":   {"PoolEmpty", "az batch pool resize --pool-id empty"},
		"quota":   {"QuotaReached", "AccountCoreQuotaReached"},
		"failed":  {"PoolResizeFailed", "AllocationFailed"},
		"growing": {"", "waits for nodes of pool growing: 0 dedicated nodes of 2"},
		"scaled":  {"", "waits for nodes of pool scaled"},
	} {
		c := connect(t, with(base, map[string]any{"pool": pool}))
		o, err := c.Observe(t.Context())
		if err != nil || !o.Exists || o.Ready != (want.reason == "") || o.Reason != want.reason {
			t.Errorf("%s: the target is %+v, %v, want the reason %q", pool, o, err, want.reason)
		}
		h := drivertest.Started(t, c, drivertest.NewJob("true"))
		if st := drivertest.Await(t, c, h, says(want.waits)); st.State != driver.JobPending {
			t.Errorf("%s: the job is %+v, want it to wait with %q", pool, st, want.waits)
		}
		if err := c.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobCanceled {
			t.Errorf("%s: after its cancel the job is %+v", pool, st)
		}
	}
	c := connect(t, with(base, map[string]any{"pool": nil}))
	for name, tt := range map[string]struct {
		job    driver.Job
		code   fault.Code
		reason string
	}{
		"no pool":      {drivertest.NewJob("true"), fault.Precondition, "PoolMissing"},
		"unknown pool": {withOptions(drivertest.NewJob("true"), map[string]any{"pool": "none"}), fault.Precondition, "PoolUnknown"},
		"a pool going": {withOptions(drivertest.NewJob("true"), map[string]any{"pool": "going"}), fault.Precondition, "PoolDeleting"},
		"no name":      {withOptions(drivertest.NewJob("true"), map[string]any{"pool": "a/b"}), fault.Invalid, "OptionInvalid"},
	} {
		_, err := c.Start(t.Context(), tt.job)
		t.Log(name)
		drivertest.WantReason(t, err, tt.code, tt.reason)
	}
	if n := count(t, a); n.Started != 0 {
		t.Errorf("%d tasks were begun", n.Started)
	}
}

func TestAFullPool(t *testing.T) {
	t.Parallel()
	a := start(t)
	tell(t, a, "pool", map[string]any{"id": "small", "taskSlotsPerNode": 1}, nil)
	c := connect(t, with(target(t, a), map[string]any{"pool": "small"}))
	first := drivertest.Started(t, c, drivertest.NewJob("sleep", "100"))
	drivertest.Await(t, c, first, runs)
	second := drivertest.Started(t, c, withOptions(drivertest.NewJob("true"), map[string]any{"pool": "small", "priority": int64(5)}))
	drivertest.Await(t, c, second, says("waits for a free node of pool small: 1 dedicated nodes of 1"))
	tell(t, a, "scheduling", map[string]any{"category": "UserError", "code": "InvalidAutoPoolSettings", "message": "no"}, nil)
	drivertest.Await(t, c, second, says("Batch cannot begin the job: InvalidAutoPoolSettings"))
	if err := c.Cancel(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if st := drivertest.Await(t, c, second, drivertest.Final); st.State != driver.JobDone || len(st.Nodes) != 0 && st.Nodes[0] == "" {
		t.Errorf("the second is %+v", st)
	}
	if n := count(t, a); n.Jobs != 2 {
		t.Errorf("two priorities have %d jobs", n.Jobs)
	}
}
