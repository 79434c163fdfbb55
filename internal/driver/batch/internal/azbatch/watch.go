package azbatch

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// How often Batch is asked whether something changed: it tells nobody by itself.
const (
	watchBusy = 2 * time.Second
	watchIdle = 30 * time.Second
)

// wake has Watch look at once.
func (c *Conn) wake() {
	select {
	case c.told <- struct{}{}:
	default:
	}
}

// Watch implements driver.Watcher: one question for each of our jobs, however many tasks it has.
func (c *Conn) Watch(ctx context.Context, changed func(jobID string)) error {
	before := map[string]string{}
	for {
		now, err := c.states(ctx)
		pause := watchIdle
		if err == nil {
			pause = tell(before, now, changed)
			before = now
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
		case <-c.told:
		case <-time.After(pause):
		}
	}
}

// states are those of all our tasks, by their names.
func (c *Conn) states(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	jobs, err := c.jobs(ctx)
	for _, job := range jobs {
		if err != nil {
			break
		}
		err = c.pages(ctx, jobPath(job)+"/tasks", url.Values{"$select": {"id,state"}}, func(raw json.RawMessage) error {
			var list []task
			err := json.Unmarshal(raw, &list)
			for _, t := range list {
				out[t.ID] = t.State
			}
			return err
		})
		if missing(err) {
			err = nil // it was deleted meanwhile
		}
	}
	return out, err
}

// tell names the tasks of which Batch says something else than before, and returns when to ask again.
func tell(before, now map[string]string, changed func(jobID string)) time.Duration {
	pause := watchIdle
	for name, state := range now {
		if before[name] != state {
			changed(name)
		}
		if state != stateCompleted {
			pause = watchBusy
		}
	}
	for name := range before {
		if _, there := now[name]; !there {
			changed(name)
		}
	}
	return pause
}
