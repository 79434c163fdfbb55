package azbatch_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// TestALostAnswerStartsNothingTwice: the task was added, and nobody heard of it; nor of the job before it.
func TestALostAnswerStartsNothingTwice(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := connect(t, target(t, a))
	fail(t, a, rig.Fault{Path: "/jobs", Kind: "lost", Times: 1})
	h := drivertest.Started(t, c, drivertest.NewJob("true"))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	fail(t, a, rig.Fault{Path: "/jobs/", Kind: "lost", Times: 2})
	j := drivertest.NewJob("echo", "once")
	_, err := c.Start(t.Context(), j)
	drivertest.WantReason(t, err, fault.Unavailable, "ConnectionLost")
	h = drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone || drivertest.Log(t, c, h, 0) != "once\n" {
		t.Errorf("the job is %+v, its log %q", st, drivertest.Log(t, c, h, 0))
	}
	if again := drivertest.Started(t, c, j); string(again.Data) != string(h.Data) {
		t.Errorf("started again, it has the handle %s, want %s", again.Data, h.Data)
	}
	if n := count(t, a); n.Started != 2 || n.There != 2 || n.Jobs != 1 {
		t.Errorf("of 2 jobs the account has %+v", n)
	}
}

// TestAnotherPoolMeanwhile: a target that was given another pool finds what it started in the one before.
func TestAnotherPoolMeanwhile(t *testing.T) {
	t.Parallel()
	a := start(t)
	tell(t, a, "pool", map[string]any{"id": "second"}, nil)
	first := target(t, a)
	j := drivertest.NewJob("true")
	h := drivertest.Started(t, connect(t, first), j)
	c := connect(t, with(first, map[string]any{"pool": "second"}))
	if again := drivertest.Started(t, c, j); string(again.Data) != string(h.Data) {
		t.Errorf("it has the handle %s, want %s", again.Data, h.Data)
	}
	drivertest.Await(t, c, h, drivertest.Final)
	if n := count(t, a); n.Started != 1 {
		t.Errorf("it was started %d times", n.Started)
	}
}

func TestWhatIsRefusedForNowIsTriedAgain(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := connect(t, target(t, a))
	limited := status(429, 1, "TooManyRequests", "slow down")
	limited.After = "1"
	fail(t, a, limited, status(503, 1, "ServerBusy", "away"))
	begin := time.Now()
	h := drivertest.Started(t, c, drivertest.NewJob("true"))
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it was tried again after %s, and was asked to wait a second", took)
	}
	drivertest.Await(t, c, h, drivertest.Final)

	limited.After = "3600"
	fail(t, a, limited)
	_, err := c.Start(t.Context(), drivertest.NewJob("true"))
	drivertest.WantReason(t, err, fault.Exhausted, "RateLimited")
	if f := fault.From(err); f.RetryAfter != time.Hour {
		t.Errorf("it is to be asked again after %s, want an hour", f.RetryAfter)
	}
}

func TestRefusalsOfTheAccount(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := connect(t, target(t, a))
	drivertest.Await(t, c, drivertest.Started(t, c, drivertest.NewJob("true")), drivertest.Final)
	for _, tt := range []struct {
		fault  rig.Fault
		code   fault.Code
		reason string
	}{
		{status(401, 1, "AuthenticationFailed", "The token is expired."), fault.Unauthorized, "LoginRefused"},
		{status(403, 1, "AuthenticationFailed", "The signature is wrong."), fault.Unauthorized, "LoginRefused"},
		{status(403, 1, "InsufficientAccountPermissions", "You may not."), fault.Denied, "PermissionMissing"},
		{status(403, 1, "AccountIsDisabled", "It was not paid."), fault.Denied, "AccountDisabled"},
		{status(409, 1, "ActiveJobAndScheduleQuotaReached", "There are too many."), fault.Exhausted, "QuotaReached"},
		{status(409, 1, "JobBeingDeleted", "It goes."), fault.Unavailable, "JobEnding"},
		{status(409, 1, "JobCompleted", "It is over."), fault.Precondition, "JobEnded"},
		{status(409, 1, "OperationInvalidForCurrentState", "Not now."), fault.Conflict, "StateConflict"},
		{status(500, 1, "InternalError", "Oops."), fault.Unavailable, "ServiceFailed"},
		{status(400, 1, "InvalidPropertyValue", "No such thing."), fault.Invalid, "RequestRefused"},
		{status(404, 1, "ResourceNotFound", "Nothing."), fault.NotFound, "NotInAccount"},
	} {
		fail(t, a, tt.fault)
		_, err := c.Start(t.Context(), drivertest.NewJob("true"))
		drivertest.WantReason(t, err, tt.code, tt.reason)
		if f := fault.From(err); len(f.Evidence) == 0 || !strings.Contains(f.Evidence[0], tt.fault.Text) || strings.Contains(f.Evidence[0], "RequestId") {
			t.Errorf("%s has the evidence %q, want what the account said", tt.reason, f.Evidence)
		}
	}
	h := drivertest.Started(t, c, drivertest.NewJob("true"))
	drivertest.Await(t, c, h, drivertest.Final)
	elsewhere(t, a, http.MethodPost, "/jobs/JOB/terminate", h)
	for ended := false; !ended; {
		_, err := c.Start(t.Context(), drivertest.NewJob("true"))
		if ended = fault.ReasonOf(err) == "JobEnded"; !ended && fault.ReasonOf(err) != "JobEnding" {
			t.Fatalf("after its job was terminated: %v", err)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	a := start(t)
	byToken := with(target(t, a), map[string]any{"accountKey": nil, "bearerToken": a.Token + "\n"})
	c := connect(t, byToken)
	h := drivertest.Started(t, c, drivertest.NewJob("true"))
	drivertest.Await(t, c, h, drivertest.Final)
	tell(t, a, "expire", nil, nil)
	o, err := c.Observe(t.Context())
	drivertest.WantReason(t, err, fault.Unauthorized, "LoginRefused")
	if last := o.Checks[len(o.Checks)-1]; last.Name != "login" || last.OK || !strings.Contains(last.Fix, "--bearer-token-file") {
		t.Errorf("the last check is %+v", last)
	}
	_, err = c.Start(t.Context(), drivertest.NewJob("true"))
	drivertest.WantReason(t, err, fault.Unauthorized, "LoginRefused")
	c = connect(t, with(byToken, map[string]any{"accountKey": a.Key, "bearerToken": nil})) // it is given a key instead
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobDone {
		t.Errorf("by the key the job is %+v, %v", st, err)
	}
	_, err = connect(t, with(byToken, map[string]any{"batch": a.Secure})).Observe(t.Context())
	drivertest.WantReason(t, err, fault.Precondition, "CertificateRefused")
}

func TestWhatIsNoAccount(t *testing.T) {
	t.Parallel()
	base := target(t, start(t))
	for name, h := range map[string]http.HandlerFunc{
		"a page":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello</html>") },
		"other":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"hello": "world"}`) },
		"not here": http.NotFound,
		"a login":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
	} {
		s := httptest.NewServer(h)
		o, err := connect(t, with(base, map[string]any{"batch": s.URL})).Observe(t.Context())
		drivertest.WantReason(t, err, fault.Precondition, "NotBatch")
		if s := fmt.Sprintf("%+v %+v", o, fault.From(err)); strings.Contains(s, base.Secrets["accountKey"]) || strings.Contains(s, "sig=") {
			t.Errorf("%s: a secret is in %s", name, s)
		}
		_, err = connect(t, with(base, map[string]any{"container": s.URL + "/data?sig=c4nary"})).Observe(t.Context())
		if f := fault.From(err); f == nil || strings.Contains(fmt.Sprintf("%+v", f), "c4nary") || f.Reason != "NotStorage" && f.Reason != "BlobMissing" {
			t.Errorf("%s: as storage the fault is %+v", name, f)
		}
		s.Close()
	}
}

func TestHowTasksEnd(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := connect(t, target(t, a))
	want := func(name string, st driver.JobStatus, state driver.JobState, reason, says string) {
		t.Helper()
		if st.State != state || st.Reason != reason || !strings.Contains(st.Message, says) {
			t.Errorf("%s: the job is %+v, want %s as %s, with %q", name, st, state, reason, says)
		}
	}
	h := drivertest.Started(t, c, drivertest.NewJob("sleep", "100"))
	drivertest.Await(t, c, h, runs)
	elsewhere(t, a, http.MethodPost, "/jobs/JOB/tasks/TASK/terminate", h)
	want("terminated", drivertest.Await(t, c, h, drivertest.Final), driver.JobCanceled, "RunCanceled", "not by zaffre")

	h = drivertest.Started(t, c, drivertest.NewJob("sleep", "100"))
	drivertest.Await(t, c, h, runs)
	elsewhere(t, a, http.MethodDelete, "/jobs/JOB/tasks/TASK", h)
	want("deleted", drivertest.Await(t, c, h, drivertest.Final), driver.JobLost, "NoRecord", "no record of the task")

	h = drivertest.Started(t, c, drivertest.NewJob("sh", "-c", "kill -9 $PPID"))
	want("launcher killed", drivertest.Await(t, c, h, drivertest.Final), driver.JobFailed, "RunFailed", "FailureExitCode")

	h = drivertest.Started(t, c, withOptions(drivertest.NewJob("sh", "-c", "echo kept > outputs/x; sleep 100"), map[string]any{"timeLimit": time.Second}))
	want("time limit", drivertest.Await(t, c, h, drivertest.Final), driver.JobFailed, "TimedOut", "limit")
	if list, err := c.(driver.Outputs).ListOutputs(t.Context(), h); err != nil || len(list) != 1 {
		t.Errorf("what ran beyond its limit left %v, %v", list, err)
	}
	h = drivertest.Started(t, c, drivertest.NewJob("sleep", "100"))
	drivertest.Await(t, c, h, runs)
	if err := c.Release(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if n := count(t, a); n.There != 3 {
		t.Errorf("the account has %+v, want the task that was released gone", n)
	}
}

// TestANodeIsTakenAway: Batch puts what ran there back into its queue, and begins it on the next node.
func TestANodeIsTakenAway(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := connect(t, target(t, a))
	h := drivertest.Started(t, c, drivertest.NewJob("sh", "-c", "echo begun; sleep 100"))
	drivertest.Await(t, c, h, runs)
	for drivertest.Log(t, c, h, 0) == "" {
		drivertest.Await(t, c, h, runs)
	}
	tell(t, a, "preempt", nil, nil)
	for state := any(""); state != "completed"; state = elsewhere(t, a, http.MethodGet, "/jobs/JOB/tasks/TASK", h)["state"] {
		t.Log(state)
	}
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobLost || st.Reason != "NodeFailed" {
		t.Errorf("the job is %+v", st)
	}
	if n := count(t, a); n.Started != 2 || drivertest.Log(t, c, h, 0) != "begun\n" {
		t.Errorf("Batch began it %d times, and its log is %q", n.Started, drivertest.Log(t, c, h, 0))
	}
	h = drivertest.Started(t, c, drivertest.NewJob("sleep", "100"))
	drivertest.Await(t, c, h, runs)
	tell(t, a, "slow", map[string]any{"seconds": 100}, nil)
	tell(t, a, "preempt", nil, nil)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobLost || st.Reason != "NodeFailed" {
		t.Errorf("while it waits for another node the job is %+v", st)
	}
}

// TestTheServiceIsStartedAgain: nodes go on while it is away, and it finds them again.
func TestTheServiceIsStartedAgain(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := connect(t, target(t, a))
	mark := filepath.Join(t.TempDir(), "go on")
	h := drivertest.Started(t, c, drivertest.NewJob("sh", "-c", `echo begun; while [ ! -e "$0" ]; do sleep 0.1; done; echo ended; exit 4`, mark))
	waits := drivertest.Started(t, c, withOptions(drivertest.NewJob("true"), map[string]any{"pool": "empty"}))
	drivertest.Await(t, c, h, runs)
	a.Kill()
	_, err := c.Poll(t.Context(), h)
	drivertest.WantReason(t, err, fault.Unavailable, "ConnectionRefused")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobFailed || st.ExitCode != 4 || drivertest.Log(t, c, h, 0) != "begun\nended\n" {
		t.Errorf("the job is %+v, its log %q", st, drivertest.Log(t, c, h, 0))
	}
	drivertest.Await(t, c, waits, says("waits: pool"))
	if n := count(t, a); n.Started != 1 || n.There != 2 {
		t.Errorf("the account has %+v", n)
	}
}

// TestTheSignatureEnds before a node has begun: the target is given another, and says so of the run.
func TestTheSignatureEnds(t *testing.T) {
	t.Parallel()
	a := start(t)
	good := target(t, a)
	blobs := rig.Azurite(os.Getenv("TEST_AZURITE"))
	name := strings.SplitN(strings.TrimPrefix(good.Secrets["container"], string(blobs)+"/"), "?", 2)[0]
	short := connect(t, with(good, map[string]any{"container": blobs.SAS(name, allRights, time.Now().Add(30*time.Second))}))
	running := drivertest.Started(t, short, drivertest.NewJob("sleep", "35"))
	c := connect(t, good)
	drivertest.Await(t, c, running, runs)
	tell(t, a, "slow", map[string]any{"seconds": 35}, nil)
	h := drivertest.Started(t, short, drivertest.NewJob("true"))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobFailed || st.Reason != "ContainerDenied" || !strings.Contains(st.Message, "BlobAccessDenied") {
		t.Errorf("the job is %+v", st)
	}
	if st := drivertest.Await(t, c, running, drivertest.Final); st.State != driver.JobFailed || st.Reason != "RunFailed" || !strings.Contains(st.Message, "403") || strings.Contains(st.Message, "sig=") {
		t.Errorf("the job that ran is %+v", st)
	}
	_, err := short.Start(t.Context(), drivertest.NewJob("true"))
	drivertest.WantReason(t, err, fault.Unauthorized, "ContainerExpired")
	if f := fault.From(err); strings.Contains(fmt.Sprintf("%+v", f), "sig=") || !strings.Contains(f.Fix, "--container-file") {
		t.Errorf("the fault is %+v", f)
	}
	_, err = short.Poll(t.Context(), h)
	drivertest.WantReason(t, err, fault.Unauthorized, "ContainerExpired")
}

func TestWhatARunMayNotAsk(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := connect(t, target(t, a))
	limited, imaged := drivertest.NewJob("true"), drivertest.NewJob("true")
	limited.Memory, imaged.Runtime.Image = 1, "docker.io/library/python:3.11"
	for name, tt := range map[string]struct {
		job    driver.Job
		reason string
	}{
		"memory":            {limited, "TaskUnsupported"},
		"an image":          {imaged, "TaskUnsupported"},
		"a Slurm option":    {withOptions(drivertest.NewJob("true"), map[string]any{"gres": "gpu:1"}), "OptionInvalid"},
		"a Slurm list":      {withOptions(drivertest.NewJob("true"), map[string]any{"sbatchArguments": []any{"--mem=1"}}), "OptionInvalid"},
		"too high priority": {withOptions(drivertest.NewJob("true"), map[string]any{"priority": int64(1001)}), "OptionInvalid"},
		"negative time":     {withOptions(drivertest.NewJob("true"), map[string]any{"timeLimit": -time.Second}), "OptionInvalid"},
	} {
		if _, err := c.Start(t.Context(), tt.job); fault.ReasonOf(err) != tt.reason {
			t.Errorf("%s: %v (%s), want %s", name, err, fault.ReasonOf(err), tt.reason)
		}
	}
	if n := count(t, a); n.There != 0 {
		t.Errorf("the account has %+v", n)
	}
	h := drivertest.Started(t, c, withOptions(drivertest.NewJob("true"), map[string]any{"nodes": int64(0), "retention": time.Hour, "sbatchArguments": []any{}}))
	drivertest.Await(t, c, h, drivertest.Final)
	limits, _ := json.Marshal(elsewhere(t, a, http.MethodGet, "/jobs/JOB/tasks/TASK", h)["constraints"])
	if string(limits) != `{"maxTaskRetryCount":0,"retentionTime":"PT3600S"}` {
		t.Errorf("the task has the constraints %s", limits)
	}
}
