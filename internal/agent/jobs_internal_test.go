package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// A call that is starting a job holds its lock as a supervisor does. Who repeats the call must not hear that the job
// was started before it is written down: his poll would find no record of it.
func TestStartWhileAnotherStarts(t *testing.T) {
	t.Parallel()
	s := &server{root: t.TempDir()}
	dir := filepath.Join(s.root, jobsDir, "z-1-1")
	for _, d := range []string{dir, filepath.Join(s.root, runsDir)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	other, err := lockOf(dir)
	if err != nil || other == nil {
		t.Fatalf("the lock is not free: %v", err)
	}
	defer other.Close()
	job := wire.Job{ID: "z-1-1", Run: "1", Attempt: 1, Command: []string{"true"}}
	if _, err := s.start(job); fault.ReasonOf(err) != "JobStarting" || !fault.Retryable(err) {
		t.Errorf("it returned %v, not that the job is being started", err)
	}
	if err := writeJSON(filepath.Join(dir, specFile), spec{Job: job}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.start(job); err != nil {
		t.Errorf("it returned %v of a job that is started", err)
	}
}
