package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// testStartTwice: the server dies after Start and before it stored the handle.
func testStartTwice(e *env) {
	j := e.job(e.script("print", "started"))
	first := e.start(j)
	e.crash()
	second := e.start(j)
	if !bytes.Equal(first.Data, second.Data) {
		e.Errorf("the second Start returned %s, want the first handle %s", second.Data, first.Data)
	}
	e.end(second)
	third := e.start(j)
	if st := e.poll(third); st.State != driver.JobDone {
		e.Errorf("started again after its end the job is %+v, want it done", st)
	}
	e.wantLog(first, "started\n")
}

// crash cuts the connection and opens another.
func (e *env) crash() {
	e.Helper()
	if e.Crash != nil {
		e.Crash(e.T, e.conn)
	}
	_ = e.conn.Close()
	e.conn = e.connect()
}

func testStartAtOnce(e *env) {
	j := e.job(e.script("print", "started"))
	other := e.connect()
	var wg sync.WaitGroup
	handles := make([]driver.Handle, 8)
	for i := range handles {
		c := []driver.Conn{e.conn, other}[i%2]
		wg.Go(func() {
			h, err := e.startOn(patient{as[driver.Runner](e, c)}, j) // one that waits too long for another is told to come again
			if err != nil {
				e.Errorf("Start: %v", err)
			}
			handles[i] = h
		})
	}
	wg.Wait()
	for _, h := range handles {
		if !bytes.Equal(h.Data, handles[0].Data) {
			e.Errorf("handles %s and %s of one job", h.Data, handles[0].Data)
		}
	}
	e.end(handles[0])
	e.wantLog(handles[0], "started\n")
}

func testFence(e *env) {
	first := e.job(e.script("print", "one"))
	second := first
	second.ID, second.Attempt = "z-"+first.Run+"-2", 2
	e.end(e.start(second))
	_, err := e.runner().Start(e.ctx, first)
	e.wantFault(err, fault.Precondition)
	if fault.ReasonOf(err) != "Fenced" {
		e.Errorf("the reason is %q, want Fenced", fault.ReasonOf(err))
	}
	e.end(e.start(second)) // the same attempt again is found
	elsewhere := e.job(e.script("print", "other"))
	e.end(e.start(elsewhere)) // and other runs have a fence of their own
}

func testExits(e *env) {
	tests := []struct {
		script []string
		want   driver.JobStatus
		says   string
	}{
		{[]string{"exit", "0"}, driver.JobStatus{State: driver.JobDone}, ""},
		{[]string{"exit", "3"}, driver.JobStatus{State: driver.JobFailed, ExitCode: 3, Reason: "ExitCode"}, "3"},
		{[]string{"exit", "255"}, driver.JobStatus{State: driver.JobFailed, ExitCode: 255, Reason: "ExitCode"}, "255"},
		{[]string{"signal", "9"}, driver.JobStatus{State: driver.JobFailed, Signal: 9, Reason: "Signaled"}, "SIGKILL"},
		{[]string{"signal", "11"}, driver.JobStatus{State: driver.JobFailed, Signal: 11, Reason: "Signaled"}, "SIGSEGV"},
	}
	for _, tt := range tests {
		e.Run(strings.Join(tt.script, " "), func(t *testing.T) {
			e := &env{T: t, Harness: e.Harness, ctx: e.ctx, conn: e.conn}
			got := e.end(e.start(e.job(e.script(tt.script[0], tt.script[1:]...))))
			if got.State != tt.want.State || got.ExitCode != tt.want.ExitCode || got.Signal != tt.want.Signal || got.Reason != tt.want.Reason {
				t.Errorf("the job is %+v, want %+v", got, tt.want)
			}
			if !strings.Contains(got.Message, tt.says) {
				t.Errorf("the message %q does not say %q", got.Message, tt.says)
			}
			if got.Started.IsZero() || got.Ended.Before(got.Started) {
				t.Errorf("it started %s and ended %s", got.Started, got.Ended)
			}
		})
	}
}

func testNotStarted(e *env) {
	for _, what := range []string{"missing", "missing-script"} {
		e.Run(what, func(t *testing.T) {
			e := &env{T: t, Harness: e.Harness, ctx: e.ctx, conn: e.conn}
			st := e.end(e.start(e.job(e.script(what))))
			if st.State != driver.JobFailed || st.Reason != "NotStarted" || !strings.Contains(st.Message, "missing") {
				t.Errorf("the job is %+v, want it failed as NotStarted with the name in the message", st)
			}
		})
	}
}

func testTimeout(e *env) {
	j := e.job(e.script("hang"))
	j.Timeout, j.Grace = 300*time.Millisecond, time.Second
	st := e.end(e.start(j))
	if st.State != driver.JobFailed || st.Reason != "TimedOut" {
		e.Errorf("the job is %+v, want it failed as TimedOut", st)
	}
	if ran := st.Ended.Sub(st.Started); ran < j.Timeout || ran > patience {
		e.Errorf("it ran for %s, with a limit of %s", ran, j.Timeout)
	}
}

func testOutOfMemory(e *env) {
	j := e.job(e.script("eat", "300000000"))
	j.Memory = 100_000_000
	st := e.end(e.start(j))
	if st.State != driver.JobFailed || st.Reason != "OutOfMemory" || st.Message == "" {
		e.Errorf("the job is %+v, want it failed as OutOfMemory", st)
	}
	less := e.job(e.script("print", "small"))
	less.Memory = j.Memory
	if st := e.end(e.start(less)); st.State != driver.JobDone {
		e.Errorf("a job within its limit is %+v, want it done", st)
	}
}

func testRelease(e *env) {
	h := e.start(e.job(e.script("exit", "0")))
	e.end(h)
	for range 2 {
		if err := e.runner().Release(e.ctx, h); err != nil {
			e.Fatalf("Release: %v", err)
		}
	}
	if st := e.poll(h); st.State != driver.JobLost || st.Reason == "" {
		e.Errorf("a released job is %+v, want it lost with a reason", st)
	}
	if err := e.runner().Cancel(e.ctx, h); err != nil {
		e.Errorf("Cancel of a released job: %v", err)
	}
}

func testRestart(e *env) {
	if e.Restart == nil {
		e.Skip("the target cannot be restarted")
	}
	h := e.start(e.job(e.script("hang")))
	e.running(h)
	_ = e.conn.Close()
	e.Harness.Restart(e.T)
	e.conn = e.connect()
	if st := e.poll(h); st.State != driver.JobLost || st.Reason == "" || st.Message == "" {
		e.Errorf("after a restart the job is %+v, want it lost with a reason", st)
	}
	if err := e.runner().Release(e.ctx, h); err != nil {
		e.Errorf("Release of a lost job: %v", err)
	}
}

// testSilence: a target that does not answer has lost nothing.
func testSilence(e *env) {
	h := e.start(e.job(e.script("hang")))
	e.running(h)
	for range 3 {
		e.crash()
		if st := e.poll(h); st.State != driver.JobRunning {
			e.Errorf("after a crash the job is %+v, want it running", st)
		}
	}
	if err := e.runner().Cancel(e.ctx, h); err != nil {
		e.Fatal(err)
	}
	if st := e.end(h); st.State != driver.JobCanceled {
		e.Errorf("the job is %+v, want it canceled", st)
	}
}

func testFifty(e *env) {
	e.script("print", "x")
	var wg sync.WaitGroup
	for i := range few(e.Harness, 50, 3) {
		wg.Go(func() {
			text := fmt.Sprintf("job %d", i)
			h, err := e.startOn(e.runner(), e.job(e.Script("print", text)))
			if err != nil {
				e.Errorf("Start: %v", err)
				return
			}
			if st, err := e.endOf(h); err != nil || st.State != driver.JobDone {
				e.Errorf("job %d is %+v, %v, want it done", i, st, err)
			}
			if log, err := e.logOf(h); err != nil || log != text+"\n" {
				e.Errorf("job %d has the log %q, %v", i, log, err)
			}
			if err := e.runner().Release(e.ctx, h); err != nil {
				e.Errorf("Release: %v", err)
			}
		})
	}
	wg.Wait()
}

// endOf is end for a goroutine.
func (e *env) endOf(h driver.Handle) (st driver.JobStatus, err error) {
	if !Until(e.ctx, func() bool {
		st, err = e.pollOnce(h)
		return err != nil || st.State.Final()
	}) {
		err = e.ctx.Err()
	}
	return st, err
}

// testSecrets: what a job is told stays between it and the target.
func testSecrets(e *env) {
	const secret = "s3cr3t-7cd9"
	j := e.job(e.script("exit", "3"))
	j.Env = map[string]string{"API_TOKEN": secret}
	h := e.start(j)
	st := e.end(h)
	o := e.observe(e.conn)
	bad := j
	bad.ID, bad.Env = "z-"+j.Run+"-1x", map[string]string{"API\x00TOKEN": secret, "OTHER": secret + "\x00"}
	_, err := e.runner().Start(e.ctx, bad)
	for what, text := range map[string]string{
		"handle": string(h.Data), "status": fmt.Sprintf("%+v", st), "observation": fmt.Sprintf("%+v", o),
		"error": fmt.Sprintf("%+v %v", fault.From(err), err),
	} {
		if strings.Contains(text, secret) {
			e.Errorf("the %s holds the secret: %s", what, text)
		}
	}
	for _, s := range e.Target.Secrets {
		if s != "" && strings.Contains(fmt.Sprintf("%s %+v %+v", h.Data, st, o), s) {
			e.Error("the target's own secret stands in a handle, a status or an observation")
		}
	}
}

func testWatch(e *env) {
	told := make(chan string, 100)
	e.Cleanup(e.watch(told))
	for range 3 { // it may begin to watch too late for the first
		if end, watched := e.toldOfTheEnd(told); end {
			return
		} else if watched {
			break
		}
	}
	e.Fatal("the watch did not tell of the end")
}

// toldOfTheEnd cancels a job, and waits for the word of its end. watched: there was a word before the cancel.
func (e *env) toldOfTheEnd(told <-chan string) (end, watched bool) {
	j := e.job(e.script("hang"))
	h := e.start(j)
	e.running(h)
	for len(told) > 0 {
		<-told
		watched = true
	}
	begin, late := time.Now(), time.After(patience/4)
	if err := e.runner().Cancel(e.ctx, h); err != nil {
		e.Fatal(err)
	}
	for {
		select {
		case name := <-told:
			if name == j.ID && e.poll(h).State.Final() {
				e.Logf("told %s after the cancel", time.Since(begin))
				return true, watched
			}
		case <-late:
			return false, watched
		}
	}
}

// watch watches until the returned func is called.
func (e *env) watch(told chan<- string) (stop func()) {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(e.ctx)
	go func() {
		defer close(done)
		_ = as[driver.Watcher](e, e.conn).Watch(ctx, func(name string) {
			select {
			case told <- name:
			default:
			}
		})
	}()
	return func() {
		cancel()
		<-done
	}
}
