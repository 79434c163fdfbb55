// Package drivertest is the conformance suite of package driver: what a kind must do, whatever it
// stands on. A bug in one kind becomes a case here.
package drivertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// Harness gives the suite a real target to work on.
type Harness struct {
	Kind   driver.Kind
	Target driver.Target
	// Script returns the command that does the named thing on this target, nil if the target
	// cannot do it: the tests that need it are skipped.
	//
	//	exit CODE         ends with the code
	//	print TEXT        writes the text and a newline
	//	hang              runs until it gets TERM
	//	stubborn          writes "ready" and a newline, then runs on although it gets TERM
	//	signal NUMBER     gets the signal from itself
	//	write PATH TEXT   writes a file below the code's root
	//	args WORD…        writes each word and a newline
	//	env NAME          writes the variable's value
	//	list              writes "file PATH TEXT", "exec PATH TEXT" or "link PATH TARGET" for each file of
	//	                  the working folder, and none for outputs and logs
	//	python CODE       runs Python code in the job's environment
	//	eat BYTES         takes that much memory, then hangs
	//	children          starts a child that hangs in a session of its own, writes its pid, and ends
	//	write-and-fail PATH TEXT   as write, then ends with code 1
	//	missing           a program that is not there; "missing" stands in its name
	//	missing-script    an interpreter with a script that is not there; "missing" stands in its name
	Script func(what string, args ...string) []string
	// Code returns the code that a command of Script needs; nil: none. Tests that bring code of their own are skipped.
	Code func(argv []string) driver.Files
	// Log returns what of a job's log the command itself wrote; nil: all of it.
	Log func(log string) string
	// Crash cuts conn as a crash of the server would, or of what it talks to. nil: only Close.
	Crash func(t *testing.T, conn driver.Conn)
	// Restart makes the target lose its memory: a reboot, a pod's deletion. nil: skipped.
	Restart func(t *testing.T)
	// Alias is another name of the same machine. nil: skipped.
	Alias *driver.Target
	// Made is a target that is to be made, and is not there yet. nil: skipped.
	Made *driver.Target
	// Refusals are targets that cannot be used, and what is to be said of each.
	Refusals []Refusal
	// BlackHole is a target that takes everything and answers nothing. nil: skipped.
	BlackHole *driver.Target
	// Few says that a job takes seconds to start: what is repeated is repeated less, and may take longer.
	Few bool
	// Apart says that each job has a machine of its own, which has nothing yet.
	Apart bool
	// Definition returns an environment that builds fast ("tiny"), or one that names a package
	// that does not exist ("impossible"); nil: skipped.
	Definition func(what string) *driver.Definition
}

// Refusal is a target that cannot be used.
type Refusal struct {
	Name   string
	Target driver.Target
	Check  string // the required check that fails; "": Connect already does
	Code   fault.Code
	Reason string
}

// Run runs every test that the kind's capabilities call for. open is called once for each, and
// gives each a target of its own.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	tests := []struct {
		name string
		can  func(driver.Kind) bool
		test func(*env)
	}{
		{"Kind", any_, testKind},
		{"Observe", any_, testObserve},
		{"Refusals", any_, testRefusals},
		{"OneMachineOneIdentity", any_, testAlias},
		{"StartTwiceStartsOnce", runs, testStartTwice},
		{"StartAtOnceStartsOnce", runs, testStartAtOnce},
		{"LowerAttemptRefused", runs, testFence},
		{"Exits", runs, testExits},
		{"NotStarted", runs, testNotStarted},
		{"Arguments", runs, testArguments},
		{"Variables", runs, testVariables},
		{"Code", runs, testCode},
		{"CodeSentOnce", runs, testCodeSentOnce},
		{"CancelAtOnce", runs, testCancelAtOnce},
		{"CancelRunning", runs, testCancelRunning},
		{"CancelStubborn", runs, testCancelStubborn},
		{"CancelEnded", runs, testCancelEnded},
		{"Timeout", runs, testTimeout},
		{"OutOfMemory", runs, testOutOfMemory},
		{"LeavesNothingRunning", runs, testChildren},
		{"ReleaseTwice", runs, testRelease},
		{"LostAfterRestart", runs, testRestart},
		{"NotLostInSilence", runs, testSilence},
		{"FiftyAtOnce", runs, testFifty},
		{"SecretsStay", runs, testSecrets},
		{"Deadline", runs, testDeadline},
		{"BlackHole", runs, testBlackHole},
		{"HandleUnknown", runs, testHandle},
		{"Watch", driver.Can[driver.Watcher], testWatch},
		{"LogOffsets", driver.Can[driver.LogReader], testLogOffsets},
		{"LogAcrossCrash", driver.Can[driver.LogReader], testLogCrash},
		{"OutputsExact", driver.Can[driver.Outputs], testOutputs},
		{"OutputsOfFailed", driver.Can[driver.Outputs], testOutputsOfFailed},
		{"OutputUnknown", driver.Can[driver.Outputs], testOutputUnknown},
		{"Build", driver.Can[driver.EnvBuilder], testBuild},
		{"BuildTwice", driver.Can[driver.EnvBuilder], testBuildTwice},
		{"BuildImpossible", driver.Can[driver.EnvBuilder], testBuildImpossible},
		{"BuildMissing", driver.Can[driver.EnvBuilder], testBuildMissing},
		{"Clean", driver.Can[driver.Cleaner], testClean},
		{"MadeAndDeleted", driver.Can[driver.Provisioner], testProvision},
		{"Exec", driver.Can[driver.Host], testExec},
		{"Files", driver.Can[driver.Host], testFiles},
		{"Dial", driver.Can[driver.Host], testDial},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t)
			if !tt.can(h.Kind) {
				t.Skip("the kind lacks the capability")
			}
			ctx, cancel := context.WithTimeout(t.Context(), few(h, patience, 2*patience))
			t.Cleanup(cancel)
			e := &env{T: t, Harness: h, ctx: ctx}
			e.conn = e.connect()
			tt.test(e)
		})
	}
}

// few returns much, or less where jobs are few.
func few[T any](h Harness, much, less T) T {
	if h.Few {
		return less
	}
	return much
}

func any_(driver.Kind) bool          { return true }
func runs(k driver.Kind) bool        { return driver.Can[driver.Runner](k) }
func (e *env) runner() driver.Runner { return patient{as[driver.Runner](e, e.conn)} }

// env is one test.
type env struct {
	*testing.T
	Harness
	ctx  context.Context
	conn driver.Conn

	mu      sync.Mutex
	started map[string]driver.Job // by the handle's data
}

// connect opens the target once more.
func (e *env) connect() driver.Conn {
	e.Helper()
	c, err := e.Kind.Connect(e.ctx, e.Target)
	if err != nil {
		e.Fatalf("Connect: %v", err)
	}
	e.Cleanup(func() { _ = c.Close() })
	return c
}

func as[C any](e *env, conn driver.Conn) C {
	e.Helper()
	c, err := driver.As[C](conn)
	if err != nil {
		e.Fatal(err)
	}
	return c
}

// script returns a command, or skips the test.
func (e *env) script(what string, args ...string) []string {
	e.Helper()
	argv := e.Script(what, args...)
	if argv == nil {
		e.Skipf("the target cannot do %q", what)
	}
	return argv
}

// job returns a new job that runs a command.
func (e *env) job(argv []string) driver.Job {
	run := id.New()
	j := driver.Job{ID: "z-" + run + "-1", Run: run, Attempt: 1, Command: argv, Slots: []driver.Slot{{}}}
	if e.Code != nil {
		j.Files = e.Code(argv)
	}
	return j
}

func (e *env) start(j driver.Job) driver.Handle {
	e.Helper()
	h, err := e.startOn(e.runner(), j)
	if err != nil {
		e.Fatalf("Start: %v", err)
	}
	return h
}

// startOn starts a job, and keeps it for where its target asks for it again.
func (e *env) startOn(r driver.Runner, j driver.Job) (driver.Handle, error) {
	h, err := r.Start(e.ctx, j)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started == nil {
		e.started = map[string]driver.Job{}
	}
	e.started[string(h.Data)] = j
	return h, err
}

// pollOnce polls as the server does: where the target asks for another Start, that is made.
func (e *env) pollOnce(h driver.Handle) (driver.JobStatus, error) {
	st, err := e.runner().Poll(e.ctx, h)
	if err != nil || !st.Again {
		return st, err
	}
	e.mu.Lock()
	j, known := e.started[string(h.Data)]
	e.mu.Unlock()
	if st.State != driver.JobPending || !known {
		return st, fmt.Errorf("the job is %+v, which asks for a Start that cannot be made", st)
	}
	if again, err := e.runner().Start(e.ctx, j); err != nil || string(again.Data) != string(h.Data) {
		return st, fmt.Errorf("started again, as it asks for, the job has the handle %s, was %s: %w", again.Data, h.Data, err)
	}
	return e.runner().Poll(e.ctx, h)
}

func (e *env) poll(h driver.Handle) driver.JobStatus {
	e.Helper()
	st, err := e.pollOnce(h)
	if err != nil {
		e.Fatalf("Poll: %v", err)
	}
	return st
}

// await polls until ok is true.
func (e *env) await(h driver.Handle, what string, ok func(driver.JobStatus) bool) driver.JobStatus {
	e.Helper()
	var st driver.JobStatus
	e.until(what, func() bool {
		st = e.poll(h)
		return ok(st)
	})
	return st
}

// end polls until the job has ended.
func (e *env) end(h driver.Handle) driver.JobStatus {
	e.Helper()
	st := e.await(h, "the job to end", func(st driver.JobStatus) bool { return st.State.Final() })
	if st.State != driver.JobLost && st.Ended.IsZero() {
		e.Errorf("a job that ended has no end time: %+v", st)
	}
	return st
}

// running polls until the job runs.
func (e *env) running(h driver.Handle) {
	e.Helper()
	st := e.await(h, "the job to run", func(st driver.JobStatus) bool { return st.State != driver.JobPending })
	if st.State != driver.JobRunning {
		e.Fatalf("the job is %+v, want it running", st)
	}
}

// until asks again and again until ok is true.
func (e *env) until(what string, ok func() bool) {
	e.Helper()
	if !Until(e.ctx, ok) {
		e.Fatalf("waited in vain for %s", what)
	}
}

// wantFault checks that err is a whole fault with a code.
func (e *env) wantFault(err error, code fault.Code) {
	e.Helper()
	f := fault.From(err)
	switch {
	case err == nil:
		e.Errorf("no error, want one with the code %s", code)
	case f.Code != code:
		e.Errorf("error %v has the code %s, want %s", err, f.Code, code)
	case f.Reason == "" || f.What == "" || f.Why == "" || f.Fix == "":
		e.Errorf("fault %+v lacks its Reason, What, Why or Fix", f)
	}
}

// digestOf returns a digest that nobody else uses.
func digestOf(what string) string { return fmt.Sprintf("%064x", []byte(what + id.New())[:32]) }
