package kubernetes_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// TestDetachedAway: of a cluster that is away it is said what stays there, and by what command it goes. The next target
// of that name takes it away, and nothing of others.
func TestDetachedAway(t *testing.T) {
	target, namespace := lone(t)
	target.Place = id.New()
	other := target
	other.ID, other.Place = id.New(), id.New()
	t.Cleanup(func() { clean(t, other) })
	left, stays := hanging(t, target), hanging(t, other)
	giveBack := take(t, "apiserver")
	unreached(t, target, "ConnectionRefused")
	giveBack()
	unreached(t, with(target, "server", "https://no-such-host.invalid:6443"), "NameNotFound")
	next := target
	next.ID = id.New()
	u := using{t, connect(t, next)}
	items, err := u.Runner.(driver.Cleaner).Clean(t.Context(), true)
	if err != nil || !slices.ContainsFunc(items, func(i driver.Item) bool { return i.Type == "job" && strings.Contains(i.Name, left) }) {
		t.Errorf("attached again, this would go: %+v, %v", items, err)
	}
	for _, i := range items {
		if whose := map[string]string{"job": left, "configmap": target.ID}[i.Type]; whose == "" || !strings.Contains(i.Name, whose) {
			t.Errorf("attached again, this would go too: %+v", i)
		}
	}
	j := drivertest.NewJob("true")
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobDone {
		t.Errorf("attached again, a job is %+v", st)
	}
	jobs := kubectl(t, "", "-n", namespace, "get", "jobs", "-o", "name")
	if strings.Contains(jobs, left) || !strings.Contains(jobs, stays) {
		t.Errorf("there are %s; %s was to go, and %s to stay", jobs, left, stays)
	}
}

// hanging starts a job that hangs, and returns its name.
func hanging(t *testing.T, target driver.Target) string {
	t.Helper()
	u := using{t, connect(t, target)}
	j := drivertest.NewJob("sleep", "600")
	h := u.start(j)
	u.await(j, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
	return j.ID
}

// unreached cleans what does not answer.
func unreached(t *testing.T, target driver.Target, reason string) {
	t.Helper()
	c := connect(t, target).(driver.Cleaner)
	for _, dry := range []bool{true, false} {
		items, err := c.Clean(t.Context(), dry)
		if fault.CodeOf(err) != fault.Unavailable || fault.ReasonOf(err) != reason {
			t.Errorf("it says %v, want %s", err, reason)
		}
		want := "kubectl -n " + target.Options["namespace"].(string) + " delete jobs,configmaps -l zaffre/target=" + target.ID
		if len(items) != 1 || items[0].Removed || items[0].Remedy != want {
			t.Errorf("what stays is %+v, want the remedy %q", items, want)
		}
	}
}
