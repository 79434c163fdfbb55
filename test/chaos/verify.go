package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// verify compares what is with what must be, and returns what is wrong.
func (t *trial) verify(ctx context.Context) ([]string, error) {
	ran, err := t.marks()
	if err != nil {
		return nil, err
	}
	told, err := history(ctx, t.c, t.ws, t.flaw)
	if err != nil {
		return nil, err
	}
	for _, o := range t.orders {
		if err := t.check(ctx, o, ran, told); err != nil {
			return nil, err
		}
	}
	for key := range ran {
		t.flaw("something ran that nobody asked for: %s", key)
	}
	if err := t.listed(ctx); err != nil {
		return nil, err
	}
	if err := t.slotsFree(ctx); err != nil {
		return nil, err
	}
	if err := t.verifyTracked(ctx); err != nil {
		return nil, err
	}
	t.noPanic()
	err = t.noOrphans(ctx)
	return t.wrong, err
}

// marks reads which attempt of which run ran, and how often.
func (t *trial) marks() (map[string]int, error) {
	b, err := os.ReadFile(t.ran)
	ran := map[string]int{}
	for line := range strings.Lines(string(b)) {
		ran[strings.TrimSpace(line)]++
	}
	return ran, err
}

// told is what the events say of a run.
type told struct {
	submitted int
	states    []string
}

func (o told) final() (n int) {
	for _, s := range o.states {
		if (client.Run{State: s}).Final() {
			n++
		}
	}
	return n
}

// history returns what the events tell of each run.
func history(ctx context.Context, c *client.Client, ws string, flaw func(string, ...any)) (map[string]*told, error) {
	out := map[string]*told{}
	for after := int64(0); ; {
		p, err := c.Events(ctx, ws, client.EventFilter{After: after, Limit: 1000})
		if err != nil || len(p.Items) == 0 {
			return out, err
		}
		for _, e := range p.Items {
			if e.Sequence <= after {
				flaw("event %d comes after event %d", e.Sequence, after)
				return out, nil
			}
			after = e.Sequence
			if id, ok := strings.CutPrefix(e.Subject, "run/"); ok {
				take(out, id, e)
			}
		}
	}
}

func take(out map[string]*told, id string, e client.Event) {
	h := out[id]
	if h == nil {
		h = &told{}
		out[id] = h
	}
	switch e.Type {
	case "run.submitted":
		h.submitted++
	case "run.state_changed":
		h.states = append(h.states, e.Data["state"])
	}
}

// check compares one run, and takes its marks away.
func (t *trial) check(ctx context.Context, o *order, ran map[string]int, all map[string]*told) error {
	r, err := t.c.Run(ctx, t.ws, o.name)
	if client.CodeOf(err) == client.CodeNotFound {
		if o.acked {
			t.flaw("run %s (%s) was acknowledged, and is lost", o.name, o.kind.name)
		}
		return nil // if it ran all the same, its mark stays
	}
	if err != nil {
		return err
	}
	for attempt := 1; attempt <= o.kind.attempts; attempt++ {
		key := fmt.Sprintf("%s %d", o.name, attempt)
		if n := ran[key]; n > 1 || n == 0 && !o.kind.cancel {
			t.flaw("attempt %d of run %s (%s) ran %d times", attempt, o.name, o.kind.name, n)
		}
		delete(ran, key)
	}
	t.checkState(o, r)
	if h := all[o.name]; h == nil || h.submitted != 1 || h.final() != 1 {
		t.flaw("run %s (%s): the events tell %+v", o.name, o.kind.name, h)
	}
	if !o.kind.prints {
		return nil
	}
	for attempt := 1; attempt <= len(r.Attempts); attempt++ {
		if err := t.checkLog(ctx, o, attempt); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) checkState(o *order, r client.Run) {
	if o.kind.name == "true" {
		t.took = append(t.took, r.Ended.Sub(r.Created))
	}
	if r.State != o.kind.state {
		t.flaw("run %s (%s) is %s, not %s: %+v %+v", o.name, o.kind.name, r.State, o.kind.state, r.Error, r.Attempts)
		return
	}
	if o.kind.cancel {
		return
	}
	if len(r.Attempts) != o.kind.attempts || r.Attempts[len(r.Attempts)-1].ExitCode != o.kind.exit {
		t.flaw("run %s (%s) has the attempts %+v", o.name, o.kind.name, r.Attempts)
	}
}

func (t *trial) checkLog(ctx context.Context, o *order, attempt int) error {
	body, err := t.c.RunLog(ctx, t.ws, o.name, client.LogOptions{Attempt: attempt})
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if string(b) != wholeLog() {
		t.flaw("log of attempt %d of run %s (%s): %s", attempt, o.name, o.kind.name, difference(string(b), wholeLog()))
	}
	return nil
}

// listed looks for runs that nobody asked for.
func (t *trial) listed(ctx context.Context) error {
	known := map[string]bool{}
	for _, o := range t.orders {
		known[o.name] = true
	}
	runs := client.All(func(p client.Cursor) (client.Page[client.Run], error) {
		p.Limit = 200
		return t.c.Runs(ctx, t.ws, client.RunFilter{}, p)
	})
	for r, err := range runs {
		if err != nil {
			return err
		}
		if !known[r.ID] {
			t.flaw("run %s is listed, and nobody asked for it, or twice", r.ID)
		}
		delete(known, r.ID)
	}
	return nil
}

func (t *trial) slotsFree(ctx context.Context) error {
	c, err := t.c.Compute(ctx, t.ws, "server")
	if err != nil {
		return err
	}
	if len(c.Machines) == 0 {
		t.flaw("the target server has no machine: %s, %+v", c.State, c.Conditions)
	}
	for _, m := range c.Machines {
		if m.Taken != 0 {
			t.flaw("%d of %d slots of %s are taken, and no run is active", m.Taken, m.Runs, m.Name)
		}
	}
	return nil
}

func (t *trial) noPanic() {
	for _, line := range panics(t.o.Data) {
		t.flaw("the server's log: %s", line)
	}
}

// noOrphans allows the last supervisors a moment to end.
func (t *trial) noOrphans(ctx context.Context) error {
	work := t.work()
	if work == "" {
		t.flaw("the server has no agent")
		return nil
	}
	var left []rig.Process
	for range 50 {
		if left = t.strangers(work); len(left) == 0 {
			return nil
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	for _, p := range left {
		t.flaw("process %d is left: %s", p.PID, strings.Join(p.Args, " "))
	}
	return nil
}

// strangers returns the processes that are neither the server nor its one agent.
func (t *trial) strangers(work string) (out []rig.Process) {
	known := map[int]bool{t.server.PID: true}
	for _, a := range rig.Agents(t.server.PID)[:1] {
		known[a.PID] = true
	}
	for _, p := range append(rig.Of(t.o.Data), rig.Of(work)...) {
		if !known[p.PID] {
			out = append(out, p)
		}
	}
	return out
}

func (t *trial) summary(wrong int) string {
	acked, again, kinds := 0, 0, map[string]int{}
	points, repeated := t.points()
	for _, o := range t.orders {
		if o.acked {
			acked++
		}
		if o.again {
			again++
		}
		kinds[o.kind.name]++
	}
	return fmt.Sprintf("%d kills of the server (ready again after %s on average, %d starts tried again) and %d of its agent in %s; "+
		"%d runs asked for %v, %d acknowledged, %d asked for again, %d calls failed, %d logs followed, %s paused with %d runs on their way; %d points of metrics acknowledged, %d of their calls repeated; a run of true took %s, p95 %s, at most %s; %d wrong",
		t.kills, (t.down / time.Duration(max(t.kills, 1))).Round(time.Millisecond), t.refused, t.agents, time.Since(t.began).Round(time.Second),
		len(t.orders), kinds, acked, again, t.calls.Load(), t.watched.Load(),
		t.paused.Round(time.Second), manyActive, points, repeated,
		round(rig.Percentile(t.took, 50)), round(rig.Percentile(t.took, 95)), round(rig.Percentile(t.took, 100)), wrong)
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
