package databricks

import (
	"context"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// runOutput is what the Jobs API keeps of a task's output: at most its last 5 MB.
type runOutput struct {
	Logs      string `json:"logs"`
	Truncated bool   `json:"logs_truncated"`
	Error     string `json:"error"`
	Trace     string `json:"error_trace"`
	Notebook  struct {
		Result string `json:"result"`
	} `json:"notebook_output"`
}

// output asks for a task's output: that of a whole run is refused.
func (c *conn) output(ctx context.Context, r runState) (runOutput, error) {
	var out runOutput
	return out, c.get(ctx, runsOutput, url.Values{"run_id": {strconv.FormatInt(r.task().ID, 10)}}, &out)
}

// ReadLog implements driver.LogReader. A script's log grows while it runs, by pieces that the launcher writes
// every second or more rarely; a notebook's or a JAR's is there when it has ended.
func (c *conn) ReadLog(ctx context.Context, h driver.Handle, offset int64) (io.ReadCloser, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	if ref.Task != taskPython {
		return c.keptLog(ctx, ref, offset)
	}
	return c.ours.ReadLog(ctx, ref.Job, offset)
}

// keptLog is what the Jobs API kept of a task that has ended.
func (c *conn) keptLog(ctx context.Context, ref handle, offset int64) (io.ReadCloser, error) {
	r, err := c.run(ctx, ref.Run)
	if missing(err) || err == nil && !r.ended() {
		return io.NopCloser(strings.NewReader("")), nil
	}
	if err != nil {
		return nil, err
	}
	out, err := c.output(ctx, r)
	if err != nil && fault.ReasonOf(err) != "RequestRefused" {
		return nil, err
	}
	log := out.Logs + out.Notebook.Result
	if out.Truncated {
		log = "(the workspace kept only the end of this log)\n" + log
	}
	for _, s := range []string{out.Error, out.Trace} {
		if s != "" {
			log = strings.TrimSuffix(log, "\n") + "\n" + s + "\n"
		}
	}
	return io.NopCloser(strings.NewReader(log[min(int(offset), len(log)):])), nil
}

// ListOutputs implements driver.Outputs: a script's that ended by itself. Of notebooks, JARs and what was
// cancelled there are none.
func (c *conn) ListOutputs(ctx context.Context, h driver.Handle) ([]driver.File, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	return c.ours.ListOutputs(ctx, ref.Job)
}

// OpenOutput implements driver.Outputs.
func (c *conn) OpenOutput(ctx context.Context, h driver.Handle, name string, offset int64) (io.ReadCloser, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	return c.ours.OpenOutput(ctx, ref.Job, name, offset)
}
