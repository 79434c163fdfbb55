package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/jobs"
)

// run is a run with its one task.
//
//	PENDING -> RUNNING -> TERMINATING -> TERMINATED | INTERNAL_ERROR
type run struct {
	id, task int64
	in       jobs.SubmitRun
	stop     context.CancelCauseFunc
	ctx      context.Context

	mu                  sync.Mutex
	life                jobs.RunLifeCycleState
	result              jobs.RunResultState
	code                jobs.TerminationCodeCode
	message, err, trace string
	logs                tail
	notebook            string
	start, began, end   time.Time
}

var (
	errCanceled = errors.New("canceled")
	errTimeout  = errors.New("timeout")
	errCluster  = errors.New("cluster")
)

func newRun(id, task int64, in jobs.SubmitRun) *run {
	x := &run{id: id, task: task, in: in, life: jobs.RunLifeCycleStatePending, start: time.Now()}
	x.ctx, x.stop = context.WithCancelCause(context.Background())
	return x
}

func (x *run) cancel() { x.stop(errCanceled) }

func (x *run) over() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.end.IsZero()
}

// ends gives the run its end, once.
func (x *run) ends(life jobs.RunLifeCycleState, result jobs.RunResultState, code jobs.TerminationCodeCode, message string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.end.IsZero() {
		x.life, x.result, x.code, x.message, x.end = life, result, code, message, time.Now()
	}
}

// execute takes a run from its cluster's start to its end.
func (w *workspaceSim) execute(x *run) {
	w.mu.Lock()
	slow := w.slow
	w.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-x.ctx.Done():
	}
	if !x.stopped() && w.onCluster(x) == compute.StateTerminated { // a run starts it
		w.setCluster(x.in.Tasks[0].ExistingClusterId, compute.StateRunning)
	}
	if x.stopped() {
		return
	}
	site, err := w.install(x)
	if err != nil {
		x.ends(jobs.RunLifeCycleStateInternalError, jobs.RunResultStateFailed, jobs.TerminationCodeCodeLibraryInstallationError, "Task main failed with message: "+err.Error())
		return
	}
	cmd, done, err := w.command(x, site)
	if err != nil {
		x.ends(jobs.RunLifeCycleStateInternalError, jobs.RunResultStateFailed, jobs.TerminationCodeCodeResourceNotFound, err.Error())
		return
	}
	x.perform(cmd, done)
}

// stopped ends a run whose context has ended, and reports whether it had.
func (x *run) stopped() bool {
	switch context.Cause(x.ctx) {
	case nil:
		return false
	case errCanceled:
		x.ends(jobs.RunLifeCycleStateTerminated, jobs.RunResultStateCanceled, jobs.TerminationCodeCodeUserCanceled, "Run cancelled.")
	case errTimeout:
		x.ends(jobs.RunLifeCycleStateTerminated, jobs.RunResultStateTimedout, jobs.TerminationCodeCodeRunExecutionError, "Run timed out.")
	case errCluster:
		x.ends(jobs.RunLifeCycleStateInternalError, jobs.RunResultStateFailed, jobs.TerminationCodeCodeClusterError, "Cluster was terminated. Reason: USER_REQUEST.")
	}
	return true
}

// install installs the PyPI libraries for this run alone. Others are taken, and used by what they are for.
func (w *workspaceSim) install(x *run) (site string, err error) {
	site = filepath.Join(w.dir, "site", itoa(x.id))
	for _, l := range x.in.Tasks[0].Libraries {
		if l.Pypi == nil {
			continue
		}
		if w.pip == "" {
			return "", says("Library installation failed for library %s: no package index", l.Pypi.Package)
		}
		out, err := exec.CommandContext(x.ctx, w.pip, "-m", "pip", "install", "-q", "--target", site, l.Pypi.Package).CombinedOutput()
		if err != nil {
			return "", says("Library installation failed for library due to user error for pypi {package: %q}. Error messages: %s", l.Pypi.Package, strings.TrimSpace(string(out)))
		}
	}
	return site, nil
}

// command makes the process of a task. done is called when it has ended.
func (w *workspaceSim) command(x *run, site string) (cmd *exec.Cmd, done func(), err error) {
	t, done := x.in.Tasks[0], func() {}
	switch {
	case t.NotebookTask != nil:
		if cmd, done, err = w.notebookCommand(x, *t.NotebookTask); err != nil {
			return nil, nil, err
		}
	case t.SparkJarTask != nil:
		cmd = exec.Command("java", append([]string{"-cp", w.classPath(t), t.SparkJarTask.MainClassName}, t.SparkJarTask.Parameters...)...)
	default:
		file := w.mounted(t.SparkPythonTask.PythonFile)
		if _, err := os.Stat(file); err != nil {
			return nil, nil, says("Cannot read the python file %s", t.SparkPythonTask.PythonFile)
		}
		args := []string{file}
		for _, p := range t.SparkPythonTask.Parameters {
			args = append(args, w.mounted(p))
		}
		cmd = exec.Command("python3", args...)
	}
	cmd.Env = append(os.Environ(), "PYTHONPATH="+site, "DATABRICKS_RUNTIME_VERSION=15.4")
	if t.NewCluster != nil {
		for k, v := range t.NewCluster.SparkEnvVars {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	return cmd, done, nil
}

func (w *workspaceSim) classPath(t jobs.SubmitTask) string {
	var jars []string
	for _, l := range t.Libraries {
		if l.Jar != "" {
			jars = append(jars, w.mounted(l.Jar))
		}
	}
	return strings.Join(jars, ":")
}

// perform runs the process, until it ends or is ended with all that it started.
func (x *run) perform(cmd *exec.Cmd, done func()) {
	cmd.Stdout, cmd.Stderr = &x.logs, &x.logs
	cmd.WaitDelay = time.Second
	x.mu.Lock()
	x.life, x.began = jobs.RunLifeCycleStateRunning, time.Now()
	x.mu.Unlock()
	if err := cmd.Start(); err != nil {
		x.ends(jobs.RunLifeCycleStateInternalError, jobs.RunResultStateFailed, jobs.TerminationCodeCodeRunExecutionError, err.Error())
		return
	}
	if s := x.in.TimeoutSeconds; s > 0 {
		timer := time.AfterFunc(time.Duration(s)*time.Second, func() { x.stop(errTimeout) })
		defer timer.Stop()
	}
	kill := context.AfterFunc(x.ctx, func() {
		x.mu.Lock()
		x.life = jobs.RunLifeCycleStateTerminating
		x.mu.Unlock()
		killTree(cmd.Process.Pid)
	})
	err := cmd.Wait()
	done()
	if !kill() && x.stopped() {
		return
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		x.mu.Lock()
		x.err, x.trace = fmt.Sprintf("SystemExit: %d", code), fmt.Sprint(err)
		x.mu.Unlock()
		x.ends(jobs.RunLifeCycleStateTerminated, jobs.RunResultStateFailed, jobs.TerminationCodeCodeRunExecutionError, "Workload failed, see run output for details")
		return
	}
	x.ends(jobs.RunLifeCycleStateTerminated, jobs.RunResultStateSuccess, jobs.TerminationCodeCodeSuccess, "")
}
