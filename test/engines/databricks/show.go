package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/databricks/databricks-sdk-go/service/jobs"
)

// tail keeps the end of what is written: the Jobs API keeps 5 MB.
type tail struct {
	mu  sync.Mutex
	b   []byte
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - maxLogs; over > 0 {
		t.b, t.cut = t.b[over:], true
	}
	return len(p), nil
}

func (t *tail) read() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b), t.cut
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (x *run) state() (*jobs.RunState, *jobs.RunStatus) {
	s := &jobs.RunState{LifeCycleState: x.life, ResultState: x.result, StateMessage: x.message}
	s.UserCancelledOrTimedout = x.result == jobs.RunResultStateCanceled || x.result == jobs.RunResultStateTimedout
	status := &jobs.RunStatus{State: jobs.RunLifecycleStateV2State(x.life)}
	if !x.end.IsZero() {
		status.State = jobs.RunLifecycleStateV2StateTerminated
		status.TerminationDetails = &jobs.TerminationDetails{Code: x.code, Message: x.message}
	}
	return s, status
}

func (x *run) setup() int64 {
	if x.began.IsZero() {
		return 0
	}
	return x.began.Sub(x.start).Milliseconds()
}

func page(host string, id int64) string { return "http://" + host + "/jobs/runs/" + itoa(id) }

// base is how a list shows a run.
func (x *run) base(host string) jobs.BaseRun {
	x.mu.Lock()
	defer x.mu.Unlock()
	state, status := x.state()
	return jobs.BaseRun{
		RunId: x.id, RunName: x.in.RunName, RunType: jobs.RunTypeSubmitRun, RunPageUrl: page(host, x.id), State: state, Status: status,
		StartTime: millis(x.start), EndTime: millis(x.end), SetupDuration: x.setup(),
	}
}

// shown is the run with its task.
func (x *run) shown(host string) jobs.Run {
	x.mu.Lock()
	defer x.mu.Unlock()
	state, status := x.state()
	in := x.in.Tasks[0]
	return jobs.Run{
		RunId: x.id, RunName: x.in.RunName, RunType: jobs.RunTypeSubmitRun, RunPageUrl: page(host, x.id), State: state, Status: status,
		StartTime: millis(x.start), EndTime: millis(x.end), CreatorUserName: "ada@example.com",
		Tasks: []jobs.RunTask{{
			RunId: x.task, TaskKey: in.TaskKey, RunPageUrl: page(host, x.task), State: state, Status: status, StartTime: millis(x.start), EndTime: millis(x.end),
			SetupDuration: x.setup(), ExistingClusterId: in.ExistingClusterId, NewCluster: in.NewCluster, Libraries: in.Libraries,
			SparkPythonTask: in.SparkPythonTask, NotebookTask: in.NotebookTask, SparkJarTask: in.SparkJarTask,
		}},
	}
}

func (x *run) output(host string) jobs.RunOutput {
	meta := x.shown(host)
	logs, cut := x.logs.read()
	x.mu.Lock()
	defer x.mu.Unlock()
	out := jobs.RunOutput{Error: x.err, ErrorTrace: x.trace, Metadata: &meta}
	if x.in.Tasks[0].NotebookTask != nil { // the logs of a notebook are not kept
		out.NotebookOutput = &jobs.NotebookOutput{Result: x.notebook}
		return out
	}
	out.Logs, out.LogsTruncated = logs, cut
	return out
}

// killTree kills a process and all that it started: a cluster's end takes everything along.
func killTree(pid int) {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		_ = syscall.Kill(todo[0], syscall.SIGKILL)
		todo = append(todo, children[todo[0]]...)
	}
}
