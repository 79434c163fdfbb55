package kubernetes

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// TestDoubt: what an agent says of a run in a pod that is taken away, at each moment at which it may say it.
func TestDoubt(t *testing.T) {
	t.Parallel()
	still, deleted, evicted := pod{}, pod{}, pod{}
	deleted.Metadata.Deletion = &metav1.Time{}
	evicted.Status.Conditions = []condition{{Type: "DisruptionTarget", Status: "True", Reason: "TerminationByKubelet"}}
	done := driver.JobStatus{State: driver.JobDone}
	failed := driver.JobStatus{State: driver.JobFailed, Reason: "Signaled"}
	leaving := driver.JobStatus{State: driver.JobLost, Reason: agentx.Leaving}
	for _, tt := range []struct {
		pod    pod
		said   driver.JobStatus
		state  driver.JobState
		reason string
	}{
		{still, done, driver.JobDone, ""},
		{still, failed, driver.JobFailed, "Signaled"},
		{still, leaving, driver.JobRunning, ""}, // it says more when it has ended
		{deleted, done, driver.JobDone, ""},
		{deleted, failed, driver.JobLost, "PodDeleted"},
		{deleted, leaving, driver.JobLost, "PodDeleted"},
		{evicted, failed, driver.JobLost, "Evicted"},
		{evicted, leaving, driver.JobLost, "Evicted"},
	} {
		if st := tt.pod.doubt(tt.said); st.State != tt.state || st.Reason != tt.reason {
			t.Errorf("of %+v, which is %s %s, it is said: %+v", tt.pod, tt.said.State, tt.said.Reason, st)
		}
	}
}
