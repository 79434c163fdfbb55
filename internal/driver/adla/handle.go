package adla

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql/job"
)

// handle is what a Handle holds; the agent's has its first field alone.
type handle struct {
	Job     string    `json:"job"`
	Leaves  []string  `json:"leaves,omitzero"`  // files and folders that are to be gone when the job is
	Refused *refused  `json:"refused,omitzero"` // the job never was
	At      time.Time `json:"at,omitzero"`      // when it was refused
}

const handleVersion = 1

func (h handle) pack(err error) (driver.Handle, error) {
	if err != nil {
		return driver.Handle{}, err
	}
	if h.Refused != nil {
		h.At = time.Now().UTC()
	}
	b, err := json.Marshal(h)
	return driver.Handle{Version: handleVersion, Data: b}, err
}

// unpack reads a handle; one that cannot be read is the agent's to refuse.
func unpack(h driver.Handle) (v handle) {
	if h.Version == handleVersion {
		_ = json.Unmarshal(h.Data, &v)
	}
	return v
}

// Poll implements driver.Runner. A script that failed says itself why.
func (c *conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	if v := unpack(h); v.Refused != nil {
		return driver.JobStatus{State: driver.JobFailed, Reason: "USQLInvalid", Message: v.Refused.Message, ExitCode: 1, Started: v.At, Ended: v.At}, nil
	}
	st, err := c.jobs.Poll(ctx, h)
	if err != nil || st.State != driver.JobFailed || st.Reason != "ExitCode" {
		return st, err
	}
	r, err := c.jobs.OpenOutput(ctx, h, job.FaultFile, 0)
	if fault.CodeOf(err) == fault.NotFound {
		return st, nil // the program itself failed
	}
	if err != nil {
		return driver.JobStatus{}, err
	}
	defer r.Close()
	if end, err := job.ReadEnd(r); err == nil && end.Reason != "" {
		st.Reason, st.Message = end.Reason, end.Message
	}
	return st, nil
}

// Cancel implements driver.Runner.
func (c *conn) Cancel(ctx context.Context, h driver.Handle) error {
	if unpack(h).Refused != nil {
		return nil
	}
	return c.jobs.Cancel(ctx, h)
}

// Release implements driver.Runner. What a script that was killed left beside its outputs goes too; where the store
// does not let it go, it stays: the run's end does not wait for that.
func (c *conn) Release(ctx context.Context, h driver.Handle) error {
	v := unpack(h)
	if v.Refused != nil {
		return nil
	}
	if err := c.jobs.Release(ctx, h); err != nil || len(v.Leaves) == 0 {
		return err
	}
	_, err := c.place.Host.Exec(ctx, append([]string{"rm", "-rf", "--"}, v.Leaves...), driver.Stdio{})
	return err
}

// ReadLog implements driver.LogReader.
func (c *conn) ReadLog(ctx context.Context, h driver.Handle, offset int64) (io.ReadCloser, error) {
	if r := unpack(h).Refused; r != nil {
		return io.NopCloser(bytes.NewReader([]byte(r.Log)[min(offset, int64(len(r.Log))):])), nil
	}
	return c.jobs.ReadLog(ctx, h, offset)
}

// ListOutputs implements driver.Outputs. What scripts write is in the store; logs/usql-fault.json says why one failed.
func (c *conn) ListOutputs(ctx context.Context, h driver.Handle) ([]driver.File, error) {
	if unpack(h).Refused != nil {
		return nil, nil
	}
	return c.jobs.ListOutputs(ctx, h)
}
