package slurm

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// How often Slurm is asked whether something changed: it tells nobody by itself. Runs whose nodes reach the login node say
// themselves that they began and ended.
const (
	watchBusy = 2 * time.Second
	watchIdle = 15 * time.Second
)

// Watch implements driver.Watcher.
func (c *Conn) Watch(ctx context.Context, changed func(jobID string)) error {
	ctx, stop := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() { _ = c.jobs.Watch(ctx, changed) }) // where it ends, what is asked of Slurm is enough
	defer listening.Wait()
	defer stop()
	before := map[string]records{}
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
func tell(before, now map[string]records, changed func(jobID string)) {
	for name, l := range now {
		if !slices.Equal(before[name], l) {
			changed(name)
		}
	}
	for name := range before {
		if _, there := now[name]; !there {
			changed(name)
		}
	}
}
