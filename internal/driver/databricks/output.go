package databricks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
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
	list, err := listed(ctx, c.files, path.Join(jobFolder(ref.Job), logFolder))
	if err != nil {
		return nil, err
	}
	return &pieces{ctx: ctx, files: c.files, folder: path.Join(jobFolder(ref.Job), logFolder), left: list, at: offset}, nil
}

const logFolder = "log"

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

// pieces reads a log that lies in files named by the offsets at which they begin.
type pieces struct {
	ctx    context.Context
	files  store
	folder string
	left   []entry
	at     int64 // the next byte
	now    io.ReadCloser
}

func (p *pieces) Read(b []byte) (int, error) {
	for {
		if p.now == nil {
			if err := p.next(); err != nil {
				return 0, err
			}
		}
		n, err := p.now.Read(b)
		p.at += int64(n)
		if errors.Is(err, io.EOF) { // of this piece
			err = nil
			if n == 0 {
				err = p.skip()
			}
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (p *pieces) skip() error {
	now := p.now
	p.now = nil
	return now.Close()
}

// next opens the piece that has the next byte. Where one is not whole yet, what follows is left for later.
func (p *pieces) next() error {
	for len(p.left) > 0 {
		e := p.left[0]
		begin, err := strconv.ParseInt(e.name, 10, 64)
		if err == nil && begin > p.at {
			return io.EOF
		}
		p.left = p.left[1:]
		if err != nil || begin+e.size <= p.at {
			continue
		}
		p.now, err = p.files.read(p.ctx, path.Join(p.folder, e.name), p.at-begin)
		return err
	}
	return io.EOF
}

func (p *pieces) Close() error {
	if p.now != nil {
		return p.now.Close()
	}
	return nil
}

// ends returns what the launcher wrote last of a job; nothing of one that it did not see to its end.
func (c *conn) ends(ctx context.Context, h driver.Handle) (ref handle, e end, err error) {
	if ref, err = refOf(h); err != nil {
		return ref, e, err
	}
	err = readJSON(ctx, c.files, path.Join(jobFolder(ref.Job), endName), &e)
	if missing(err) {
		err = nil
	}
	return ref, e, err
}

// ListOutputs implements driver.Outputs: a script's that ended by itself. Of notebooks, JARs and what was
// cancelled there are none.
func (c *conn) ListOutputs(ctx context.Context, h driver.Handle) ([]driver.File, error) {
	_, e, err := c.ends(ctx, h)
	var list []driver.File
	for _, o := range e.Outputs {
		list = append(list, driver.File{Path: o.Path, Mode: o.Mode, Size: o.Size})
	}
	slices.SortFunc(list, func(a, b driver.File) int { return strings.Compare(a.Path, b.Path) })
	return list, err
}

// OpenOutput implements driver.Outputs.
func (c *conn) OpenOutput(ctx context.Context, h driver.Handle, name string, offset int64) (io.ReadCloser, error) {
	ref, e, err := c.ends(ctx, h)
	if err != nil {
		return nil, err
	}
	for _, o := range e.Outputs {
		if o.Path == name && path.Base(o.File) == o.File {
			if offset >= o.Size {
				return io.NopCloser(strings.NewReader("")), nil
			}
			return c.files.read(ctx, path.Join(jobFolder(ref.Job), "out", o.File), offset)
		}
	}
	return nil, &fault.Error{
		Code: fault.NotFound, Reason: "OutputUnknown", What: "there is no such output", Why: fmt.Sprintf("the job left no file %q", name),
		Fix: "see what there is; run: zaffre run show RUN",
	}
}
