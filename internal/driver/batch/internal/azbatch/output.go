package azbatch

import (
	"context"
	"io"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// ReadLog implements driver.LogReader. It grows while the job runs, by pieces that the launcher writes to the container.
func (c *Conn) ReadLog(ctx context.Context, h driver.Handle, offset int64) (io.ReadCloser, error) {
	ref, err := c.refOf(h)
	if err != nil {
		return nil, err
	}
	return c.ours.ReadLog(ctx, ref.Task, offset)
}

// ListOutputs implements driver.Outputs.
func (c *Conn) ListOutputs(ctx context.Context, h driver.Handle) ([]driver.File, error) {
	ref, err := c.refOf(h)
	if err != nil {
		return nil, err
	}
	return c.ours.ListOutputs(ctx, ref.Task)
}

// OpenOutput implements driver.Outputs.
func (c *Conn) OpenOutput(ctx context.Context, h driver.Handle, name string, offset int64) (io.ReadCloser, error) {
	ref, err := c.refOf(h)
	if err != nil {
		return nil, err
	}
	return c.ours.OpenOutput(ctx, ref.Task, name, offset)
}
