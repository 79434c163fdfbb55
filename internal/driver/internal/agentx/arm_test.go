package agentx_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// TestARM runs a job by the agent for arm64, under Debian's qemu-user: its code is what a machine of that kind
// runs, and the job's program is this machine's own.
func TestARM(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "zaffre-agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/zaffre-agent")
	build.Dir, build.Env = filepath.Join("..", "..", "..", ".."), append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The kernel itself must know how to start it: the agent starts itself for each job.
	if err := exec.CommandContext(t.Context(), binary).Run(); err != nil {
		if _, ran := errors.AsType[*exec.ExitError](err); !ran {
			absentARM(t, err)
		}
	}
	c := &agentx.Conn{Session: agentx.NewSession(func(context.Context) (io.ReadWriteCloser, error) { return start(binary, filepath.Join(dir, "root")) })}
	t.Cleanup(func() { c.Close() })
	f, err := c.Facts(t.Context(), nil)
	if err != nil || f.Arch != "arm64" {
		t.Fatalf("the agent is for %q: %v", f.Arch, err)
	}
	h, err := c.Start(t.Context(), driver.Job{ID: "z-arm-1", Run: "arm", Attempt: 1, Command: []string{"sh", "-c", "echo hello; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	st := driver.JobStatus{State: driver.JobPending}
	for end := time.Now().Add(3 * time.Minute); !st.State.Final() && time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		if st, err = c.Poll(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	log, err := c.ReadLog(t.Context(), h, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if st.State != driver.JobFailed || st.ExitCode != 3 || string(text) != "hello\n" || err != nil {
		t.Errorf("the job is %+v and wrote %q, %v", st, text, err)
	}
	if err := c.Release(t.Context(), h); err != nil {
		t.Error(err)
	}
}

// absentARM skips the test, or fails it where TEST_REQUIRE names "qemu".
func absentARM(t *testing.T, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "qemu") {
		t.Fatalf("programs for arm64 do not run here: %v", err)
	}
	t.Skipf("needs Debian's qemu-user-static, registered with the kernel: %v", err)
}

// start starts an agent with its standard input and output as a stream.
func start(binary, root string) (io.ReadWriteCloser, error) {
	cmd := exec.Command(binary, "agent", "serve", "--root", root)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.WriteCloser
	}{out, in}, cmd.Start()
}
