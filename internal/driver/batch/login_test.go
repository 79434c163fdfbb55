package batch_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

func TestNoSbatch(t *testing.T) {
	target := cluster(t)
	bin := t.TempDir()
	for _, name := range []string{"sbatch", "squeue"} { // what stands first on the PATH is what is found
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho \"$0: not found\" >&2\nexit 127\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o, err := connect(t, with(target, "slurmBin", bin)).Observe(t.Context())
	if fault.ReasonOf(err) != "SlurmUnusable" || o.Checks[len(o.Checks)-1].Name != "sbatch" {
		t.Errorf("with a broken sbatch: %v, %+v", err, o.Checks)
	}
	host := bare{target.On["slurm"][0].(driver.Host), barePath(t)}
	target.On = map[string][]driver.Conn{"slurm": {host}}
	o, err = connect(t, target).Observe(t.Context())
	if fault.ReasonOf(err) != "SlurmMissing" || o.Checks[len(o.Checks)-1].Fix == "" {
		t.Errorf("without sbatch: %v, %+v", err, o.Checks)
	}
	if _, err := connect(t, target).Start(t.Context(), drivertest.NewJob("true")); fault.ReasonOf(err) != "SlurmMissing" {
		t.Errorf("Start without sbatch: %v", err)
	}
}

type bare struct {
	driver.Host
	path string
}

func (b bare) Exec(ctx context.Context, argv []string, std driver.Stdio) (int, error) {
	return b.Host.Exec(ctx, append([]string{"/usr/bin/env", "PATH=" + b.path}, argv...), std)
}

// barePath returns a folder with this machine's programs, but Slurm's.
func barePath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{"/usr/bin", "/bin"} {
		list, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if !slices.Contains([]string{"sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun", "sacct"}, e.Name()) {
				_ = os.Symlink(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name()))
			}
		}
	}
	return dir
}

// TestDiskFull: the work directory takes nothing more.
func TestDiskFull(t *testing.T) {
	conf(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	small := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=256m", "small", small).CombinedOutput(); err != nil {
		t.Skipf("no small disk: %s", out)
	}
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "umount", "-l", small).Run() })
	target := with(cluster(t), "workDirectory", small)
	c := connect(t, target)
	h := drivertest.Started(t, c, drivertest.NewJob("true"))
	drivertest.Await(t, c, h, drivertest.Final)
	_ = exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+filepath.Join(small, "fill"), "bs=1M").Run()
	if _, err := c.Start(t.Context(), drivertest.NewJob("true")); fault.ReasonOf(err) != "DiskFull" {
		t.Errorf("Start on a full disk: %v", err)
	}
	if o, err := c.Observe(t.Context()); err == nil && o.Ready || err != nil && fault.ReasonOf(err) != "DiskFull" {
		t.Errorf("Observe of a full disk: %v, %+v", err, o)
	}
	if err := os.Remove(filepath.Join(small, "fill")); err != nil {
		t.Fatal(err)
	}
	if st := drivertest.Await(t, c, drivertest.Started(t, c, drivertest.NewJob("true")), drivertest.Final); st.State != driver.JobDone {
		t.Errorf("with space again the job is %+v", st)
	}
}

func TestFolderNotShared(t *testing.T) {
	target := cluster(t)
	c := connect(t, target)
	root := filepath.Join(target.Options["workDirectory"].(string), target.ID)
	j := drivertest.NewJob("true")
	j.Options = map[string]any{"sbatchArguments": []any{"--begin=now+3600"}}
	h := drivertest.Started(t, c, j)
	if err := os.Remove(filepath.Join(root, "jobs", j.ID, "agent")); err != nil { // as if only the login node had it
		t.Fatal(err)
	}
	tool(t, "scontrol", "update", "StartTime=now", "JobId="+strings.Fields(tool(t, "squeue", "-h", "-a", "--name="+j.ID, "-o", "%A"))[0])
	st := drivertest.Await(t, c, h, drivertest.Final)
	if st.State != driver.JobFailed || st.Reason != "NotStarted" || !strings.Contains(st.Message, "work directory") {
		t.Errorf("the job is %+v", st)
	}
}

func TestHostGone(t *testing.T) {
	target := cluster(t)
	c := connect(t, target)
	h := drivertest.Started(t, c, drivertest.NewJob("true"))
	drivertest.Await(t, c, h, drivertest.Final)
	target.On["slurm"][0].Close()
	again := connect(t, target)
	if _, err := again.Poll(t.Context(), h); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("Poll: %v", err)
	}
	if o, err := again.Observe(t.Context()); fault.CodeOf(err) != fault.Unavailable || o.Checks[0].Name != "host" || o.Checks[0].OK {
		t.Errorf("Observe: %v, %+v", err, o.Checks)
	}
}

// open is a copy of a file that every user can read.
func open(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "slurm-conf-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	copied := filepath.Join(dir, "slurm.conf")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(copied, text, 0o644)); err != nil {
		t.Fatal(err)
	}
	return copied
}

// TestNamelessUser: as on a server that runs code under a user of its own, which no list of users has.
func TestNamelessUser(t *testing.T) {
	name := conf(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can run code as another user")
	}
	name = open(t, name)
	host, err := local.Kind().Connect(t.Context(), driver.Target{ID: "nameless", Options: map[string]any{"user": "64999"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	target := driver.Target{
		ID: strings.ToLower(id.New()), Options: map[string]any{"slurmConf": name}, On: map[string][]driver.Conn{"slurm": {host}},
	}
	c := connect(t, target)
	t.Cleanup(func() { _, _ = host.(driver.Cleaner).Clean(context.Background(), false) })
	if _, err := c.Observe(t.Context()); fault.ReasonOf(err) != "UserNameless" {
		t.Errorf("Observe: %v", err)
	}
	if _, err := c.Start(t.Context(), drivertest.NewJob("true")); fault.ReasonOf(err) != "UserNameless" {
		t.Errorf("Start: %v", err)
	}
}
