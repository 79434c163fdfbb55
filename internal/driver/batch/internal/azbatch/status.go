package azbatch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Poll implements driver.Runner. The launcher's word counts before Batch's: it knows signals, and the node may be gone.
// That nothing is in the container proves nothing while Batch has the task: the target may have been given another.
func (c *Conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	ref, err := c.refOf(h)
	if err != nil {
		return driver.JobStatus{}, err
	}
	j, err := c.ours.Look(ctx, ref.Task)
	if err != nil || j.End != nil {
		return ended(j), err
	}
	var t task
	err = c.ask(ctx, http.MethodGet, taskPath(ref.Job, ref.Task), nil, &t)
	if err != nil && !missing(err) {
		return driver.JobStatus{}, err
	}
	gone := err != nil
	if !gone && t.State != stateCompleted && !t.again(j) {
		return c.going(ctx, ref, t, j), nil
	}
	if j, err = c.ours.Look(ctx, ref.Task); err != nil || j.End != nil { // it may have come meanwhile
		return ended(j), err
	}
	switch {
	case gone:
		return lost(j, "NoRecord", "the account has no record of the task"), nil
	case !j.There:
		return lost(j, "NoRecord", strayed), nil
	}
	return c.over(ctx, ref, t, j), nil
}

const strayed = "its files are not in the container: they were removed, or the target was given another container"

// ended is the status of a job whose end the container knows.
func ended(j launchx.Job) driver.JobStatus {
	if j.End == nil {
		return driver.JobStatus{}
	}
	st := j.End.Status()
	st.Started = j.Began
	return st
}

// again reports whether Batch would run a job once more that began: its node was taken away, or failed.
func (t task) again(j launchx.Job) bool {
	return !j.Began.IsZero() && (t.State == "active" || t.State == "preparing") || t.Exec.Exit != nil && *t.Exec.Exit == exitAgain
}

// exitAgain is how the launcher ends where the job began before: AGAIN of launch.py.
const exitAgain = 75

// going is the status of a task that has not ended. The launcher says when the job began.
func (c *Conn) going(ctx context.Context, ref handle, t task, j launchx.Job) driver.JobStatus {
	st := driver.JobStatus{State: driver.JobPending, Message: "its node prepares to run it"}
	if t.Node.ID != "" {
		st.Nodes = []string{t.Node.ID}
	}
	switch {
	case !j.Began.IsZero():
		st.State, st.Started, st.Message = driver.JobRunning, j.Began, ""
	case !j.There && t.State == "running":
		st.State, st.Started, st.Message = driver.JobRunning, t.Exec.Start, strayed
	case t.State == "active":
		st.Message = c.waiting(ctx, ref.Job)
	}
	return st
}

// waiting says why a task of a job waits.
func (c *Conn) waiting(ctx context.Context, job string) string {
	var of struct {
		Pool struct {
			ID string `json:"poolId"`
		} `json:"poolInfo"`
		State string `json:"state"`
		Exec  struct {
			Scheduling *failure `json:"schedulingError"`
		} `json:"executionInfo"`
	}
	err := c.ask(ctx, http.MethodGet, jobPath(job), nil, &of)
	switch {
	case err != nil:
		return "waits for a node"
	case of.Exec.Scheduling != nil:
		return "waits: Batch cannot begin the job: " + of.Exec.Scheduling.Code + ": " + of.Exec.Scheduling.Message
	case of.State != "active":
		return "waits: its job in the account is in the state " + of.State
	}
	p, err := c.askPool(ctx, of.Pool.ID)
	if f := fault.From(err); f != nil {
		return "waits: " + f.Why
	}
	return p.waiting()
}

// lost is the status of a job whose process is gone, and left no end.
func lost(j launchx.Job, reason, why string) driver.JobStatus {
	if !j.Asked.IsZero() {
		return driver.JobStatus{State: driver.JobCanceled, Reason: "Signaled", Message: "it was cancelled", Started: began(j, j.Asked), Ended: j.Asked}
	}
	return driver.JobStatus{State: driver.JobLost, Reason: reason, Message: why}
}

// began is when the launcher began, and no later than the end.
func began(j launchx.Job, end time.Time) time.Time {
	if j.Began.IsZero() || j.Began.After(end) {
		return end
	}
	return j.Began
}

// over is the status of a task that has ended, of which the launcher saw no end.
func (c *Conn) over(ctx context.Context, ref handle, t task, j launchx.Job) driver.JobStatus {
	if t.again(j) {
		return lost(j, "NodeFailed", "its node "+t.Node.ID+" failed or was taken away, and Batch put it back into the queue")
	}
	if t.Exec.End.IsZero() {
		t.Exec.End = time.Now().UTC()
	}
	st := driver.JobStatus{State: driver.JobFailed, Started: began(j, t.Exec.End), Ended: t.Exec.End}
	f := t.Exec.Failure
	switch {
	case !j.Asked.IsZero():
		st.State, st.Reason, st.Message = driver.JobCanceled, "Signaled", "it was cancelled"
	case f == nil:
		st.Reason, st.Message = "ExitUnknown", "the task ended well, but did not leave in the container how; was its signature changed?"
	case ref.Limit > 0 && t.Exec.End.Sub(t.Exec.Start).Seconds() >= ref.Limit:
		st.Reason, st.Message = "TimedOut", "it ran longer than its limit, and Batch ended it"
	case f.Code == "TaskEnded":
		st.State, st.Reason, st.Message = driver.JobCanceled, "RunCanceled", "its task was terminated, not by zaffre"
	default:
		st.Reason = reasonOf(*f)
		st.Message = strings.TrimSpace(fmt.Sprintf("Batch says %s: %s %s", f.Code, f.Message, c.said(ctx, ref)))
		if t.Exec.Exit != nil {
			st.ExitCode = *t.Exec.Exit
		}
	}
	return st
}

// reasonOf names how a task failed. Source: Batch Status and Error Codes; TaskFailureInformationCodes.
func reasonOf(f failure) string {
	switch {
	case f.Code == "FailureExitCode":
		return "RunFailed"
	case f.Code == "DiskFull":
		return "DiskFull"
	case f.Code == "BlobAccessDenied":
		return "ContainerDenied"
	case strings.HasPrefix(f.Code, "Command"), strings.HasPrefix(f.Code, "Blob"), strings.HasPrefix(f.Code, "Resource"):
		return "NotStarted"
	case strings.EqualFold(f.Category, "serverError"):
		return "NodeFailed"
	}
	return "RunFailed"
}

// sayMost is how many bytes of a task's own output are looked at.
const sayMost = 2000

// said are the last lines that a task wrote where Batch keeps them; "" where the node is gone.
func (c *Conn) said(ctx context.Context, ref handle) string {
	for _, name := range []string{"stderr.txt", "stdout.txt"} {
		text, err := c.tail(ctx, taskPath(ref.Job, ref.Task)+"/files/"+name)
		if err != nil {
			return ""
		}
		lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
		if len(lines) > 0 {
			return "| " + strings.Join(lines[max(0, len(lines)-3):], " | ")
		}
	}
	return ""
}

// tail reads the end of a file.
func (c *Conn) tail(ctx context.Context, path string) (string, error) {
	head, err := c.answer(ctx, restx.Call{Method: http.MethodHead, Path: path})
	if err != nil {
		return "", err
	}
	head.Body.Close()
	size, err := strconv.ParseInt(head.Header.Get("Content-Length"), 10, 64)
	if err != nil || size == 0 {
		return "", err
	}
	begin := http.Header{"Ocp-Range": {fmt.Sprintf("bytes=%d-", max(0, size-sayMost))}}
	a, err := c.answer(ctx, restx.Call{Method: http.MethodGet, Path: path, Header: begin})
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, sayMost))
	return strings.ToValidUTF8(string(b), "?"), err
}
