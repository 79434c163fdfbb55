package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

const (
	submitters = 4
	submitGap  = 100 * time.Millisecond // of one submitter, on average
	manyActive = 60                     // runs on their way, at which submitters pause
)

// throttle has the submitters pause while many runs are on their way.
func (t *trial) throttle(ctx context.Context) {
	const every = 200 * time.Millisecond
	for wait(ctx, every) == nil {
		if t.pause.Load() {
			t.paused += every
		}
		p, err := t.c.Runs(ctx, t.ws, client.RunFilter{Active: true}, client.Cursor{Limit: manyActive})
		if err == nil {
			t.pause.Store(len(p.Items) >= manyActive)
		}
	}
}

func (t *trial) submitAll(ctx context.Context) {
	for wait(ctx, t.between(0, 2*submitGap)) == nil {
		if !t.pause.Load() {
			t.place(ctx, t.next())
		}
	}
}

func (t *trial) next() *order {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, total := kinds(), 0
	for _, k := range all {
		total += k.weight
	}
	at := t.random.IntN(total)
	for _, k := range all {
		if at -= k.weight; at < 0 {
			o := &order{name: fmt.Sprintf("c%06d", len(t.orders)), kind: k}
			t.orders = append(t.orders, o)
			return o
		}
	}
	return nil
}

func (t *trial) asked() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.orders)
}

// place submits a run. When the server does not answer, the same name is mostly submitted again;
// else nobody knows whether the run exists, and both is right.
func (t *trial) place(ctx context.Context, o *order) {
	for {
		err := t.submit(ctx, o)
		if err == nil {
			break
		}
		t.calls.Add(1)
		if client.CodeOf(err) != client.CodeUnavailable && ctx.Err() == nil {
			t.flaw("submit of %s: %v", o.name, err)
			return
		}
		if t.roll(4) == 0 || wait(ctx, 20*time.Millisecond) != nil {
			return
		}
		o.again = true
	}
	o.acked = true
	if t.roll(20) == 0 { // once more, though the first was answered
		o.again = true
		_ = t.submit(ctx, o)
	}
	if o.kind.cancel {
		t.cancel(ctx, o)
	}
	if o.kind.name == "lines" && t.roll(5) == 0 {
		t.readers.Go(func() { t.follow(ctx, o) })
	}
}

// submit makes the call once. It is not broken off when the storm ends.
func (t *trial) submit(ctx context.Context, o *order) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := t.c.Submit(ctx, t.ws, o.request(t.ran))
	return err
}

// cancel asks for the run's end until the server says yes.
func (t *trial) cancel(ctx context.Context, o *order) {
	ctx = context.WithoutCancel(ctx)
	_ = wait(ctx, t.between(0, 300*time.Millisecond))
	for range 1000 {
		if _, err := t.c.CancelRun(ctx, t.ws, o.name); err == nil {
			o.ask = true
			return
		}
		t.calls.Add(1)
		_ = wait(ctx, 20*time.Millisecond)
	}
}

// cancelRest asks for the end of the runs that would not end by themselves, where nobody knew
// whether they exist.
func (t *trial) cancelRest(ctx context.Context) {
	for _, o := range t.orders {
		if !o.kind.cancel || o.ask {
			continue
		}
		_, err := t.follows.CancelRun(ctx, t.ws, o.name)
		if o.ask = err == nil; err != nil && client.CodeOf(err) != client.CodeNotFound {
			t.flaw("cancel of %s: %v", o.name, err)
		}
	}
}

// follow reads the log as a user would, over all kills, and compares it.
func (t *trial) follow(ctx context.Context, o *order) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	var b strings.Builder
	err := t.follows.FollowRunLog(ctx, t.ws, o.name, client.LogOptions{}, func(text string) error {
		b.WriteString(text)
		return nil
	})
	if err != nil {
		t.flaw("log of %s: %v", o.name, err)
		return
	}
	t.watched.Add(1)
	if b.String() != wholeLog() {
		t.flaw("log of %s, followed: %s", o.name, difference(b.String(), wholeLog()))
	}
}

// difference tells where two texts part.
func difference(have, want string) string {
	h, w := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range min(len(h), len(w)) {
		if h[i] != w[i] {
			return fmt.Sprintf("line %d is %q, not %q (%d lines instead of %d)", i+1, h[i], w[i], len(h)-1, len(w)-1)
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(h)-1, len(w)-1)
}
