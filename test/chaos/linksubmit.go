package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/chaos/lab"
)

func (t *linkTrial) add(name string, m *lab.Machine) *writing {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &writing{name: name, machine: m}
	t.runs = append(t.runs, w)
	return w
}

// submitShort has one short run after the other on a machine.
func (t *linkTrial) submitShort(asking, ctx context.Context, i int, m *lab.Machine) {
	for n := 1; asking.Err() == nil; n++ {
		w := t.add(fmt.Sprintf("short-%03d-%03d", i+1, n), m)
		t.submit(ctx, w, shortRun)
		for asking.Err() == nil {
			if r, err := t.c.Run(asking, t.ws, w.name); err == nil && r.Final() {
				break
			}
			_ = wait(asking, 500*time.Millisecond)
		}
	}
}

// submit asks for the run until the server says yes.
func (t *linkTrial) submit(ctx context.Context, w *writing, lines int) {
	request := client.RunRequest{
		Name: w.name, Experiment: "links", Compute: w.machine.Name, Snapshot: t.code,
		Command: []string{"python", "writer.py", strconv.Itoa(lines), fmt.Sprint(lineGap.Seconds()), fmt.Sprint(patience.Seconds()), lab.LedgerFolder},
	}
	for ctx.Err() == nil {
		_, err := t.c.Submit(ctx, t.ws, request)
		if err == nil {
			w.acked = true
			return
		}
		t.again.Add(1)
		if client.CodeOf(err) != client.CodeUnavailable && ctx.Err() == nil {
			t.flaw("submit of %s: %v", w.name, err)
			return
		}
		_ = wait(ctx, 100*time.Millisecond)
	}
}

// drain waits until no run is active.
func (t *linkTrial) drain(ctx context.Context) error {
	for end := time.Now().Add(drainWithin); ; {
		p, err := t.c.Runs(ctx, t.ws, client.RunFilter{Active: true}, client.Cursor{Limit: 50})
		if err == nil && len(p.Items) == 0 {
			return nil
		}
		if time.Now().After(end) {
			for _, r := range p.Items {
				t.flaw("run %s has not ended: it is %s, %+v", r.ID, r.State, r.Conditions)
			}
			return nil
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}
