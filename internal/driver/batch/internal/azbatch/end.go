package azbatch

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// stubborn is how much longer than its grace a launcher may take to end a job.
const stubborn = 10 * time.Second

// Cancel implements driver.Runner. The launcher ends the job, by TERM first; Batch ends what has no launcher yet, or one
// that does not. It is called again until the job has ended.
func (c *Conn) Cancel(ctx context.Context, h driver.Handle) error {
	ref, err := c.refOf(h)
	if err != nil {
		return err
	}
	j, err := c.ours.Look(ctx, ref.Task)
	if err != nil || j.End != nil {
		return err
	}
	var t task
	err = c.ask(ctx, http.MethodGet, taskPath(ref.Job, ref.Task), nil, &t)
	if missing(err) || err == nil && t.State == stateCompleted {
		return nil
	}
	if err == nil && j.There && j.Asked.IsZero() {
		err, j.Asked = c.ours.AskToEnd(ctx, ref.Task), time.Now()
	}
	if err != nil {
		return err
	}
	defer c.wake()
	patience := time.Duration(ref.Grace*float64(time.Second)) + stubborn
	if j.Began.IsZero() || time.Since(j.Asked) > patience {
		return c.terminate(ctx, ref)
	}
	return nil
}

func (c *Conn) terminate(ctx context.Context, ref handle) error {
	err := c.ask(ctx, http.MethodPost, taskPath(ref.Job, ref.Task)+"/terminate", nil, nil)
	if missing(err) || is(err, "TaskCompleted") {
		return nil
	}
	return err
}

// Release implements driver.Runner. The job of Batch stays for later runs.
func (c *Conn) Release(ctx context.Context, h driver.Handle) error {
	ref, err := c.refOf(h)
	if err != nil {
		return err
	}
	err = c.ask(ctx, http.MethodDelete, taskPath(ref.Job, ref.Task), nil, nil)
	if err != nil && !missing(err) {
		return err
	}
	return c.blobs.Remove(ctx, launchx.JobFolder(ref.Task))
}

// jobs returns our jobs in the account.
func (c *Conn) jobs(ctx context.Context) ([]string, error) {
	var names []string
	q := url.Values{"$filter": {"startswith(id,'" + c.jobPrefix() + "')"}, "$select": {"id,state"}}
	err := c.pages(ctx, "/jobs", q, func(raw json.RawMessage) error {
		var list []task
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		for _, j := range list { // another target's name may begin as ours does
			if rest, ok := strings.CutPrefix(j.ID, c.jobPrefix()); ok && !strings.Contains(rest, "-") {
				names = append(names, j.ID)
			}
		}
		return nil
	})
	return names, err
}

// Clean implements driver.Cleaner: it deletes our jobs, which ends their tasks, and our folder in the container.
func (c *Conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	names, err := c.jobs(ctx)
	var items []driver.Item
	for _, name := range names {
		items = append(items, driver.Item{Type: "batch-job", Name: name})
	}
	if err == nil && !dryRun {
		err = c.deleteJobs(ctx, names, items)
	}
	if err != nil || c.ours == nil {
		return items, err
	}
	top, err := c.ours.Listed(ctx, "")
	if err != nil || len(top) == 0 {
		return items, err
	}
	folder := driver.Item{Type: "folder", Name: c.blobs.name() + "/" + c.blobs.folder}
	if !dryRun {
		err = c.blobs.Remove(ctx, "")
		folder.Removed = err == nil
		c.ours.Forget()
	}
	return append(items, folder), err
}

// endWithin is how long Clean waits for the jobs that it deletes.
const (
	endWithin = 40 * time.Second
	endPoll   = 300 * time.Millisecond
)

// deleteJobs deletes jobs, and waits until they are gone: their tasks write into the folder that goes next.
func (c *Conn) deleteJobs(ctx context.Context, names []string, items []driver.Item) error {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	for _, name := range names {
		err := c.ask(ctx, http.MethodDelete, jobPath(name), nil, nil)
		if err != nil && !missing(err) && fault.ReasonOf(err) != "JobEnding" {
			return err
		}
	}
	for i, name := range names {
		if err := c.gone(ctx, name); err != nil {
			return err
		}
		items[i].Removed = true
	}
	return nil
}

// gone waits until a job that is being deleted is no more there.
func (c *Conn) gone(ctx context.Context, name string) error {
	tick := time.NewTicker(endPoll)
	defer tick.Stop()
	for {
		err := c.ask(ctx, http.MethodGet, jobPath(name), nil, nil)
		if missing(err) {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return &fault.Error{
				Code: fault.Unavailable, Reason: "JobStillThere", What: "the target cannot be cleaned yet", Why: "a job that was deleted is still there: " + name,
				Fix: "detach it again later; run: zaffre compute detach NAME",
			}
		}
	}
}
