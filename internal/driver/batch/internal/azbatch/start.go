package azbatch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const handleVersion = 100 // those of Slurm's handles are lower

// handle is what a Handle of version 100 holds.
type handle struct {
	Job   string  `json:"job"`   // of Batch
	Task  string  `json:"task"`  // the job's ID
	Grace float64 `json:"grace"` // seconds
	Limit float64 `json:"limit"` // seconds after which Batch ends the task; 0: it does not
}

// refOf reads a handle, for what needs the container too.
func (c *Conn) refOf(h driver.Handle) (handle, error) {
	var v handle
	if c.ours == nil {
		return v, containerNone()
	}
	err := json.Unmarshal(h.Data, &v)
	if err != nil || h.Version != handleVersion || v.Job == "" || v.Task == "" {
		return v, &fault.Error{
			Code: fault.Invalid, Reason: "HandleUnknown", What: "the job cannot be found on its target",
			Why: "its handle has version " + strconv.Itoa(h.Version) + ", which this server cannot read",
			Fix: "run the server that wrote it, or a newer one", Err: err,
		}
	}
	return v, nil
}

// grace is a job's that says none.
const grace = 10 * time.Second

// Start implements driver.Runner. That it starts once stands on the task's ID, which is the job's ID. Which job of
// Batch has the task is written down first: the target may have another pool when it is asked again.
func (c *Conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	o, err := c.plan(job)
	if err != nil {
		return driver.Handle{}, err
	}
	job = job.WithoutServer() // nodes do not reach it
	if err := c.ours.Fence(ctx, job); err != nil {
		return driver.Handle{}, err
	}
	if job.Grace <= 0 {
		job.Grace = grace
	}
	ref := handle{Task: job.ID, Grace: job.Grace.Seconds()}
	if o.limit > 0 { // the launcher ends it at its limit, with its outputs; Batch where it does not
		job.Timeout = min(cmp.Or(job.Timeout, o.limit), o.limit)
		o.limit += job.Grace + stubborn
		ref.Limit = o.limit.Seconds()
	}
	if err := c.ours.ReadJSON(ctx, intentName(job.ID), &ref.Job); missing(err) {
		ref.Job, err = c.jobOf(o), c.checkPool(ctx, o.pool)
		if err == nil {
			err = c.ours.PutJSON(ctx, intentName(job.ID), ref.Job)
		}
		if err != nil {
			return driver.Handle{}, err
		}
	} else if err != nil {
		return driver.Handle{}, err
	}
	if err := c.ours.Prepare(ctx, job); err != nil {
		return driver.Handle{}, err
	}
	if err := c.submit(ctx, ref.Job, o, c.taskBody(job.ID, o)); err != nil {
		return driver.Handle{}, err
	}
	c.wake()
	b, err := json.Marshal(ref)
	return driver.Handle{Version: handleVersion, Data: b}, err
}

// intentName is where the name of the job of Batch is kept that has a task.
func intentName(job string) string { return path.Join(launchx.JobFolder(job), "batch") }

// jobPrefix begins the names of our jobs in the account.
func (c *Conn) jobPrefix() string { return "zaffre-" + c.id + "-" }

// jobOf is the job that has the tasks of a pool and a priority.
func (c *Conn) jobOf(o options) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", o.pool, o.priority))
	return c.jobPrefix() + hex.EncodeToString(sum[:8])
}

// checkPool asks for the pool: tasks of one that is not there would wait for ever.
func (c *Conn) checkPool(ctx context.Context, pool string) error {
	_, err := c.askPool(ctx, pool)
	return err
}

// submit adds the task, and the job first where there is none. What is there already is not added again.
func (c *Conn) submit(ctx context.Context, job string, o options, body map[string]any) error {
	err := c.addTask(ctx, job, body)
	if !is(err, "JobNotFound") {
		return err
	}
	err = c.ask(ctx, http.MethodPost, "/jobs", map[string]any{
		"id": job, "priority": o.priority, "poolInfo": map[string]any{"poolId": o.pool}, "onAllTasksComplete": "noaction",
	}, nil)
	if err != nil && !is(err, "JobExists") {
		return err
	}
	return c.addTask(ctx, job, body)
}

func (c *Conn) addTask(ctx context.Context, job string, body map[string]any) error {
	err := c.ask(ctx, http.MethodPost, jobPath(job)+"/tasks", body, nil)
	switch {
	case is(err, "TaskExists"):
		return nil
	case is(err, "JobCompleted"), is(err, "JobNotActive"):
		return &fault.Error{
			Code: fault.Precondition, Reason: "JobEnded", What: "the job is not started", Why: "somebody ended the job of the target in the account",
			Fix: "have it deleted, and submit the run again; run: az batch job delete --job-id " + job, Evidence: fault.From(err).Evidence,
		}
	}
	return err
}

// taskBody is the task of a job: it starts the launcher, which finds what to do in the container. Temporary files go
// where the task's own are: that disk is larger, and cleaned when the task is.
func (c *Conn) taskBody(job string, o options) map[string]any {
	constraints := map[string]any{"maxTaskRetryCount": 0}
	if o.limit > 0 {
		constraints["maxWallClockTime"] = iso(o.limit)
	}
	if o.retention > 0 {
		constraints["retentionTime"] = iso(o.retention)
	}
	return map[string]any{
		"id":            job,
		"commandLine":   `/bin/sh -c 'TMPDIR=$AZ_BATCH_TASK_WORKING_DIR exec python3 zaffre.py'`,
		"resourceFiles": []any{map[string]any{"httpUrl": c.blobs.urlOf(launchx.Launcher()), "filePath": "zaffre.py"}},
		"environmentSettings": []any{map[string]any{
			"name": launchx.Variable, "value": c.blobs.urlOf(launchx.JobFolder(job)),
		}},
		"constraints": constraints,
	}
}

// iso is a duration as Batch reads it.
func iso(d time.Duration) string { return fmt.Sprintf("PT%dS", int64((d+time.Second-1)/time.Second)) }
