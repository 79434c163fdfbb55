package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/chaos/lab"
)

// ledger is what a job says itself of what it did.
type ledger struct {
	starts, lines, logged int
	acked                 map[int]bool      // points
	kept                  map[string]string // SHA-256 of the files that it left, by path
	refused               []string
	ended                 bool
}

func readLedger(m *lab.Machine, name string) (l ledger, err error) {
	b, err := m.Ledger(name + ".1")
	l.acked, l.kept = map[int]bool{}, map[string]string{}
	for line := range strings.Lines(string(b)) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var from, to int
		_, _ = fmt.Sscan(rest, &from, &to)
		switch verb {
		case "start":
			l.starts++
		case "acked":
			for i := from; i <= to; i++ {
				l.acked[i] = true
			}
		case "kept":
			hash, path, _ := strings.Cut(rest, " ")
			l.kept[path] = hash
		case "refused":
			l.refused = append(l.refused, rest)
		case "end":
			l.lines, l.logged, l.ended = from, to, true
		}
	}
	return l, err
}

// verify compares what is with what must be.
func (t *linkTrial) verify(ctx context.Context) error {
	told, err := history(ctx, t.server.C, t.ws, t.flaw)
	if err != nil {
		return err
	}
	for _, w := range t.runs {
		if err := t.check(ctx, w, told[w.name]); err != nil {
			return err
		}
	}
	if n := len(told); n != len(t.runs) {
		t.flaw("%d runs were asked for, and the events tell of %d: %v", len(t.runs), n, slices.Sorted(maps.Keys(told)))
	}
	for _, p := range panics(t.o.Data) {
		t.flaw("the server's log: %s", p)
	}
	for _, m := range t.farm {
		if err := t.checkMachine(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// check compares one run with its ledger.
func (t *linkTrial) check(ctx context.Context, w *writing, events *told) error {
	r, err := t.server.C.Run(ctx, t.ws, w.name)
	if err != nil {
		return err
	}
	l, err := readLedger(w.machine, w.name)
	if err != nil {
		t.flaw("run %s is %s, and did nothing: %+v", w.name, r.State, r.Error)
		return nil
	}
	if t.lie == "end" && events != nil {
		events.states = append(events.states, "Completed")
	}
	switch {
	case r.State != "Completed" || len(r.Attempts) != 1:
		t.flaw("run %s is %s: %+v %+v", w.name, r.State, r.Error, r.Attempts)
	case l.starts != 1 || !l.ended:
		t.flaw("run %s was started %d times, and ended: %v", w.name, l.starts, l.ended)
	case len(l.refused) > 0:
		t.flaw("points of run %s were refused: %v", w.name, l.refused)
	}
	if events == nil || events.submitted != 1 || events.final() != 1 {
		t.flaw("run %s: the events tell %+v", w.name, events)
	}
	t.lines, t.points, t.logged = t.lines+l.lines, t.points+len(l.acked), t.logged+l.logged
	if err := t.checkLog(ctx, w, l); err != nil {
		return err
	}
	if err := t.checkOutputs(ctx, w, l); err != nil {
		return err
	}
	return t.checkPoints(ctx, w, l)
}

// checkOutputs looks for each file that the run left, with its bytes, and for no other.
func (t *linkTrial) checkOutputs(ctx context.Context, w *writing, l ledger) error {
	p, err := t.server.C.Artifacts(ctx, t.ws, w.name, "outputs/", client.Cursor{Limit: 1000})
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, a := range p.Items {
		have[a.Path] = a.Hash
	}
	if t.lie == "output" {
		have["outputs/model"] = have["outputs/part-00"]
	}
	t.files += len(l.kept)
	for _, path := range slices.Sorted(maps.Keys(l.kept)) {
		if have[path] != l.kept[path] {
			t.flaw("run %s left %s with the SHA-256 %s, and has %q", w.name, path, l.kept[path], have[path])
		}
		delete(have, path)
	}
	if len(have) > 0 {
		t.flaw("run %s has files that it did not leave: %v", w.name, have)
	}
	return nil
}

func (t *linkTrial) checkLog(ctx context.Context, w *writing, l ledger) error {
	body, err := t.server.C.RunLog(ctx, t.ws, w.name, client.LogOptions{})
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var want strings.Builder
	for i := range l.lines {
		fmt.Fprintf(&want, "line %d\n", i+1)
	}
	have := withoutNotes(string(b))
	if t.lie == "line" {
		have = strings.Replace(have, "line 7\n", "", 1)
	}
	if have != want.String() {
		t.flaw("log of run %s: %s", w.name, difference(have, want.String()))
	}
	return nil
}

// withoutNotes returns a log without what the supervisor says in it, such as that the disk is full.
func withoutNotes(log string) string {
	var out strings.Builder
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "zaffre: ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// checkPoints looks for each point that was logged, whether it was acknowledged or kept meanwhile, once, and for no other.
func (t *linkTrial) checkPoints(ctx context.Context, w *writing, l ledger) error {
	seen := map[int]int{}
	for p, err := range t.server.C.Series(ctx, t.ws, w.name, "n", 0) {
		if err != nil {
			return err
		}
		seen[int(p.Step)]++
		if float64(p.Value) != float64(p.Step) || p.Step < 1 || int(p.Step) > l.logged {
			t.flaw("run %s has the point %v at step %d", w.name, p.Value, p.Step)
		}
	}
	t.distort(seen)
	for i := 1; i <= l.logged; i++ {
		switch n := seen[i]; {
		case n > 1:
			t.flaw("run %s has point %d of %d %d times", w.name, i, l.logged, n)
		case n == 0:
			t.flaw("run %s lacks point %d of %d, acknowledged: %v", w.name, i, l.logged, l.acked[i])
		}
	}
	return nil
}

// distort is for who doubts the checks.
func (t *linkTrial) distort(seen map[int]int) {
	switch t.lie {
	case "point":
		delete(seen, 7)
	case "twice":
		seen[7]++
	}
}

// checkMachine sees that no slot is taken and no job is left, detaches the machine, and sees that nothing is left.
func (t *linkTrial) checkMachine(ctx context.Context, m *lab.Machine) error {
	c, err := t.server.C.Compute(ctx, t.ws, m.Name)
	if err != nil {
		return err
	}
	for _, p := range c.Machines {
		if p.Taken != 0 {
			t.flaw("%d of %d slots of %s are taken, and no run is active", p.Taken, p.Runs, m.Name)
		}
	}
	if left := eventually(ctx, time.Minute, func() (left []string) {
		for _, p := range m.Others() {
			left = append(left, strings.Join(p.Args, " "))
		}
		return left
	}); len(left) > 0 {
		t.flaw("on %s there is still: %v", m.Name, left)
	}
	if _, err := t.server.C.DetachCompute(ctx, t.ws, m.Name, client.DetachOptions{}); err != nil {
		t.flaw("%s cannot be detached: %v", m.Name, err)
		return nil
	}
	if left := eventually(ctx, time.Minute, func() []string {
		left, _ := m.Left()
		for _, p := range append(m.Others(), m.Agents()...) {
			left = append(left, strings.Join(p.Args, " "))
		}
		return left
	}); len(left) > 0 {
		t.flaw("after %s was detached there is still: %v", m.Name, left)
	}
	return nil
}

// eventually returns what is left in the end.
func eventually(ctx context.Context, within time.Duration, look func() []string) []string {
	for end := time.Now().Add(within); ; {
		left := look()
		if len(left) == 0 || time.Now().After(end) || wait(ctx, 200*time.Millisecond) != nil {
			return left
		}
	}
}

func (t *linkTrial) summary() string {
	cuts := t.did[cutDrop] + t.did[cutRefuse] + t.did[cutAll] + t.did[cutCable]
	return fmt.Sprintf("%d cuts (%d dropped, %d refused, %d of all machines, %d of the cable), %d kills of the server (ready again after %s on average), "+
		"%d of the agent, %d of the sessions of sshd, %d clocks set, packets lost (%.0f %%) for %s, a disk full for %s, in %s on %d machines; "+
		"%d runs, %d lines, %d points logged, %d acknowledged, %d files, %d calls repeated; %d wrong",
		cuts, t.did[cutDrop], t.did[cutRefuse], t.did[cutAll], t.did[cutCable], t.did[killServer], round(t.ready/time.Duration(max(1, t.did[killServer]))),
		t.did[killAgent], t.did[killSessions], t.did[jumpServer]+t.did[jumpMachine], 100*t.part, t.loss, t.full, time.Since(t.began).Round(time.Second), t.machines,
		len(t.runs), t.lines, t.logged, t.points, t.files, t.again.Load(), len(t.wrong))
}
