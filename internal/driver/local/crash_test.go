package local_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// TestSupervisorKilled kills the supervisor as soon as it has written each of its files, alone and
// together with the agent. The job's command runs once all the same. With the agent alive its exit
// code is known too.
func TestSupervisorKilled(t *testing.T) {
	target := newTarget(t, "same")
	for _, file := range []string{"lock", "code", "log", "proc.json", "proc.json ended", "code/outputs/began"} {
		for _, both := range []bool{false, true} {
			name := file
			if both {
				name += " and agent"
			}
			t.Run(name, func(t *testing.T) {
				for range 5 {
					killAt(t, target, file, both)
				}
			})
		}
	}
}

// killAt runs a job and kills its supervisor at a file; the job goes on until then.
func killAt(t *testing.T, target driver.Target, file string, both bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, err := local.Kind().Connect(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	folder := t.TempDir()
	mark, leave := filepath.Join(folder, "mark"), filepath.Join(folder, "leave")
	run := id.New()
	job := driver.Job{
		ID: "z-" + run + "-1", Run: run, Attempt: 1, Env: map[string]string{"MARK": mark, "LEAVE": leave},
		Command: []string{"sh", "-c", `echo ran >> "$MARK"; echo hello; : > outputs/began; until test -e "$LEAVE"; do sleep 0.01; done; exit 3`},
	}
	dir := filepath.Join(target.Options["workDirectory"].(string), "jobs", job.ID)
	killed := make(chan error, 1)
	go func() { killed <- killSupervisor(ctx, dir, file) }()
	h, err := c.(driver.Runner).Start(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	if both {
		crash(t, c)
	}
	if err := os.WriteFile(leave, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st := wait(ctx, t, c.(driver.Runner), h)
	unknown := both && st.Reason == "ExitUnknown"
	if st.State != driver.JobFailed || !unknown && st.ExitCode != 3 {
		t.Errorf("the job is %+v, want it failed with code 3", st)
	}
	if got := read(t, mark); got != "ran\n" {
		t.Errorf("the command ran %d times", strings.Count(got, "ran"))
	}
	if got := read(t, filepath.Join(dir, "log")); got != "hello\n" {
		t.Errorf("the log is %q", got)
	}
}

// killSupervisor kills the supervisor of dir when a file of it is there. It looks without a pause:
// the moment counts.
func killSupervisor(ctx context.Context, dir, file string) error {
	for ctx.Err() == nil {
		b, err := os.ReadFile(filepath.Join(dir, "lock"))
		pid, none := strconv.Atoi(string(b))
		if err != nil || none != nil || !there(dir, file) {
			continue
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return fmt.Errorf("%s did not come: %w", file, context.Cause(ctx))
}

func there(dir, file string) bool {
	file, ended := strings.CutSuffix(file, " ended")
	if !ended {
		_, err := os.Lstat(filepath.Join(dir, file))
		return err == nil
	}
	b, err := os.ReadFile(filepath.Join(dir, file))
	return err == nil && strings.HasSuffix(string(b), "\n")
}

func wait(ctx context.Context, t *testing.T, r driver.Runner, h driver.Handle) driver.JobStatus {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := r.Poll(ctx, h)
		if err != nil && !fault.Retryable(err) {
			t.Fatal(err)
		}
		if err == nil && st.State.Final() {
			return st
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the job is still %+v, %v", st, err)
		}
	}
}

// TestAgentFrozen: an agent that is there and answers nothing costs a call no more than its time,
// and nothing is lost when it goes on.
func TestAgentFrozen(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, err := local.Kind().Connect(ctx, newTarget(t, "same"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var pid strings.Builder
	if _, err := c.(driver.Host).Exec(ctx, []string{"sh", "-c", "echo $PPID"}, driver.Stdio{Out: &pid}); err != nil {
		t.Fatal(err)
	}
	h, err := c.(driver.Runner).Start(ctx, driver.Job{ID: "z-frozen-1", Run: "frozen", Attempt: 1, Command: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(pid.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(n, syscall.SIGCONT) })
	for !strings.Contains(read(t, "/proc/"+strconv.Itoa(n)+"/stat"), ") T ") {
		if ctx.Err() != nil {
			t.Fatal("the agent does not stop")
		}
	}
	short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
	defer stop()
	begin := time.Now()
	st, err := c.(driver.Runner).Poll(short, h)
	if err == nil || time.Since(begin) > time.Minute {
		t.Errorf("Poll = %+v, %v after %s, want an error after 200 ms", st, err, time.Since(begin))
	}
	if err := syscall.Kill(n, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if st := wait(ctx, t, c.(driver.Runner), h); st.State != driver.JobDone {
		t.Errorf("the job is %+v, want it done", st)
	}
}
