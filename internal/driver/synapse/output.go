package synapse

import (
	"context"
	"io"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// ReadLog implements driver.LogReader. A script's log grows while it runs, by pieces that the launcher writes. Of what
// has no launcher, or one that could not write, there is what Livy kept when it has ended: 200 lines by default,
// Spark's own among them.
func (c *conn) ReadLog(ctx context.Context, h driver.Handle, offset int64) (io.ReadCloser, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	j, err := c.look(ctx, ref)
	if err != nil {
		return nil, err
	}
	if !j.Began.IsZero() {
		return c.ours.ReadLog(ctx, ref.Job, offset)
	}
	log, err := c.keptLog(ctx, ref)
	return io.NopCloser(strings.NewReader(log[min(int(offset), len(log)):])), err
}

func (c *conn) keptLog(ctx context.Context, ref handle) (string, error) {
	b, err := c.batch(ctx, ref)
	if missing(err) || err == nil && !b.ended() {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	lines, err := c.said(ctx, batchPath(b.ID))
	if missing(err) || len(lines) == 0 {
		return "", nil
	}
	return strings.Join(lines, "\n") + "\n", err
}

// ListOutputs implements driver.Outputs: those of a script, where the pool writes our folder.
func (c *conn) ListOutputs(ctx context.Context, h driver.Handle) ([]driver.File, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	if c.ours == nil {
		return nil, folderNone()
	}
	return c.ours.ListOutputs(ctx, ref.Job)
}

// OpenOutput implements driver.Outputs.
func (c *conn) OpenOutput(ctx context.Context, h driver.Handle, name string, offset int64) (io.ReadCloser, error) {
	ref, err := refOf(h)
	if err != nil {
		return nil, err
	}
	if c.ours == nil {
		return nil, folderNone()
	}
	return c.ours.OpenOutput(ctx, ref.Job, name, offset)
}

// Clean implements driver.Cleaner: it ends our sessions and the batches whose jobs are in our folder, and removes that.
func (c *conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	items, err := c.cleanSessions(ctx, dryRun)
	if err != nil || c.ours == nil {
		return items, err // without a folder no batch was ever started
	}
	jobs, err := c.cleanJobs(ctx, dryRun)
	return append(items, jobs...), err
}

func (c *conn) cleanJobs(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	jobs, err := c.ours.Listed(ctx, "jobs")
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, e := range jobs {
		ours[e.Name] = true
	}
	items, err := c.cleanBatches(ctx, ours, dryRun)
	if err != nil {
		return items, err
	}
	top, err := c.ours.Listed(ctx, "")
	if err != nil || len(top) == 0 {
		return items, err
	}
	folder := driver.Item{Type: "folder", Name: c.folder + "/" + c.id}
	if !dryRun {
		err = c.ours.Store.Remove(ctx, "")
		folder.Removed = err == nil
		c.ours.Forget()
	}
	return append(items, folder), err
}

func (c *conn) cleanBatches(ctx context.Context, ours map[string]bool, dryRun bool) (items []driver.Item, err error) {
	if len(ours) == 0 {
		return nil, nil
	}
	var found []batch
	if err := c.batches(ctx, func(b batch) bool {
		if ours[b.Name] {
			found = append(found, b)
		}
		return true
	}); err != nil {
		return nil, err
	}
	for _, b := range found {
		if !dryRun && err == nil {
			err = c.drop(ctx, b.ID)
		}
		items = append(items, driver.Item{Type: "batch", Name: b.Name, Removed: !dryRun && err == nil})
	}
	return items, err
}
