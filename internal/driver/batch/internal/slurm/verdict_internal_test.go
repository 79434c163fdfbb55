package slurm

import (
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// TestVerdict: how a run ended that did not say so itself.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		slurm          string // "": it has no record
		claimed, asked bool
		state          driver.JobState
		reason         string
	}{
		{"COMPLETED", true, true, driver.JobCanceled, ""},
		{"COMPLETED", true, false, driver.JobLost, "Requeued"},
		{"COMPLETED", false, false, driver.JobFailed, "NotStarted"},
		{"FAILED", true, false, driver.JobFailed, "ExitUnknown"},
		{"CANCELLED", true, false, driver.JobFailed, "Killed"},
		{"NODE_FAIL", true, false, driver.JobLost, "NodeFailed"},
		{"", true, false, driver.JobLost, "NodeFailed"},
		{"", false, false, driver.JobLost, "NoRecord"},
	} {
		st := verdict(record{state: tt.slurm}, tt.slurm != "", agentx.Elsewhere{Claimed: tt.claimed, Asked: tt.asked})
		if st.State != tt.state || st.Reason != tt.reason || st.Message == "" {
			t.Errorf("%+v: %+v", tt, st)
		}
	}
}
