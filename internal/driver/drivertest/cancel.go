package drivertest

import (
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

func testCancelAtOnce(e *env) {
	for range few(e.Harness, 10, 2) {
		h := e.start(e.job(e.script("hang")))
		e.cancel(h)
		e.wantCanceled(h)
	}
}

func (e *env) cancel(h driver.Handle) {
	e.Helper()
	if err := e.runner().Cancel(e.ctx, h); err != nil {
		e.Fatalf("Cancel: %v", err)
	}
}

func (e *env) wantCanceled(h driver.Handle) {
	e.Helper()
	if st := e.end(h); st.State != driver.JobCanceled {
		e.Errorf("the job is %+v, want it canceled", st)
	}
}

func testCancelRunning(e *env) {
	j := e.job(e.script("hang"))
	j.Grace = time.Minute
	h := e.start(j)
	e.running(h)
	begin := time.Now()
	e.cancel(h)
	e.cancel(h)
	e.wantCanceled(h)
	if took := time.Since(begin); took > j.Grace/2 {
		e.Errorf("a job that ends by TERM took %s", took)
	}
	e.cancel(h)
	e.wantCanceled(h)
}

// testCancelStubborn: what does not end by TERM is killed after its grace, and not before.
func testCancelStubborn(e *env) {
	j := e.job(e.script("stubborn"))
	j.Grace = 500 * time.Millisecond
	h := e.start(j)
	e.until("the job to be ready", func() bool {
		log, err := e.peek(h)
		return err == nil && strings.Contains(log, "ready")
	})
	begin := time.Now()
	e.cancel(h)
	e.wantCanceled(h)
	if took := time.Since(begin); took < j.Grace || took > patience {
		e.Errorf("it ended after %s, with a grace of %s", took, j.Grace)
	}
}

// testCancelEnded: the end that a job had stays.
func testCancelEnded(e *env) {
	h := e.start(e.job(e.script("exit", "3")))
	before := e.end(h)
	e.cancel(h)
	e.crash()
	e.cancel(h)
	if after := e.poll(h); after.State != before.State || after.ExitCode != 3 {
		e.Errorf("after a cancel the job is %+v, before it was %+v", after, before)
	}
}

// testChildren: with a job end the processes that it started, in whatever session.
func testChildren(e *env) {
	host, isHost := e.conn.(driver.Host)
	h := e.start(e.job(e.script("children")))
	if st := e.end(h); st.State != driver.JobDone {
		e.Fatalf("the job is %+v, want it done", st)
	}
	log, err := e.logOf(h)
	if err != nil || strings.TrimSpace(log) == "" {
		e.Fatalf("the job wrote %q, %v, want a pid", log, err)
	}
	if !isHost {
		return
	}
	exit, err := host.Exec(e.ctx, []string{"kill", "-0", strings.TrimSpace(log)}, driver.Stdio{})
	if err != nil || exit == 0 {
		e.Errorf("kill -0 of the child is %d, %v: it outlived the job", exit, err)
	}
}
