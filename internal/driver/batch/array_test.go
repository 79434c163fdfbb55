package batch_test

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// arrayJob is a job of many tasks, each of which runs a script of the shell; $1 is a folder of the test.
func arrayJob(array, shared, script string) driver.Job {
	j := drivertest.NewJob("sh", "-c", script, "sh", shared)
	j.Options["array"] = array
	return j
}

// gated is a script whose tasks write down that they ran, and end when there is a file with their index.
const gated = `echo ran >>"$1/ran-$SLURM_ARRAY_TASK_ID"; until [ -e "$1/go-$SLURM_ARRAY_TASK_ID" ]; do sleep 0.05; done; `

// let lets tasks of a gated script end.
func let(t *testing.T, shared string, tasks ...int) {
	t.Helper()
	for _, i := range tasks {
		if err := os.WriteFile(filepath.Join(shared, fmt.Sprint("go-", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// says is for Await: a status whose message has these words.
func says(words string) func(driver.JobStatus) bool {
	return func(st driver.JobStatus) bool { return st.State.Final() || strings.Contains(st.Message, words) }
}

// outputsOf reads all outputs of a job.
func outputsOf(t *testing.T, c driver.Runner, h driver.Handle) map[string]string {
	t.Helper()
	o := c.(driver.Outputs)
	list, err := o.ListOutputs(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(list, func(a, b driver.File) int { return strings.Compare(a.Path, b.Path) }) {
		t.Errorf("the outputs are not in the order of their paths: %v", list)
	}
	out := map[string]string{}
	for _, f := range list {
		r, err := o.OpenOutput(t.Context(), h, f.Path, 0)
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil || int64(len(b)) != f.Size {
			t.Errorf("%s has %d bytes of %d, %v", f.Path, len(b), f.Size, err)
		}
		out[f.Path] = string(b)
	}
	return out
}

// TestArray: ten tasks, three at once, each with its own code, outputs, log and end. Two fail, and the others go on.
func TestArray(t *testing.T) {
	target, shared := cluster(t), t.TempDir()
	c := connect(t, target)
	j := arrayJob("0-9%3", shared, `
i=$SLURM_ARRAY_TASK_ID
mkdir "$1/running-$i"; ls -d "$1"/running-* | wc -l >"$1/at-once-$i"
echo "I am $i of $SLURM_ARRAY_TASK_COUNT from $SLURM_ARRAY_TASK_MIN to $SLURM_ARRAY_TASK_MAX"
ls; echo "$i" >mine; echo "out of $i" >outputs/out.txt; mkdir logs/deep; echo "log of $i" >logs/deep/x
sleep 0.3; rmdir "$1/running-$i"
case $i in 3) echo "it went wrong"; exit 5 ;; 7) kill -9 $$ ;; esac`)
	h := drivertest.Started(t, c, j)
	st := drivertest.Await(t, c, h, drivertest.Final)
	want := "2 of 10 tasks failed: 3 (exit code 5), 7 (signal 9)"
	if st.State != driver.JobFailed || st.Reason != "ExitCode" || st.ExitCode != 5 || st.Message != want || st.Started.IsZero() || st.Ended.Before(st.Started) {
		t.Errorf("the job is %+v, want it failed: %s", st, want)
	}
	files := outputsOf(t, c, h)
	for i := range 10 {
		log := fmt.Sprintf("I am %d of 10 from 0 to 9\nlogs\noutputs\n", i)
		if i == 3 {
			log += "it went wrong\n"
		}
		for path, text := range map[string]string{
			"outputs/task-%d/out.txt": fmt.Sprintf("out of %d\n", i), "logs/task-%d/deep/x": fmt.Sprintf("log of %d\n", i), "logs/task-%d.log": log,
		} {
			if got := files[fmt.Sprintf(path, i)]; got != text {
				t.Errorf("%s is %q, want %q", fmt.Sprintf(path, i), got, text)
			}
		}
		if n := read(t, filepath.Join(shared, fmt.Sprint("at-once-", i))); !strings.Contains("1 2 3", strings.TrimSpace(n)) {
			t.Errorf("%s tasks ran at once", n)
		}
	}
	if len(files) != 30 {
		t.Errorf("there are %d outputs: %v", len(files), slices.Sorted(maps.Keys(files)))
	}
	for _, no := range []string{"outputs/out.txt", "outputs/task-3", "outputs/task-3.log", "logs/task-11.log", "outputs/3/out.txt", "outputs/task-3/../../mine", "logs/task-03.log"} {
		if r, err := c.(driver.Outputs).OpenOutput(t.Context(), h, no, 0); err == nil {
			r.Close()
			t.Errorf("%s is there", no)
		}
	}
	checkLog(t, drivertest.Log(t, c, h, 0))
	if n := copies(t, j); n < 1 || n > 11 {
		t.Errorf("Slurm has %d records", n)
	}
	if err := c.Release(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context(), j); fault.ReasonOf(err) != "Fenced" {
		t.Errorf("started again: %v", err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkLog reads the log of TestArray.
func checkLog(t *testing.T, log string) {
	t.Helper()
	began, ended := map[string]bool{}, 0
	for line := range strings.Lines(log) {
		f := strings.Fields(line)
		switch {
		case strings.Contains(line, " began on "):
			began[f[1]] = true
		case strings.HasPrefix(line, "task "):
			if ended++; !began[f[1]] {
				t.Errorf("task %s ended and had not begun", f[1])
			}
		}
	}
	if len(began) != 10 || ended != 10 {
		t.Errorf("%d tasks began, and %d ended:\n%s", len(began), ended, log)
	}
	for _, want := range []string{"task 3 ended with exit code 5 after ", "; its log: logs/task-3.log\n  | I am 3 of 10", "  | it went wrong\n", "task 7 was ended by signal 9 (SIGKILL) after ", "task 4 ended with exit code 0 after "} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

// TestArrayDone: an array of which no task fails is done; one has a single task, of index 0.
func TestArrayDone(t *testing.T) {
	c := connect(t, cluster(t))
	for array, ended := range map[string]int{"0": 1, "1,3,5-7:2": 4} {
		j := arrayJob(array, "", "true")
		h := drivertest.Started(t, c, j)
		st := drivertest.Await(t, c, h, drivertest.Final)
		if log := drivertest.Log(t, c, h, 0); st.State != driver.JobDone || strings.Count(log, " ended with exit code 0") != ended {
			t.Errorf("%s: the job is %+v, and says %s", array, st, log)
		}
	}
}

// TestArrayCanceled: those that wait leave the queue, and those that run are told.
func TestArrayCanceled(t *testing.T) {
	target, shared := cluster(t), t.TempDir()
	c := connect(t, target)
	j := arrayJob("0-6%3", shared, `trap 'echo told >"$1/told-$SLURM_ARRAY_TASK_ID"; exit 3' TERM; `+gated)
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, says("0 of 7 tasks have ended, 3 run; the rest waits for other tasks of its array"))
	let(t, shared, 1)
	st := drivertest.Await(t, c, h, says("1 of 7 tasks have ended, 3 run"))
	if st.State != driver.JobRunning || !slices.Equal(st.Nodes, []string{"localhost"}) {
		t.Errorf("in the middle the job is %+v", st)
	}
	for _, i := range []int{0, 2, 3} { // else a shell may be told before it can hear
		drivertest.Await(t, c, h, func(driver.JobStatus) bool {
			_, err := os.Stat(filepath.Join(shared, fmt.Sprint("ran-", i)))
			return err == nil
		})
	}
	for range 2 {
		if err := c.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	st = drivertest.Await(t, c, h, drivertest.Final)
	if st.State != driver.JobCanceled || st.Message != "canceled: 1 of 7 tasks had ended by themselves" {
		t.Errorf("canceled, the job is %+v", st)
	}
	for i, want := range []bool{true, false, true, true, false, false, false} {
		_, ran := os.Stat(filepath.Join(shared, fmt.Sprint("ran-", i)))
		_, told := os.Stat(filepath.Join(shared, fmt.Sprint("told-", i)))
		if (told == nil) != want || (ran == nil) != (want || i == 1) {
			t.Errorf("task %d: it ran: %v, it was told: %v", i, ran, told)
		}
	}
	if left := tool(t, "squeue", "-h", "--name="+j.ID, "-o", "%i %T"); strings.Contains(left, "PENDING") {
		t.Errorf("Slurm has still: %s", left)
	}
	if err := c.Release(t.Context(), h); err != nil {
		t.Error(err)
	}
}

// TestArrayLarge: what waits is counted without being looked at, and leaves at once.
func TestArrayLarge(t *testing.T) {
	c := connect(t, cluster(t))
	j := arrayJob("0-998:2,1-999:2,1000", "", "true")
	j.Options["sbatchArguments"] = []any{"--begin=now+1hour"}
	h := drivertest.Started(t, c, j)
	st := drivertest.Await(t, c, h, says("begin time"))
	if st.State != driver.JobPending || st.Message != "waits for its begin time" {
		t.Errorf("the job is %+v", st)
	}
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st = drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobCanceled {
		t.Errorf("the job is %+v", st)
	}
	if log := drivertest.Log(t, c, h, 0); strings.Count(log, " was canceled\n") != 1001 {
		t.Errorf("the log is %d bytes", len(log))
	}
}

// TestArrayFound: the agent dies in the middle, at any moment between what it writes, and the next one goes on: with
// another connection the log is the same to the byte, and longer.
func TestArrayFound(t *testing.T) {
	target, shared := cluster(t), t.TempDir()
	first := connect(t, target)
	j := arrayJob("1-4", shared, gated+"exit $((SLURM_ARRAY_TASK_ID == 2))")
	h := drivertest.Started(t, first, j)
	drivertest.Await(t, first, h, says("0 of 4 tasks have ended, 4 run"))
	let(t, shared, 1, 2)
	drivertest.Await(t, first, h, says("2 of 4 tasks have ended, 2 run"))
	dir := filepath.Join(target.Options["workDirectory"].(string), target.ID, "jobs", j.ID)
	before := read(t, filepath.Join(dir, "log"))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	crash(t, target)
	tear(t, dir, before)
	let(t, shared, 3)
	second := connect(t, target)
	drivertest.Await(t, second, h, says("3 of 4 tasks have ended, 1 run"))
	if now := read(t, filepath.Join(dir, "log")); !strings.HasPrefix(now, before) || len(now) == len(before) {
		t.Errorf("the log was\n%s\nand is\n%s", before, now)
	}
	crash(t, target) // with the connection open
	let(t, shared, 4)
	if st := drivertest.Await(t, second, h, drivertest.Final); st.Message != "1 of 4 tasks failed: 2 (exit code 1)" {
		t.Errorf("the job is %+v", st)
	}
	log := drivertest.Log(t, second, h, 0)
	if rest := drivertest.Log(t, second, h, int64(len(before))); before+rest != log || strings.Count(log, "began") != 4 {
		t.Errorf("the log was\n%s\nand is\n%s", before, log)
	}
}

// tear has the files be as an agent leaves them that died while it wrote.
func tear(t *testing.T, dir, log string) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, "log"), int64(len(log)-10)); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(`{"task":3,"end":{"state":"fai`); err != nil {
		t.Fatal(err)
	}
}

// TestArrayFollowed: who reads the log gets what tasks say while nobody polls.
func TestArrayFollowed(t *testing.T) {
	shared := t.TempDir()
	c := connect(t, cluster(t))
	h := drivertest.Started(t, c, arrayJob("5,6", shared, gated))
	r, err := c.(driver.LogReader).ReadLog(t.Context(), h, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var log strings.Builder
	for b := make([]byte, 100); strings.Count(log.String(), "began") < 2; {
		n, err := r.Read(b)
		if log.Write(b[:n]); err != nil {
			t.Fatalf("%v after %s", err, log.String())
		}
	}
	let(t, shared, 5, 6)
	rest, err := io.ReadAll(r)
	if log.Write(rest); err != nil || strings.Count(log.String(), "ended with exit code 0") != 2 {
		t.Errorf("%v after %s", err, log.String())
	}
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobDone {
		t.Errorf("the job is %+v, %v", st, err)
	}
}

// TestArrayAnswerLost: Slurm took the array, and we did not hear of it.
func TestArrayAnswerLost(t *testing.T) {
	target, shared := cluster(t), t.TempDir()
	deaf := connect(t, with(target, "slurmBin", wrapped(t, "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1")))
	j := arrayJob("0-3%2", shared, `echo once >>"$1/ran-$SLURM_ARRAY_TASK_ID"`)
	if _, err := deaf.Start(t.Context(), j); fault.ReasonOf(err) != "ControllerAway" || !fault.Retryable(err) {
		t.Fatalf("a lost answer: %v", err)
	}
	if _, err := deaf.Start(t.Context(), j); err != nil {
		t.Fatalf("found by its name: %v", err)
	}
	c := connect(t, target)
	if st := drivertest.Await(t, c, drivertest.Started(t, c, j), drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	ids := strings.Fields(tool(t, "squeue", "-h", "-a", "-t", "all", "--name="+j.ID, "-o", "%F"))
	if slices.Sort(ids); len(slices.Compact(ids)) != 1 {
		t.Errorf("Slurm was given it as %v", ids)
	}
	ranOnce(t, shared, 4)
}

// ranOnce checks that each task ran, and no task twice.
func ranOnce(t *testing.T, shared string, tasks int) {
	t.Helper()
	for i := range tasks {
		if got := read(t, filepath.Join(shared, fmt.Sprint("ran-", i))); strings.Count(got, "\n") != 1 {
			t.Errorf("task %d wrote %q", i, got)
		}
	}
}

// TestArrayEndedFromOutside: what somebody does to one task is that one's end.
func TestArrayEndedFromOutside(t *testing.T) {
	target, shared := cluster(t), t.TempDir()
	c := connect(t, target)
	j := arrayJob("0-5%4", shared, gated)
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, says("4 run"))
	dir := filepath.Join(target.Options["workDirectory"].(string), target.ID, "jobs", j.ID)
	base := strings.Fields(tool(t, "squeue", "-h", "-a", "--name="+j.ID, "-o", "%F"))[0]
	tool(t, "scancel", base+"_5") // waits
	tool(t, "scancel", base+"_1") // runs
	if err := exec.CommandContext(t.Context(), "pkill", "-KILL", "-f", "agent run "+filepath.Join(dir, "tasks", "2")).Run(); err != nil {
		t.Fatal(err)
	}
	let(t, shared, 0, 3, 4)
	st := drivertest.Await(t, c, h, drivertest.Final)
	for _, want := range []string{"3 of 6 tasks failed: 1 (it was canceled in Slurm, by scancel), 2 (Slurm says FAILED (", "), and its supervisor was killed), 5 (it was canceled in Slurm, by scancel)"} {
		if st.State != driver.JobFailed || st.Reason != "Killed" || !strings.Contains(st.Message, want) {
			t.Errorf("the job is %+v, want %s", st, want)
		}
	}
	if err := c.Release(t.Context(), h); err != nil {
		t.Error(err)
	}
}

// TestArrayOfSignals: what Slurm says of one task is not taken for the end of another, or of all.
func TestArrayOfSignals(t *testing.T) {
	shared := t.TempDir()
	c := connect(t, cluster(t))
	j := arrayJob("0-2", shared, gated+"kill -9 $$")
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, says("3 run"))
	base := strings.Fields(tool(t, "squeue", "-h", "-a", "--name="+j.ID, "-o", "%F"))[0]
	tool(t, "scancel", base+"_1", base+"_2")
	let(t, shared, 0)
	st := drivertest.Await(t, c, h, drivertest.Final)
	want := "3 of 3 tasks failed: 0 (signal 9), 1 (it was canceled in Slurm, by scancel), 2 (it was canceled in Slurm, by scancel)"
	if st.State != driver.JobFailed || st.Reason != "Signaled" || st.Signal != 9 || st.Message != want {
		t.Errorf("the job is %+v, want %s", st, want)
	}
}

// TestArrayNodeFails: tasks of a node that fails are lost, and the run with them, so that it may be tried again.
func TestArrayNodeFails(t *testing.T) {
	target, shared := cluster(t), t.TempDir()
	c := connect(t, target)
	j := arrayJob("0-2", shared, gated)
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, says("3 run"))
	let(t, shared, 1)
	drivertest.Await(t, c, h, says("1 of 3 tasks have ended"))
	t.Cleanup(func() { engine(t, "resume") })
	tool(t, "scontrol", "update", "NodeName=localhost", "State=DOWN", "Reason=test")
	st := drivertest.Await(t, c, h, drivertest.Final)
	if st.State != driver.JobLost || st.Reason != "NodeFailed" || st.Message != "2 of 3 tasks were lost: 0 (its node failed), 2 (its node failed)" {
		t.Errorf("the job is %+v", st)
	}
	engine(t, "resume")
	let(t, shared, 0, 2)
	j.ID, j.Attempt = strings.TrimSuffix(j.ID, "1")+"2", 2
	if err := c.Release(t.Context(), h); err != nil {
		t.Error(err)
	}
	if st := drivertest.Await(t, c, drivertest.Started(t, c, j), drivertest.Final); st.State != driver.JobDone {
		t.Errorf("tried again, the job is %+v", st)
	}
}

// TestArrayControllerKilled: a controller that is killed in the middle starts nothing twice, and forgets nothing that counts.
func TestArrayControllerKilled(t *testing.T) {
	target, shared := cluster(t), t.TempDir()
	c := connect(t, target)
	j := arrayJob("0-5%2", shared, gated)
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, says("0 of 6 tasks have ended, 2 run"))
	written(t, j)
	t.Cleanup(func() { engine(t, "up") })
	engine(t, "crash")
	let(t, shared, 0)
	st := drivertest.Await(t, c, h, says("1 of 6 tasks have ended, 1 run; the rest waits: the cluster's controller does not answer"))
	if st.State != driver.JobRunning {
		t.Errorf("without a controller the job is %+v", st)
	}
	engine(t, "up")
	let(t, shared, 1, 2, 3, 4, 5)
	// The controller drains the node when it finds that a task was started there: an administrator would resume it.
	st = drivertest.Await(t, c, h, func(st driver.JobStatus) bool {
		engine(t, "resume")
		return st.State.Final()
	})
	if st.State != driver.JobDone {
		t.Errorf("after the controller's death the job is %+v: %s", st, drivertest.Log(t, c, h, 0))
	}
	ranOnce(t, shared, 6)
	if err := c.Release(t.Context(), h); err != nil {
		t.Error(err)
	}
	engine(t, "resume")
}

// TestArrayRefused: what is no array, and what the cluster takes none of.
func TestArrayRefused(t *testing.T) {
	c := connect(t, cluster(t))
	for array, reason := range map[string]string{
		"a": "OptionInvalid", "3-1": "OptionInvalid", "1-3%": "OptionInvalid", "1-3%x": "OptionInvalid", "%4": "OptionInvalid", "0-99999": "OptionInvalid",
		"1;id": "OptionInvalid", "0-1001": "ArrayRefused", "70000": "ArrayRefused",
	} {
		j := arrayJob(array, "", "true")
		_, err := c.Start(t.Context(), j)
		f := fault.From(err)
		if f == nil || f.Reason != reason || f.Why == "" || f.Fix == "" {
			t.Errorf("%s: %+v, want %s", array, err, reason)
			continue
		}
		if reason == "ArrayRefused" && !strings.Contains(strings.Join(f.Evidence, " "), "MaxArraySize is 1001") {
			t.Errorf("%s: the evidence is %q", array, f.Evidence)
		}
	}
}

// TestArrayOfAzure: the other engine has no arrays, and says so before it is asked anything.
func TestArrayOfAzure(t *testing.T) {
	t.Parallel()
	c := connect(t, driver.Target{ID: "azure", Options: map[string]any{"batch": "https://account.westeurope.batch.azure.com"}})
	_, err := c.Start(t.Context(), arrayJob("0-9", "", "true"))
	if drivertest.WantReason(t, err, fault.Invalid, "OptionInvalid"); fault.From(err).Field != "options.array" {
		t.Errorf("it refuses %q", fault.From(err).Field)
	}
}
