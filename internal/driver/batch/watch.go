package batch

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// How often Slurm is asked whether something changed: it tells nobody by itself.
const (
	watchBusy = 2 * time.Second
	watchIdle = 15 * time.Second
)

// Watch implements driver.Watcher.
func (c *conn) Watch(ctx context.Context, changed func(jobID string)) error {
	before := map[string]record{}
	for {
		all, err := c.slurm.queue(ctx)
		pause := watchIdle
		if err == nil {
			tell(before, all, changed)
			before = all
			if len(open(all)) > 0 {
				pause = watchBusy
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !fault.Retryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.slurm.seen.told:
		case <-time.After(pause):
		}
	}
}

// tell names the jobs of which Slurm says something else than before.
func tell(before, now map[string]record, changed func(jobID string)) {
	for name, r := range now {
		if before[name] != r {
			changed(name)
		}
	}
	for name := range before {
		if _, there := now[name]; !there {
			changed(name)
		}
	}
}
