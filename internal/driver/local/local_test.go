package local_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// TestMain makes the test binary the agent where it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		syscall.Exit(agent.Main(os.Args[1:])) // not os.Exit: the race detector makes that one sleep
	}
	os.Exit(m.Run())
}

func TestSameUser(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness { return harness(t, "same") })
}

func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start the agent as another user")
	}
	drivertest.Run(t, func(t *testing.T) drivertest.Harness { return harness(t, "auto") })
}

func harness(t *testing.T, user string) drivertest.Harness {
	target := newTarget(t, user)
	alias := newTarget(t, user)
	with := func(name string, v any) driver.Target {
		return driver.Target{ID: "refused", Options: map[string]any{"user": "same", "workDirectory": t.TempDir(), name: v}}
	}
	return drivertest.Harness{
		Kind: local.Kind(), Target: target, Alias: &alias, Script: drivertest.POSIX, Crash: crash,
		Restart: func(t *testing.T) { restart(t, target) },
		Refusals: []drivertest.Refusal{
			{Name: "user", Target: with("user", "no-such-user"), Check: "user", Code: fault.Precondition, Reason: "UserUnknown"},
			{Name: "folder", Target: with("workDirectory", "/dev/null/x"), Check: "agent", Code: fault.Precondition, Reason: "WorkDirectoryUnusable"},
			{Name: "slots", Target: with("slots", int64(-1)), Code: fault.Invalid, Reason: "OptionInvalid"},
		},
		Definition: func(what string) *driver.Definition {
			if what == "tiny" {
				return &driver.Definition{UserManaged: true, Interpreter: "python3"}
			}
			return &driver.Definition{Conda: []byte(`{"dependencies": ["python=3.10", "no-such-package-of-conda"]}`)}
		},
	}
}

// newTarget returns a target with a folder that every user can enter, which t.TempDir is not.
func newTarget(t *testing.T, user string) driver.Target {
	t.Helper()
	dir, err := os.MkdirTemp("", "zaffre-local-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	target := driver.Target{
		ID:      "t" + strings.ToLower(filepath.Base(dir)[len("zaffre-local-"):]),
		Options: map[string]any{"user": user, "workDirectory": dir, "slots": int64(4)},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if c, err := local.Kind().Connect(ctx, target); err == nil {
			_, _ = c.(driver.Cleaner).Clean(ctx, false)
			_ = c.Close()
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("what is left cannot be removed: %v", err)
		}
	})
	return target
}

// crash kills the agent's serving process.
func crash(t *testing.T, c driver.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	_, err := c.(driver.Host).Exec(ctx, []string{"sh", "-c", "kill -9 $PPID"}, driver.Stdio{})
	if fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("the agent was killed, and Exec returned %v", err)
	}
}

// restart makes every job of the target one of another boot, with nothing of it running.
func restart(t *testing.T, target driver.Target) {
	t.Helper()
	for _, dir := range jobDirs(t, target) {
		var live []int // the supervisor and its job, which end when their files are of another boot
		if pid, err := strconv.Atoi(read(t, filepath.Join(dir, "lock"))); err == nil {
			live = append(live, pid)
		}
		for _, name := range []string{"spec.json", "proc.json"} {
			text := read(t, filepath.Join(dir, name))
			boot := strings.TrimSpace(read(t, "/proc/sys/kernel/random/boot_id"))
			if name == "proc.json" {
				_, after, _ := strings.Cut(text, `"pid":`)
				digits, _, _ := strings.Cut(after, ",")
				if pid, err := strconv.Atoi(digits); err == nil {
					live = append(live, -pid, pid)
				}
			}
			text = strings.ReplaceAll(text, boot, "00000000-0000-0000-0000-000000000000")
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil { // it stays its owner's
				t.Fatal(err)
			}
		}
		for _, pid := range live {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// jobDirs returns the folders of the target's jobs, whoever runs them.
func jobDirs(t *testing.T, target driver.Target) []string {
	t.Helper()
	base := target.Options["workDirectory"].(string)
	same, _ := filepath.Glob(filepath.Join(base, "jobs", "*"))
	other, _ := filepath.Glob(filepath.Join(base, "uid-*", "jobs", "*"))
	return append(same, other...)
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
