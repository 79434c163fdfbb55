package databricks

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// launcher runs a job on the cluster: see launch.py.
//
//go:embed launch.py
var launcher []byte

// launcherName changes with its text, so that a server of another version does not use it.
func launcherName() string {
	sum := sha256.Sum256(launcher)
	return "launch/" + hex.EncodeToString(sum[:8]) + ".py"
}

// spec is what the launcher does.
type spec struct {
	Command []string          `json:"command"`
	Dir     string            `json:"dir"`
	Env     map[string]string `json:"env"`
	Files   []carriedFile     `json:"files"`
}

func jobFolder(job string) string { return "jobs/" + job }

const specName = "spec.json"

// Start implements driver.Runner. That it starts once stands on the run's token, which is the job's ID: the
// workspace gives the run that it has, to whoever submits the same token again.
func (c *conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	task, err := c.task(ctx, job)
	if err != nil {
		return driver.Handle{}, err
	}
	if err := c.fence(ctx, job); err != nil {
		return driver.Handle{}, err
	}
	if err := c.prepare(ctx, job, task); err != nil {
		return driver.Handle{}, err
	}
	body := map[string]any{
		"run_name": c.runName(job.ID), "idempotency_token": job.ID, "tasks": []any{task.body},
	}
	if job.Timeout > 0 {
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

// fence refuses an attempt when a later one was started. Each leaves its mark before it looks.
func (c *conn) fence(ctx context.Context, job driver.Job) error {
	folder := "runs/" + job.Run
	if err := putBytes(ctx, c.files, folder+"/"+strconv.Itoa(job.Attempt), []byte(job.ID)); err != nil {
		return err
	}
	list, err := c.files.list(ctx, folder)
	if err != nil {
		return err
	}
	for _, e := range list {
		if n, err := strconv.Atoi(e.name); err == nil && n > job.Attempt {
			return &fault.Error{
				Code: fault.Precondition, Reason: "Fenced", What: "the job is not started", Why: "a later attempt of the run has started",
				Fix: "nothing: the later attempt goes on",
			}
		}
	}
	return nil
}

// prepare writes what the job needs. Notebooks and JARs bring their own code.
func (c *conn) prepare(ctx context.Context, job driver.Job, t task) error {
	s := spec{Command: job.Command, Dir: job.Dir, Env: job.Env}
	if t.kind == taskPython {
		var err error
		if s.Files, err = c.carry(ctx, job.Files); err != nil {
			return err
		}
		if err := c.carryLauncher(ctx); err != nil {
			return err
		}
	} else {
		s = spec{} // its presence says that the job is ours
	}
	return putJSON(ctx, c.files, path.Join(jobFolder(job.ID), specName), s)
}

func (c *conn) carryLauncher(ctx context.Context) error {
	c.mu.Lock()
	there := c.carried
	c.mu.Unlock()
	if there {
		return nil
	}
	if err := putBytes(ctx, c.files, launcherName(), launcher); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.carried = true
	return nil
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

// checkVariables refuses names and values that no process can have. The fault does not say the value.
func checkVariables(env map[string]string) error {
	for _, k := range sortedKeys(env) {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.Contains(env[k], "\x00") {
			return &fault.Error{
				Code: fault.Invalid, Reason: "VariableInvalid", What: "the job is not started", Why: fmt.Sprintf("%q cannot be the name or hold the value of a variable", k),
				Fix: "correct it; run: zaffre run submit --help", Field: "variables",
			}
		}
	}
	return nil
}
