package azbatch

import (
	"cmp"
	"context"
	"io"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func envName(digest string) string { return "envs/" + digest + ".json" }

// Build implements driver.EnvBuilder. Nothing is built: a run has an interpreter that the pool's nodes have. Everything
// else is fault.Invalid, Reason "EnvironmentUnsupported".
func (c *Conn) Build(ctx context.Context, digest string, d driver.Definition) error {
	if !d.UserManaged {
		return &fault.Error{
			Code: fault.Invalid, Reason: "EnvironmentUnsupported", What: "the environment cannot be used on Azure Batch",
			Why: "nothing is installed on the nodes of a pool: a run has what they have", Fix: "have the pool's start task or image install it, and leave the environment out, or name the nodes' interpreter: user-managed",
		}
	}
	if c.ours == nil {
		return containerNone()
	}
	return c.ours.PutJSON(ctx, envName(digest), cmp.Or(d.Interpreter, "python3"))
}

// BuildStatus implements driver.EnvBuilder. Whether the nodes have the interpreter only a run shows.
func (c *Conn) BuildStatus(ctx context.Context, digest string) (driver.BuildStatus, error) {
	if c.ours == nil {
		return driver.BuildStatus{}, containerNone()
	}
	var python string
	err := c.ours.ReadJSON(ctx, envName(digest), &python)
	if missing(err) {
		return driver.BuildStatus{State: driver.BuildMissing}, nil
	}
	if err != nil {
		return driver.BuildStatus{}, err
	}
	return driver.BuildStatus{State: driver.BuildDone, Way: "host", Python: "of the nodes", Runtime: driver.Runtime{Python: python}}, nil
}

// BuildLog implements driver.EnvBuilder.
func (c *Conn) BuildLog(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
	if c.ours == nil {
		return nil, containerNone()
	}
	var python string
	if err := c.ours.ReadJSON(ctx, envName(digest), &python); err != nil {
		return nil, err
	}
	log := "runs use the nodes' own interpreter: " + python + "\n"
	return io.NopCloser(strings.NewReader(log[min(int(offset), len(log)):])), nil
}
