package main

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

const (
	trackers     = 4
	trackedIn    = "tracking" // a workspace of their own
	trackedBatch = 25         // points a call
	trackedName  = "loss"
	trackGap     = 20 * time.Millisecond
)

// tracker is a client that logs a metric to a run that it moves itself. Its steps count up, and it sends
// a batch again until it is acknowledged.
type tracker struct {
	run    string
	steps  int64 // acknowledged
	again  int   // calls that got no answer
	failed error
}

// openTrackers makes the workspace and the runs, before the first kill.
func (t *trial) openTrackers(ctx context.Context) error {
	if _, err := t.c.CreateWorkspace(ctx, client.Workspace{Name: trackedIn}); err != nil {
		return err
	}
	for range trackers {
		r, err := t.c.CreateExternalRun(ctx, trackedIn, client.ExternalRun{Name: client.NewName()})
		if err != nil {
			return err
		}
		t.tracked = append(t.tracked, &tracker{run: r.ID})
	}
	return nil
}

// track logs until ctx ends, and then ends the batch at hand with the context of all.
func (t *trial) track(asking, ctx context.Context, k *tracker) {
	for wait(asking, trackGap) == nil {
		now, batch := time.Now().Truncate(time.Millisecond), make([]client.Point, trackedBatch)
		for i := range batch {
			step := k.steps + int64(i)
			batch[i] = client.Point{Name: trackedName, Value: client.Number(step), Step: step, Time: now}
		}
		for k.failed = t.c.LogMetrics(ctx, trackedIn, k.run, batch); k.failed != nil; k.failed = t.c.LogMetrics(ctx, trackedIn, k.run, batch) {
			k.again++
			if wait(ctx, trackGap) != nil {
				return
			}
		}
		k.steps += trackedBatch
	}
}

// verifyTracked looks for each acknowledged point, once.
func (t *trial) verifyTracked(ctx context.Context) error {
	for _, k := range t.tracked {
		seen := map[int64]int{}
		for p, err := range t.c.Series(ctx, trackedIn, k.run, trackedName, 0) {
			if err != nil {
				return err
			}
			seen[p.Step]++
			if float64(p.Value) != float64(p.Step) {
				t.flaw("run %s logged %d at step %d, and has %v", k.run, p.Step, p.Step, p.Value)
			}
		}
		for step := range k.steps {
			if seen[step] != 1 {
				t.flaw("run %s has step %d of %d %d times", k.run, step, k.steps, seen[step])
			}
		}
		if len(seen) != int(k.steps) {
			t.flaw("run %s has %d steps, and %d were logged", k.run, len(seen), k.steps)
		}
	}
	return nil
}

// points returns how many were acknowledged, and how many calls were repeated for them.
func (t *trial) points() (n int64, again int) {
	for _, k := range t.tracked {
		n, again = n+k.steps, again+k.again
	}
	return n, again
}
