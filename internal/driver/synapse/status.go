package synapse

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
)

// Poll implements driver.Runner. The launcher's word counts before Livy's, which knows neither exit codes nor, after a
// while, the batch.
func (c *conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	ref, err := refOf(h)
	if err != nil {
		return driver.JobStatus{}, err
	}
	j, err := c.look(ctx, ref)
	if err != nil || !j.There || j.End != nil {
		return c.known(j), err
	}
	b, err := c.batch(ctx, ref)
	if err != nil && !missing(err) {
		return driver.JobStatus{}, err
	}
	gone := err != nil
	if !gone && !b.ended() {
		return going(j, b, ref.Jar || c.readsOnly()), nil
	}
	if j, err = c.look(ctx, ref); err != nil || !j.There || j.End != nil { // it may have come meanwhile
		return c.known(j), err
	}
	if gone {
		return lost(j, "the endpoint has no record of the batch"), nil
	}
	return c.over(ctx, j, b)
}

func (c *conn) look(ctx context.Context, ref handle) (launchx.Job, error) {
	if c.ours == nil {
		return launchx.Job{}, folderNone()
	}
	return c.ours.Look(ctx, ref.Job)
}

// known is the status of a job that the folder knows all of: it has its end, or nothing.
func (c *conn) known(j launchx.Job) driver.JobStatus {
	if !j.There {
		return driver.JobStatus{State: driver.JobLost, Reason: "NoRecord", Message: "its files were removed from the folder"}
	}
	if j.End == nil {
		return driver.JobStatus{}
	}
	st := j.End.Status()
	st.Started = j.Began
	return st
}

// going is the status of a job that has not ended. Of one that has a launcher, that says when it began.
func going(j launchx.Job, b batch, quiet bool) driver.JobStatus {
	st := driver.JobStatus{State: driver.JobPending, Message: b.say("Livy says " + b.State)}
	if !j.Began.IsZero() || quiet && !b.waits() {
		st.State, st.Started = driver.JobRunning, j.Began
	}
	return st
}

// say adds where the user sees more.
func (b batch) say(what string) string {
	if b.AppID != "" {
		what += ", application " + b.AppID
	}
	if b.Info.UI != "" {
		what += "; see " + b.Info.UI
	}
	return what
}

// lost is the status of a job whose process is gone, and left no end.
func lost(j launchx.Job, why string) driver.JobStatus {
	if !j.Asked.IsZero() {
		return driver.JobStatus{State: driver.JobCanceled, Reason: "Signaled", Message: "it was cancelled", Started: began(j, j.Asked), Ended: j.Asked}
	}
	return driver.JobStatus{State: driver.JobLost, Reason: "NoRecord", Message: why}
}

// began is when the launcher began, and no later than the end.
func began(j launchx.Job, end time.Time) time.Time {
	if j.Began.IsZero() || j.Began.After(end) {
		return end
	}
	return j.Began
}

// over is the status of a batch that has ended, of which the launcher saw no end.
func (c *conn) over(ctx context.Context, j launchx.Job, b batch) (driver.JobStatus, error) {
	now := time.Now().UTC()
	st := driver.JobStatus{State: driver.JobFailed, Started: began(j, now), Ended: now}
	switch {
	case b.State == stateSuccess:
		st.State = driver.JobDone
	case !j.Asked.IsZero():
		return lost(j, ""), nil
	case b.State == stateKilled:
		st.State, st.Reason, st.Message = driver.JobCanceled, "RunCanceled", b.say("the batch was killed, not by zaffre")
	default:
		lines, err := c.said(ctx, batchPath(b.ID))
		if err != nil && !missing(err) {
			return st, err
		}
		st.Reason = "RunFailed"
		st.Message = b.say(fmt.Sprintf("Livy says %s: %s", b.State, telling(lines)))
	}
	return st, nil
}

// tellMost is how many lines of a log stand in a status.
const tellMost = 5

// telling are the last lines of a log that say something: not those that Spark notes as it goes.
func telling(lines []string) string {
	var out []string
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" && !strings.Contains(l, " INFO ") && !strings.HasPrefix(l, "at ") {
			out = append(out, l)
		}
	}
	return strings.Join(out[max(0, len(out)-tellMost):], " | ")
}

// stubborn is how much longer than its grace a launcher may take to end a job.
const stubborn = 10 * time.Second

// Cancel implements driver.Runner. The launcher ends the job, by TERM first; Livy ends what has no launcher yet, or one
// that does not. It is called again until the job has ended.
func (c *conn) Cancel(ctx context.Context, h driver.Handle) error {
	ref, err := refOf(h)
	if err != nil {
		return err
	}
	j, err := c.look(ctx, ref)
	if err != nil || !j.There || j.End != nil {
		return err
	}
	b, err := c.batch(ctx, ref)
	switch {
	case missing(err):
		return nil
	case err != nil:
		return err
	case b.ended():
		return nil
	}
	if j.Asked.IsZero() {
		if err := c.ours.AskToEnd(ctx, ref.Job); err != nil {
			return err
		}
		j.Asked = time.Now()
	}
	patience := time.Duration(ref.Grace*float64(time.Second)) + stubborn
	if j.Began.IsZero() || time.Since(j.Asked) > patience {
		return c.drop(ctx, b.ID)
	}
	return nil
}

// Release implements driver.Runner.
func (c *conn) Release(ctx context.Context, h driver.Handle) error {
	ref, err := refOf(h)
	if err != nil {
		return err
	}
	if c.ours == nil {
		return folderNone()
	}
	b, err := c.batch(ctx, ref)
	if err == nil {
		err = c.drop(ctx, b.ID)
	}
	if err != nil && !missing(err) {
		return err
	}
	return c.ours.Store.Remove(ctx, launchx.JobFolder(ref.Job))
}
