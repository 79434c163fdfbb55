package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/chaos/lab"
	"github.com/zaffre-ml/zaffre/test/rig"
)

func (c *crowd) cpu() time.Duration {
	p, _ := rig.Look(c.server.PID)
	return p.Own
}

// sample says each second what the server does.
func (c *crowd) sample(ctx context.Context) {
	cpu, dialled, at := c.cpu(), 0, time.Now()
	for wait(ctx, time.Second) == nil {
		now, took := c.cpu(), time.Since(at)
		n, _ := lab.Dialled()
		if dialled > 0 {
			c.log.Printf("  %4.2f cores, %3d connections begun, %3d machines and %3d runs away",
				(now-cpu).Seconds()/took.Seconds(), n-dialled, len(c.away()), c.silent())
		}
		cpu, dialled, at = now, n, time.Now()
		c.look(ctx)
	}
}

// look notes which machines are reachable.
func (c *crowd) look(ctx context.Context) {
	mask := map[string]bool{}
	for t, err := range client.All(func(p client.Cursor) (client.Page[client.Compute], error) {
		p.Limit = 1000
		return c.server.C.Computes(ctx, c.ws, p)
	}) {
		if err != nil {
			return
		}
		if t.Kind == "sshvm" && !condition(t, "Reachable").OK {
			mask[t.Name] = true
		}
	}
	c.books.Lock()
	defer c.books.Unlock()
	for name := range c.mask {
		if !mask[name] {
			c.back[reachable][name] = time.Now()
		}
	}
	c.mask = mask
}

// hear notes what the events tell of the runs.
func (c *crowd) hear(ctx context.Context) {
	_ = c.server.C.FollowEvents(ctx, c.ws, client.EventFilter{}, func(e client.Event) error {
		c.books.Lock()
		defer c.books.Unlock()
		name := strings.TrimPrefix(e.Subject, "run/")
		machine, job := strings.CutPrefix(name, "long-")
		switch {
		case e.Type == "run.unreachable" && job:
			c.back[heard][machine] = time.Time{}
		case e.Type == "run.reachable" && job:
			c.back[heard][machine] = time.Now()
		case e.Type == "run.state_changed" && e.Data["state"] == "Completed":
			c.back[started][strings.TrimPrefix(name, "after-")] = time.Now()
		}
		return nil
	})
}

func (c *crowd) away() []string {
	c.books.Lock()
	defer c.books.Unlock()
	return slices.Collect(maps.Keys(c.mask))
}

// silent returns how many running jobs are not heard of.
func (c *crowd) silent() (n int) {
	c.books.Lock()
	defer c.books.Unlock()
	for _, at := range c.back[heard] {
		if at.IsZero() {
			n++
		}
	}
	return n
}

// await waits until all is back, and returns how many machines are not in the end.
func (c *crowd) await(ctx context.Context) (int, error) {
	for end := time.Now().Add(comeBackWithin); ; {
		c.books.Lock()
		waiting := c.machines - len(c.back[started])
		c.books.Unlock()
		lost := max(waiting, c.silent(), len(c.away()))
		if lost == 0 || time.Now().After(end) {
			return lost, nil
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return lost, err
		}
	}
}

// report says how long it took.
func (c *crowd) report(restored time.Time, before time.Duration) {
	c.books.Lock()
	defer c.books.Unlock()
	all := time.Since(restored)
	for _, kind := range []string{reachable, heard, started} {
		var took []time.Duration
		for _, at := range c.back[kind] {
			if at.After(restored) {
				took = append(took, at.Sub(restored))
			}
		}
		c.log.Printf("%s: %d, half of them after %s, 95 %% after %s, all after %s", kind, len(took),
			round(rig.Percentile(took, 50)), round(rig.Percentile(took, 95)), round(rig.Percentile(took, 100)))
	}
	verdict := "yes"
	if all > c.goal {
		verdict = "NO"
	}
	c.log.Printf("%d machines, cut off for %s: all usable again after %s, with %.2f cores of the server meanwhile; goal %s: %s",
		c.machines, c.gone, round(all), (c.cpu()-before).Seconds()/all.Seconds(), c.goal, verdict)
}
