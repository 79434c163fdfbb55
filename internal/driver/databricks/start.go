package databricks

import (
	"context"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Start implements driver.Runner. That it starts once stands on the run's token, which is the job's ID: the
// workspace gives the run that it has, to whoever submits the same token again.
func (c *conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	task, err := c.task(ctx, job)
	if err != nil {
		return driver.Handle{}, err
	}
	if err := c.ours.Fence(ctx, job); err != nil {
		return driver.Handle{}, err
	}
	if err := c.prepare(ctx, job, task); err != nil {
		return driver.Handle{}, err
	}
	body := map[string]any{
		"run_name": c.runName(job.ID), "idempotency_token": job.ID, "tasks": []any{task.body},
	}
	if job.Timeout > 0 && task.kind != taskPython { // the launcher counts better
		body["timeout_seconds"] = int64((job.Timeout + time.Second - 1) / time.Second)
	}
	var out struct {
		Run int64 `json:"run_id"`
	}
	if err := c.post(ctx, runsSubmit, body, &out); err != nil {
		return driver.Handle{}, c.submitFault(err)
	}
	return handleOf(handle{Run: out.Run, Job: job.ID, Task: task.kind})
}

// runName tells our runs from those of others, and those of one target from another's.
func (c *conn) runName(job string) string { return "zaffre/" + c.id + "/" + job }

// prepare writes what the job needs. Notebooks and JARs bring their own code.
func (c *conn) prepare(ctx context.Context, job driver.Job, t task) error {
	if t.kind == taskPython {
		return c.ours.Prepare(ctx, job)
	}
	return c.ours.Claim(ctx, job)
}

// submitFault names what most often is wrong with a run that is refused.
func (c *conn) submitFault(err error) error {
	f := fault.From(err)
	said := strings.ToLower(strings.Join(f.Evidence, " "))
	switch {
	case strings.Contains(said, "cluster") && strings.Contains(said, "does not exist"):
		return clusterUnknown(f.Evidence)
	case f.Reason == "RequestRefused" && strings.Contains(said, "idempotency"):
		return &fault.Error{
			Code: fault.Precondition, Reason: "RunDeleted", What: "the job is not started", Why: "its run was deleted in the workspace",
			Fix: "submit the run again; run: zaffre run submit --help", Evidence: f.Evidence,
		}
	}
	return err
}

func clusterUnknown(words []string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ClusterUnknown", What: "the cluster cannot be used", Why: "the workspace has none of this ID",
		Fix: "take the ID from the cluster's page, under Configuration, Tags; run: zaffre run submit --option cluster=ID …", Evidence: words,
	}
}
