package launchx_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// folder is a store in a folder of the test's.
type folder string

func (f folder) at(name string) string { return filepath.Join(string(f), name) }

func (f folder) Put(_ context.Context, name string, open func() (io.ReadCloser, error), _ int64) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return errors.Join(err, os.MkdirAll(filepath.Dir(f.at(name)), 0o755), os.WriteFile(f.at(name), b, 0o644))
}

func (f folder) Read(_ context.Context, name string, offset int64) (io.ReadCloser, error) {
	r, err := os.Open(f.at(name))
	if err == nil {
		_, err = r.Seek(offset, io.SeekStart)
	}
	return r, gone(err)
}

func (f folder) List(_ context.Context, name string) (out []launchx.Entry, err error) {
	list, err := os.ReadDir(f.at(name))
	for _, e := range list {
		if fi, err := e.Info(); err == nil && !strings.HasSuffix(e.Name(), ".part") {
			out = append(out, launchx.Entry{Name: e.Name(), Size: fi.Size(), Folder: e.IsDir()})
		}
	}
	return out, gone(err)
}

func (f folder) Remove(_ context.Context, name string) error { return os.RemoveAll(f.at(name)) }

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &fault.Error{Code: fault.NotFound, Reason: "FileNotFound", What: "there is no file", Why: err.Error(), Fix: "none"}
	}
	return err
}

// launch is a job whose launcher runs, started by a process of its own as an engine would.
type launch struct {
	*testing.T
	*launchx.Folder
	job    driver.Job
	engine *exec.Cmd
	done   chan error
	tmp    string // the machine's folder for what is temporary
}

func start(t *testing.T, j driver.Job) *launch { return startIn(t, t.TempDir(), j) }

func startIn(t *testing.T, tmp string, j driver.Job) *launch {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	dir := folder(t.TempDir())
	l := &launch{T: t, Folder: launchx.New(dir), job: j, done: make(chan error, 1), tmp: tmp}
	l.Asks = true
	l.job.Run = id.New()
	l.job.ID = "z-" + l.job.Run + "-1"
	if err := l.Prepare(t.Context(), l.job); err != nil {
		t.Fatal(err)
	}
	l.engine = exec.Command("sh", "-c", `"$@" & wait $!`, "sh", python, dir.at(launchx.Launcher()), dir.at(launchx.JobFolder(l.job.ID)))
	l.engine.Env = append(os.Environ(), "TMPDIR="+tmp)
	if err := l.engine.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { l.done <- l.engine.Wait() }()
	return l
}

// until waits until the folder says what ok takes.
func (l *launch) until(ok func(launchx.Job) bool) launchx.Job {
	l.Helper()
	deadline := time.After(3 * time.Minute)
	for {
		j, err := l.Look(l.Context(), l.job.ID)
		if err != nil {
			l.Fatal(err)
		}
		if ok(j) {
			return j
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			l.Fatalf("waited in vain; the job is %+v, its log %q", j, l.log())
		}
	}
}

func (l *launch) end() driver.JobStatus {
	l.Helper()
	return l.until(func(j launchx.Job) bool { return j.End != nil }).End.Status()
}

func (l *launch) log() string {
	r, err := l.ReadLog(l.Context(), l.job.ID, 0)
	if err != nil {
		l.Fatal(err)
	}
	defer r.Close()
	b, _ := io.ReadAll(r)
	return string(b)
}

// leaves waits until that many folders are left on the machine.
func (l *launch) leaves(n int) {
	l.Helper()
	l.until(func(launchx.Job) bool {
		list, err := os.ReadDir(l.tmp)
		return err == nil && len(list) == n
	})
}

func (l *launch) says(text string) {
	l.Helper()
	l.until(func(launchx.Job) bool { return strings.Contains(l.log(), text) })
}

func python(code string) driver.Job { return driver.Job{Command: []string{"python", "-c", code}} }

// TestPythonEndsAsPythonDoes: a script in the launcher's own process ends as in one of its own.
func TestPythonEndsAsPythonDoes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code, log string
		exit      int
	}{
		{"print('fine')", "fine\n", 0},
		{"import sys; sys.exit()", "", 0},
		{"import sys; sys.exit(True)", "", 1},
		{"import sys; sys.exit(300)", "", 300 % 256},
		{"import sys; sys.exit('why')", "why\n", 1},
		{"raise ValueError('bad')", "ValueError: bad\n", 1},
		{"import threading, time; threading.Thread(target=lambda: (time.sleep(.3), print('late'))).start()", "late\n", 0},
		{"import os; os.system('echo below; echo below >&2')", "below\nbelow\n", 0},
	} {
		l := start(t, python(tt.code))
		st := l.end()
		if (st.State == driver.JobDone) != (tt.exit == 0) || st.ExitCode != tt.exit || !strings.HasSuffix(l.log(), tt.log) {
			t.Errorf("%s: it is %+v, and its log %q; want code %d and %q", tt.code, st, l.log(), tt.exit, tt.log)
		}
		if err := <-l.done; (err == nil) != (tt.exit == 0) {
			t.Errorf("%s: to the engine it ended with %v", tt.code, err)
		}
	}
}

// TestAskedToEnd: by TERM first where that can be caught, with a script and with a program; what was written is kept.
func TestAskedToEnd(t *testing.T) {
	t.Parallel()
	const kept = "open('outputs/x', 'w').write('y'); print('ready', flush=True)\n"
	for name, tt := range map[string]struct {
		job      driver.Job
		says     string
		stubborn bool
	}{
		"a script":            {python(kept + "import time; time.sleep(60)"), "ready\n", false},
		"one that catches it": {python("import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('caught'), sys.exit(0)))\n" + kept + "time.sleep(60)"), "ready\ncaught\n", false},
		"one that ignores it": {python("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + kept + "time.sleep(60)"), "ready\n", true},
		"a program":           {driver.Job{Command: []string{"sh", "-c", "exec 2>/dev/null; trap 'echo caught; exit 0' TERM; echo y > outputs/x; echo ready; while :; do sleep .1; done"}}, "ready\ncaught\n", false},
		"a program, stubborn": {driver.Job{Command: []string{"sh", "-c", "trap '' TERM; echo y > outputs/x; echo ready; while :; do sleep .1; done"}}, "ready\n", true},
		"a script, by its time": {func() driver.Job {
			j := python(kept + "import time; time.sleep(60)")
			j.Timeout = 10 * time.Second
			return j
		}(), "ready\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.job.Grace = time.Minute; tt.stubborn {
				tt.job.Grace = 300 * time.Millisecond
			}
			l := start(t, tt.job)
			want := driver.JobCanceled
			if tt.job.Timeout > 0 {
				want = driver.JobFailed
			} else {
				l.says("ready")
				if err := l.AskToEnd(t.Context(), l.job.ID); err != nil {
					t.Fatal(err)
				}
			}
			if st := l.end(); st.State != want || st.ExitCode != 0 || (want == driver.JobFailed) != (st.Reason == "TimedOut") {
				t.Errorf("the job is %+v, want it %s", st, want)
			}
			list, err := l.ListOutputs(t.Context(), l.job.ID)
			if err != nil || len(list) != 1 || list[0].Path != "outputs/x" || l.log() != tt.says {
				t.Errorf("it left %+v, %v, and the log %q, want %q", list, err, l.log(), tt.says)
			}
			if err := <-l.done; err == nil {
				t.Error("to the engine it ended well")
			}
			l.leaves(0)
		})
	}
}

// TestTheEngineDies: what it started ends too, and leaves no end: it did not see one.
func TestTheEngineDies(t *testing.T) {
	t.Parallel()
	l := start(t, driver.Job{Command: []string{"sh", "-c", "echo $$; exec sleep 60"}})
	l.says("\n")
	var pid int
	for _, r := range strings.TrimSpace(l.log()) {
		pid = pid*10 + int(r-'0')
	}
	if err := l.engine.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	l.until(func(launchx.Job) bool { return syscall.Kill(pid, 0) != nil })
	if j := l.until(func(j launchx.Job) bool { return j.There }); j.End != nil {
		t.Errorf("it left the end %+v", j.End)
	}
	l.leaves(0)
}

// TestWhatAKilledOneLeft is removed by the next, and what is in use is not.
func TestWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	leave := filepath.Join(t.TempDir(), "leave")
	first := start(t, python("import os; os.kill(os.getpid(), 9)"))
	<-first.done
	first.leaves(1)
	second := startIn(t, first.tmp, python("import os, time; print('ready', flush=True)\nwhile not os.path.exists('"+leave+"'): time.sleep(.05)"))
	second.says("ready")
	second.leaves(1)
	third := startIn(t, first.tmp, python("print('fine')"))
	if st := third.end(); st.State != driver.JobDone {
		t.Errorf("the third is %+v", st)
	}
	if err := os.WriteFile(leave, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if st := second.end(); st.State != driver.JobDone {
		t.Errorf("the second is %+v: %s", st, second.log())
	}
	second.leaves(0)
}

// TestStartedAgain: what the launcher took away is not written once more.
func TestStartedAgain(t *testing.T) {
	t.Parallel()
	j := driver.Job{Command: []string{"sh", "-c", `test "$KEY" = canary`}, Env: map[string]string{"KEY": "canary"}}
	l := start(t, j)
	if st := l.end(); st.State != driver.JobDone {
		t.Fatalf("the job is %+v", st)
	}
	if err := l.Prepare(t.Context(), l.job); err != nil {
		t.Fatal(err)
	}
	r, err := l.Store.Read(t.Context(), launchx.JobFolder(l.job.ID)+"/spec.json", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "{}" {
		t.Errorf("what it is to do is %q, %v", b, err)
	}
}

func TestNoVariablesThatNobodyCanHave(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{{"": "x"}, {"A=B": "x"}, {"A\x00": "x"}, {"A": "canary\x00"}} {
		err := launchx.CheckVariables(env)
		if fault.ReasonOf(err) != "VariableInvalid" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", env, err)
		}
	}
	if err := launchx.CheckVariables(map[string]string{"A": "=\n日本"}); err != nil {
		t.Error(err)
	}
}
