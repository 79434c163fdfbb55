package agent

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// TestLeaving: what fails while somebody ends the machine is lost with it, and what is done stays done.
func TestLeaving(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	w := &watching{supervisor: &supervisor{dir: filepath.Join(root, jobsDir, "a")}}
	ends := map[syscall.WaitStatus][2]wire.Status{ // before and after
		0:                                   {{State: wire.JobDone}, {State: wire.JobDone}},
		1 << 8:                              {{State: wire.JobFailed, Reason: "ExitCode"}, {State: wire.JobLost, Reason: wire.Leaving}},
		syscall.WaitStatus(syscall.SIGTERM): {{State: wire.JobFailed, Reason: "Signaled"}, {State: wire.JobLost, Reason: wire.Leaving}},
	}
	for i := range 2 {
		for status, want := range ends {
			if st := w.status(ended{known: true, status: status}); st.State != want[i].State || st.Reason != want[i].Reason {
				t.Errorf("status %v is %+v, not %+v", status, st, want[i])
			}
		}
		if err := os.WriteFile(filepath.Join(root, leavingFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAttend: a second copy waits for the end of the first, and not for a job that is no longer there.
func TestAttend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if attend(filepath.Join(dir, "gone")) {
		t.Error("a job that is gone has ended")
	}
	over := make(chan bool)
	go func() { over <- attend(dir) }()
	if err := writeJSON(filepath.Join(dir, exitFile), wire.Status{State: wire.JobFailed, ExitCode: 3}); err != nil {
		t.Fatal(err)
	}
	if !<-over || endOf(dir) != 3 {
		t.Errorf("the second copy says %d", endOf(dir))
	}
}
