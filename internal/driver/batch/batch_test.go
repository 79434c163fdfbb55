package batch_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/batch"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// TestMain makes the test binary the agent where it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		syscall.Exit(agent.Main(os.Args[1:])) // not os.Exit: the race detector makes that one sleep
	}
	os.Exit(m.Run())
}

// conf returns the slurm.conf of the cluster of test/engines/slurm.sh, whose environment TEST_SLURM stands for.
func conf(t testing.TB) string {
	t.Helper()
	name := os.Getenv("TEST_SLURM")
	if name == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "slurm") {
			t.Fatal(`TEST_SLURM is not set; run: eval "$(test/engines/slurm.sh env)"`)
		}
		t.Skip(`needs Slurm: test/engines/slurm.sh up; eval "$(test/engines/slurm.sh env)"`)
	}
	return name
}

// login returns this machine, which is the cluster's login node.
func login(t testing.TB) driver.Conn {
	t.Helper()
	c, err := local.Kind().Connect(t.Context(), driver.Target{
		ID: "login-" + strings.ToLower(id.New()), Options: map[string]any{"user": "same", "workDirectory": t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// cluster returns a target of its own, and takes what it leaves away.
func cluster(t testing.TB) driver.Target {
	t.Helper()
	target := driver.Target{
		ID: strings.ToLower(id.New()), Options: map[string]any{"slurm": "login", "slurmConf": conf(t), "workDirectory": t.TempDir()},
		On: map[string][]driver.Conn{"slurm": {login(t)}},
	}
	t.Cleanup(func() { clean(t, target) })
	return target
}

func clean(t testing.TB, target driver.Target) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	target.On = map[string][]driver.Conn{"slurm": {login(uncleaned{t})}}
	c, err := batch.Kind().Connect(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer target.On["slurm"][0].Close()
	if _, err := c.(driver.Cleaner).Clean(ctx, false); err != nil && fault.ReasonOf(err) != "SlurmMissing" {
		t.Errorf("it cannot be cleaned: %v", err)
	}
}

// uncleaned is a test that is over.
type uncleaned struct{ testing.TB }

func (uncleaned) Cleanup(func())           {}
func (uncleaned) Context() context.Context { return context.Background() }
func (u uncleaned) TempDir() string        { return os.TempDir() }

func connect(t testing.TB, target driver.Target) driver.Runner {
	t.Helper()
	return drivertest.Connect[driver.Runner](t, batch.Kind(), target)
}

// with returns a target with another option.
func with(target driver.Target, name string, v any) driver.Target {
	return drivertest.With(batch.Kind(), target, map[string]any{name: v})
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		good := cluster(t)
		alias := with(good, "partition", "main")
		alias.ID = strings.ToLower(id.New())
		nowhere := good
		nowhere.On = nil
		return drivertest.Harness{
			Kind: batch.Kind(), Target: good, Alias: &alias, Script: drivertest.POSIX,
			Crash: func(t *testing.T, _ driver.Conn) { crash(t, good) },
			Refusals: []drivertest.Refusal{
				{Name: "NoLoginNode", Target: nowhere, Code: fault.Invalid, Reason: "LoginNodeMissing"},
				{Name: "NoSuchPartition", Target: with(good, "partition", "nowhere"), Check: "partition", Code: fault.Precondition, Reason: "PartitionUnknown"},
				{Name: "NoConfiguration", Target: with(good, "slurmConf", "/no/such/slurm.conf"), Check: "sbatch", Code: fault.Precondition, Reason: "SlurmUnconfigured"},
				{Name: "NoWorkDirectory", Target: with(good, "workDirectory", "/dev/null/x"), Check: "work-directory", Code: fault.Precondition, Reason: "WorkDirectoryNotFolder"},
				{Name: "BadPartition", Target: with(good, "partition", "-x y"), Code: fault.Invalid, Reason: "OptionInvalid"},
			},
			Definition: func(what string) *driver.Definition {
				if what == "tiny" {
					return &driver.Definition{UserManaged: true, Interpreter: "python3"}
				}
				return &driver.Definition{UserManaged: true, Interpreter: "/no/such/python"}
			},
		}
	})
}

// crash kills the target's agent.
func crash(t *testing.T, target driver.Target) {
	t.Helper()
	work := target.Options["workDirectory"].(string)
	err := exec.CommandContext(t.Context(), "pkill", "-KILL", "-f", "agent serve --root "+filepath.Join(work, target.ID)).Run()
	if e, ok := err.(*exec.ExitError); err != nil && (!ok || e.ExitCode() > 1) {
		t.Errorf("killing the agent: %v", err)
	}
}
