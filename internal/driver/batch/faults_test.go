package batch_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// tool runs one of Slurm's programs.
func tool(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "SLURM_CONF="+conf(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

// engine calls the script that made the cluster.
func engine(t *testing.T, verb string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute) // it is called at the end too
	defer cancel()
	out, err := exec.CommandContext(ctx, "bash", os.Getenv("ENGINES_SLURM"), verb).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", verb, err, out)
	}
}

// copies counts how often Slurm was given a job.
func copies(t *testing.T, j driver.Job) int {
	return len(strings.Fields(tool(t, "squeue", "-h", "-a", "-t", "all", "--name="+j.ID, "-o", "%A")))
}

// TestRefusedBySlurm: what can never be is the run's fault at once.
func TestRefusedBySlurm(t *testing.T) {
	c := connect(t, cluster(t))
	for _, tt := range []struct {
		options map[string]any
		reason  string
	}{
		{map[string]any{"partition": "nowhere"}, "PartitionUnknown"},
		{map[string]any{"nodes": int64(50)}, "ResourcesRefused"},
		{map[string]any{"gres": "gpu:8"}, "ResourcesRefused"},
		{map[string]any{"gpus": int64(3)}, "ResourcesRefused"},
		{map[string]any{"gres": "fpga:1"}, "ResourcesRefused"},
		{map[string]any{"partition": "short", "timeLimit": time.Hour}, "TimeLimitRefused"},
		{map[string]any{"sbatchArguments": []any{"--mem=900000000M"}}, "ResourcesRefused"},
		{map[string]any{"sbatchArguments": []any{"--uid=0"}}, "OptionInvalid"},
		{map[string]any{"sbatchArguments": []any{"--wrap=id"}}, "OptionInvalid"},
		{map[string]any{"sbatchArguments": []any{"--array=0-9"}}, "OptionInvalid"},
		{map[string]any{"partition": "a b"}, "OptionInvalid"},
	} {
		j := drivertest.NewJob("true")
		j.Options = tt.options
		_, err := c.Start(t.Context(), j)
		if got := fault.From(err); got == nil || got.Reason != tt.reason || got.Why == "" || got.Fix == "" {
			t.Errorf("%v: %+v, want %s", tt.options, err, tt.reason)
		}
		if _, err := c.Start(t.Context(), j); fault.Retryable(err) {
			t.Errorf("%v, asked again: %v", tt.options, err)
		}
	}
}

func TestPartitionDown(t *testing.T) {
	target := cluster(t)
	o, err := connect(t, with(target, "partition", "closed")).Observe(t.Context())
	if err != nil || o.Ready || o.Reason != "PartitionDown" {
		t.Errorf("a partition that is down: %v, ready %v, %s", err, o.Ready, o.Reason)
	}
	c := connect(t, target)
	j := drivertest.NewJob("true")
	j.Options = map[string]any{"partition": "closed"}
	h := drivertest.Started(t, c, j)
	st := drivertest.Await(t, c, h, func(st driver.JobStatus) bool { return strings.Contains(st.Message, "closed is down") })
	if st.State != driver.JobPending {
		t.Errorf("the job is %+v", st)
	}
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobCanceled {
		t.Errorf("canceled while it waits, the job is %+v", st)
	}
}

func TestPartitionFull(t *testing.T) {
	c := connect(t, cluster(t))
	whole := drivertest.NewJob("sleep", "600")
	whole.Options = map[string]any{"sbatchArguments": []any{"--exclusive"}}
	h := drivertest.Started(t, c, whole)
	drivertest.Await(t, c, h, drivertest.Running)
	next := drivertest.Started(t, c, drivertest.NewJob("true"))
	st := drivertest.Await(t, c, next, func(st driver.JobStatus) bool { return st.Message != "" && !strings.Contains(st.Message, "looked at") })
	if !strings.Contains(st.Message, "in partition main") || st.State != driver.JobPending {
		t.Errorf("on a full partition the job is %+v", st)
	}
	t.Log(st.Message)
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobCanceled {
		t.Errorf("canceled, the job is %+v", st)
	}
	if st := drivertest.Await(t, c, next, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the next job is %+v", st)
	}
}

// wrapped returns a folder with an sbatch that calls the real one and then does something else.
func wrapped(t *testing.T, then string) string {
	t.Helper()
	bin := t.TempDir()
	real, err := exec.LookPath("sbatch")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("#!/bin/sh\n[ \"$1\" != --version ] || exec %s \"$@\"\n%s \"$@\" >/dev/null; %s\n", real, real, then)
	if err := os.WriteFile(filepath.Join(bin, "sbatch"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestAnswerLost: Slurm took the job, and we did not hear of it.
func TestAnswerLost(t *testing.T) {
	target := cluster(t)
	deaf := connect(t, with(target, "slurmBin", wrapped(t, "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1")))
	j := drivertest.NewJob("sh", "-c", "echo once >>../../../count; sleep 1")
	if _, err := deaf.Start(t.Context(), j); fault.ReasonOf(err) != "ControllerAway" || !fault.Retryable(err) {
		t.Fatalf("a lost answer: %v", err)
	}
	if _, err := deaf.Start(t.Context(), j); err != nil {
		t.Fatalf("found by its name: %v", err)
	}
	c := connect(t, target)
	h := drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	if n := copies(t, j); n != 1 {
		t.Errorf("Slurm was given it %d times", n)
	}
}

// TestSecondCopyDoesNothing: two controllers, or a requeue, start one job twice.
func TestSecondCopyDoesNothing(t *testing.T) {
	target := cluster(t)
	c := connect(t, target)
	root := filepath.Join(target.Options["workDirectory"].(string), target.ID)
	j := drivertest.NewJob("sh", "-c", "echo once; sleep 2")
	h := drivertest.Started(t, c, j)
	dir := filepath.Join(root, "jobs", j.ID)
	tool(t, "sbatch", "--job-name="+j.ID, "--export=NIL", "--output="+filepath.Join(dir, "second.out"), filepath.Join(dir, "run.sh"))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if tool(t, "squeue", "-h", "--name="+j.ID, "-o", "%A") == "" {
			break
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	second, _ := os.ReadFile(filepath.Join(dir, "second.out"))
	if string(log) != "once\n" || copies(t, j) != 2 {
		t.Errorf("two copies wrote %q; the second said %q", log, second)
	}
}

// written waits until the controller has written down the jobs that it has now, of which one has changed: it does not
// write what it has written.
func written(t *testing.T, j driver.Job) {
	t.Helper()
	number, _, _ := strings.Cut(tool(t, "squeue", "-h", "--name="+j.ID, "-o", "%F"), "\n")
	now := time.Now()
	tool(t, "scontrol", "update", "JobId="+number, "AdminComment=written")
	name := filepath.Join(filepath.Dir(conf(t)), "state", "job_state")
	for end := now.Add(3 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(now) {
			return
		}
	}
	t.Fatalf("the controller does not write %s", name)
}

// TestControllerKilled: killed -9 just after it started a job, the controller forgets that it did.
func TestControllerKilled(t *testing.T) {
	target := cluster(t)
	c := connect(t, target)
	over := filepath.Join(t.TempDir(), "over")
	j := drivertest.NewJob("sh", "-c", "until [ -e "+over+" ]; do sleep 0.1; done; echo done")
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, drivertest.Running)
	written(t, j) // a controller that does not know the job, or that it runs, has its node end it
	// What it forgot it starts again, finds it running, and takes the node out of service: "up" puts that back.
	t.Cleanup(func() { engine(t, "up") })
	engine(t, "crash")
	waiting := drivertest.NewJob("true")
	if _, err := c.Start(t.Context(), waiting); fault.ReasonOf(err) != "ControllerAway" {
		t.Errorf("Start without a controller: %v", err)
	}
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobRunning {
		t.Errorf("without a controller the job is %+v, %v", st, err)
	}
	o, err := c.Observe(t.Context())
	if fault.ReasonOf(err) != "ControllerAway" || o.Checks[len(o.Checks)-1].Name != "controller" {
		t.Errorf("Observe without a controller: %v", err)
	}
	engine(t, "up")
	if err := os.WriteFile(over, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("after the controller's death the job is %+v", st)
	}
	// The controller drains the node when it finds that the job was started there: an administrator would resume it.
	resumed := func(st driver.JobStatus) bool {
		engine(t, "resume")
		return st.State.Final()
	}
	// A controller that forgot a job may give its number away again, and the node then refuses whoever has it.
	st := drivertest.Await(t, c, drivertest.Started(t, c, waiting), resumed)
	if st.Reason == "Killed" {
		t.Logf("the job that was asked for meanwhile got a number that was taken: %+v", st)
		st = drivertest.Await(t, c, drivertest.Started(t, c, drivertest.NewJob("true")), resumed)
	}
	if st.State != driver.JobDone {
		t.Errorf("the job that was asked for meanwhile is %+v", st)
	}
	if err := c.Release(t.Context(), h); err != nil {
		t.Errorf("Release: %v", err)
	}
	engine(t, "resume")
}

func TestEndedFromOutside(t *testing.T) {
	target := cluster(t)
	c := connect(t, target)
	root := filepath.Join(target.Options["workDirectory"].(string), target.ID)
	for _, tt := range []struct {
		name, reason string
		options      map[string]any
		end          func(driver.Job)
	}{
		{"scancel", "Killed", nil, func(j driver.Job) { tool(t, "scancel", "--name="+j.ID) }},
		{"scancel --full -s KILL", "Killed", nil, func(j driver.Job) { tool(t, "scancel", "--full", "--signal=KILL", "--name="+j.ID) }},
		{"supervisor killed", "ExitUnknown", nil, func(j driver.Job) {
			_ = exec.CommandContext(t.Context(), "pkill", "-KILL", "-f", "agent run "+filepath.Join(root, "jobs", j.ID)).Run()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := drivertest.NewJob("sleep", "600")
			j.Options = tt.options
			h := drivertest.Started(t, c, j)
			drivertest.Await(t, c, h, drivertest.Running)
			tt.end(j)
			st := drivertest.Await(t, c, h, drivertest.Final)
			if st.State != driver.JobFailed || st.Reason != tt.reason || st.Message == "" {
				t.Errorf("the job is %+v, want it failed as %s", st, tt.reason)
			}
			if err := c.Release(t.Context(), h); err != nil {
				t.Errorf("Release: %v", err)
			}
		})
	}
}

// TestFolderNotShared: the node cannot enter the work directory.
// TestHostGone: the login node does not answer.
// TestVariables: a job knows where it is, and has nothing of the submitter's environment.
func TestVariables(t *testing.T) {
	t.Setenv("SECRET_OF_THE_SERVER", "s3cret")
	target := cluster(t)
	c := connect(t, target)
	j := drivertest.NewJob("sh", "-c", `echo "$SLURM_JOB_NAME $SLURM_JOB_PARTITION [$SLURM_EXPORT_ENV] [$SECRET_OF_THE_SERVER] $HOME"`)
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, drivertest.Final)
	log, _ := os.ReadFile(filepath.Join(target.Options["workDirectory"].(string), target.ID, "jobs", j.ID, "log"))
	if want := j.ID + " main [] [] " + os.Getenv("HOME") + "\n"; string(log) != want {
		t.Errorf("the job says %q, want %q", log, want)
	}
}

// TestWhatARunGets: GPUs, tasks and their numbers, and a time limit.
func TestWhatARunGets(t *testing.T) {
	target := cluster(t)
	c := connect(t, target)
	j := drivertest.NewJob("sh", "-c", `echo "gpus $SLURM_GPUS_ON_NODE of [$CUDA_VISIBLE_DEVICES]"; squeue -h -j "$SLURM_JOB_ID" -o "limit %l"; srun sh -c 'echo task $SLURM_PROCID' | sort`)
	j.Env = map[string]string{"SLURM_CONF": conf(t)}
	j.Options = map[string]any{"gpus": int64(1), "tasksPerNode": int64(3), "timeLimit": 5 * time.Minute}
	drivertest.Await(t, c, drivertest.Started(t, c, j), drivertest.Final)
	log, _ := os.ReadFile(filepath.Join(target.Options["workDirectory"].(string), target.ID, "jobs", j.ID, "log"))
	if want := "gpus 1 of [0]\nlimit 5:00\ntask 0\ntask 1\ntask 2\n"; string(log) != want && string(log) != strings.Replace(want, "[0]", "[1]", 1) {
		t.Errorf("the job says %q, want %q", log, want)
	}
}
