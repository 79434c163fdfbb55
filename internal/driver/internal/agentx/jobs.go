package agentx

import (
	"context"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Conn has every capability that the agent gives. A kind embeds it and adds Observe.
type Conn struct {
	*Session
	Interpreters []string // more folders or paths to look for Pythons
	Elsewhere    bool     // a scheduler starts the jobs, on machines that share the agent's folder: Start only lays them down
}

const handleVersion = 1

// handle is what a Handle of version 1 holds.
type handle struct {
	Job string `json:"job"`
}

// HandleOf returns the handle of a job that an agent has.
func HandleOf(job string) (driver.Handle, error) {
	b, err := json.Marshal(handle{Job: job})
	return driver.Handle{Version: handleVersion, Data: b}, err
}

func refOf(h driver.Handle) (wire.JobRef, error) {
	var v handle
	err := json.Unmarshal(h.Data, &v)
	if err != nil || h.Version != handleVersion || v.Job == "" {
		return wire.JobRef{}, &fault.Error{
			Code: fault.Invalid, Reason: "HandleUnknown", What: "the job cannot be found on its target",
			Why: "its handle has version " + strconv.Itoa(h.Version) + ", which this server cannot read",
			Fix: "run the server that wrote it, or a newer one", Err: err,
		}
	}
	return wire.JobRef{Job: v.Job}, nil
}

// Start implements driver.Runner. Files that a call sent before it failed need not be sent again.
func (c *Conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	return c.StartArray(ctx, job, "")
}

// StartArray is Start of a job that runs elsewhere as many tasks, whose indexes are given as wire.Indexes; "": it has none.
func (c *Conn) StartArray(ctx context.Context, job driver.Job, tasks string) (driver.Handle, error) {
	if err := CheckText(job); err != nil {
		return driver.Handle{}, err
	}
	code, err := codeOf(ctx, job.Files)
	if err != nil {
		return driver.Handle{}, err
	}
	j := jobOf(job)
	j.Manifest = code.hash
	j.Elsewhere, j.Array = c.Elsewhere, tasks
	_, err = call[wire.Empty](ctx, c.Session, wire.OpStart, j)
	if fault.ReasonOf(err) == "FilesMissing" {
		if err = c.send(ctx, code); err == nil {
			_, err = call[wire.Empty](ctx, c.Session, wire.OpStart, j)
		}
	}
	if err != nil {
		return driver.Handle{}, err
	}
	return HandleOf(job.ID)
}

func jobOf(job driver.Job) wire.Job {
	j := wire.Job{
		ID: job.ID, Run: job.Run, Attempt: job.Attempt, Command: job.Command, Dir: job.Dir, Env: job.Env,
		Prefix: job.Runtime.Prefix, Python: job.Runtime.Python, Image: job.Runtime.Image,
		Memory: job.Memory, Timeout: job.Timeout, Grace: job.Grace, Token: job.Token,
	}
	for _, s := range job.Slots {
		j.GPUs = append(j.GPUs, s.GPUs...)
	}
	return j
}

// CheckText refuses what a process cannot be given, or the channel would change.
func CheckText(job driver.Job) error {
	bad := func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }
	for i, w := range job.Command {
		if bad(w) {
			return textFault("word " + strconv.Itoa(i+1) + " of the command")
		}
	}
	for k, v := range job.Env {
		if bad(k) || k == "" || strings.Contains(k, "=") {
			return textFault("the name " + strconv.Quote(k) + " of a variable")
		}
		if bad(v) {
			return textFault("the variable " + strconv.Quote(k))
		}
	}
	return nil
}

func textFault(which string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "TextInvalid", What: "the job cannot be started",
		Why: which + " is not valid text for a process: UTF-8 without zero bytes, and names without =",
		Fix: "correct it and submit the run again",
	}
}

// Poll implements driver.Runner.
func (c *Conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	ref, err := refOf(h)
	if err != nil {
		return driver.JobStatus{}, err
	}
	st, err := call[wire.Status](ctx, c.Session, wire.OpPoll, ref)
	return statusOf(st), err
}

// statusOf translates what the agent says of a job.
func statusOf(st wire.Status) driver.JobStatus {
	return driver.JobStatus{
		State: driver.JobState(st.State), ExitCode: st.ExitCode, Signal: st.Signal, Reason: st.Reason,
		Message: st.Message, Started: st.Started, Ended: st.Ended,
	}
}

// Leaving is the Reason of a run that failed while its machine was being ended: see wire.Leaving.
const Leaving = wire.Leaving

// Ended reads what a job's supervisor wrote of its end (exit.json), where a kind has that by another way.
func Ended(text []byte) (st driver.JobStatus, ok bool) {
	var w wire.Status
	if json.Unmarshal(text, &w) != nil {
		return st, false
	}
	st = statusOf(w)
	return st, st.State.Final()
}

// Cancel implements driver.Runner.
func (c *Conn) Cancel(ctx context.Context, h driver.Handle) error {
	return c.order(ctx, wire.OpCancel, h)
}

// Release implements driver.Runner. A job that has not ended is fault.Precondition, Reason
// "JobActive".
func (c *Conn) Release(ctx context.Context, h driver.Handle) error {
	return c.order(ctx, wire.OpRelease, h)
}

// Sent fails with fault.Unavailable, Reason "WritesWaiting", while something that an ended job has logged is still on
// its way to the server. Release asks that itself; this is for kinds that end the place of the job instead.
func (c *Conn) Sent(ctx context.Context, h driver.Handle) error {
	err := c.order(ctx, wire.OpSent, h)
	if fault.ReasonOf(err) == "AgentTooOld" {
		return nil // it keeps nothing
	}
	return err
}

func (c *Conn) order(ctx context.Context, op string, h driver.Handle) error {
	ref, err := refOf(h)
	if err == nil {
		_, err = call[wire.Empty](ctx, c.Session, op, ref)
	}
	return err
}

// watchPause is between two agents that died.
const watchPause = time.Second

// Watch implements driver.Watcher. It goes on with the next agent where one dies, and starts none where it was ended
// on purpose.
func (c *Conn) Watch(ctx context.Context, changed func(jobID string)) error {
	for {
		err := c.watch(ctx, changed)
		if ctx.Err() != nil {
			return nil
		}
		if !fault.Retryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchPause):
		}
	}
}

func (c *Conn) watch(ctx context.Context, changed func(jobID string)) error {
	st, err := c.converseBy(ctx, c.listen, wire.OpWatch, wire.Empty{})
	if err != nil {
		return err
	}
	defer st.Close()
	for {
		var ch wire.Changed
		if err := st.Recv(&ch); err != nil {
			return asFault(ctx, err)
		}
		changed(ch.Job)
	}
}

// ReadLog implements driver.LogReader: the stream ends when the log is complete. A Read fails with
// fault.Unavailable where the agent dies before that.
func (c *Conn) ReadLog(ctx context.Context, h driver.Handle, offset int64) (io.ReadCloser, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	ref.Offset = offset
	return c.body(ctx, wire.OpLog, ref)
}

// ListOutputs implements driver.Outputs. A name that is not valid UTF-8 has \xHH for a bad byte.
func (c *Conn) ListOutputs(ctx context.Context, h driver.Handle) ([]driver.File, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	files, err := call[[]wire.File](ctx, c.Session, wire.OpOutputs, ref)
	list := make([]driver.File, len(files))
	for i, f := range files {
		list[i] = driver.File(f)
	}
	return list, err
}

// OpenOutput implements driver.Outputs.
func (c *Conn) OpenOutput(ctx context.Context, h driver.Handle, name string, offset int64) (io.ReadCloser, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	ref.Name, ref.Offset = name, offset
	return c.body(ctx, wire.OpOutput, ref)
}

// body opens a conversation that goes on with bytes.
func (c *Conn) body(ctx context.Context, op string, in any) (io.ReadCloser, error) {
	st, err := c.converse(ctx, op, in)
	if err != nil {
		return nil, err
	}
	return body{st}, nil
}

// body is the bytes of a conversation, with faults for errors.
type body struct{ *stream }

func (b body) Read(p []byte) (int, error) {
	n, err := b.stream.Read(p)
	if err != nil && err != io.EOF {
		err = asFault(b.ctx, err)
	}
	return n, err
}

// Clean implements driver.Cleaner.
func (c *Conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	items, err := call[[]wire.Item](ctx, c.Session, wire.OpClean, wire.Clean{DryRun: dryRun})
	list := make([]driver.Item, len(items))
	for i, it := range items {
		list[i] = driver.Item{Type: it.Type, Name: it.Name, Bytes: it.Bytes, Removed: it.Removed, End: it.End, GPUs: it.GPUs, Memory: it.Memory}
	}
	return list, err
}
