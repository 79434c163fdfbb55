package kubernetes

import (
	"context"
	"io"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// living returns the agent that has the files of a run's node, and its handle; nil: the pod has ended, or there is none
// yet.
func (c *conn) living(ctx context.Context, h driver.Handle, node int) (*podAgent, driver.Handle, error) {
	v, err := read(h)
	if err != nil {
		return nil, h, err
	}
	own, err := handleFor(v.Job)
	if err != nil {
		return nil, h, err
	}
	if a := c.knownNode(v.Job, node); a != nil {
		if st, err := a.Poll(ctx, own); err == nil && st.Reason != "NoRecord" {
			return a, own, nil
		}
	}
	j, err := c.get(ctx, jobsResource, v.Job)
	if err != nil || j == nil || string(j.GetUID()) != v.UID {
		return nil, own, err
	}
	pods, err := c.podsOf(ctx, j)
	if err != nil || node >= len(pods) || pods[node] == nil || !pods[node].runs() {
		return nil, own, err
	}
	return c.agent(v.Job, *pods[node]), own, nil
}

// ReadLog implements driver.LogReader: the stream ends when the log is complete. Of a pod that has ended there is no
// more than what was read before.
func (c *conn) ReadLog(ctx context.Context, h driver.Handle, offset int64) (io.ReadCloser, error) {
	a, own, err := c.living(ctx, h, 0)
	if err != nil || a == nil {
		return io.NopCloser(strings.NewReader("")), err
	}
	r, err := a.ReadLog(ctx, own, offset)
	if fault.CodeOf(err) == fault.NotFound { // the agent has not been given it
		return io.NopCloser(strings.NewReader("")), nil
	}
	return r, err
}

// ListOutputs implements driver.Outputs.
func (c *conn) ListOutputs(ctx context.Context, h driver.Handle) ([]driver.File, error) {
	if v, _ := read(h); v.Nodes > 1 {
		return c.listNodes(ctx, h, v.Nodes)
	}
	a, own, err := c.living(ctx, h, 0)
	if err != nil || a == nil {
		return nil, err
	}
	return a.ListOutputs(ctx, own)
}

// OpenOutput implements driver.Outputs.
func (c *conn) OpenOutput(ctx context.Context, h driver.Handle, name string, offset int64) (io.ReadCloser, error) {
	if v, _ := read(h); v.Nodes > 1 {
		return c.openNode(ctx, h, name, offset, v.Nodes)
	}
	a, own, err := c.living(ctx, h, 0)
	if err != nil || a == nil {
		return nil, missingOutput(name, err)
	}
	return a.OpenOutput(ctx, own, name, offset)
}

// missingOutput is err, or that there is no pod any more whose files could be read.
func missingOutput(name string, err error) error {
	if err != nil {
		return err
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: "OutputNotFound", What: "the output " + name + " cannot be read", Why: "the run's pod has ended, and its files with it", Fix: "have the run write to a volume or a datastore",
	}
}
