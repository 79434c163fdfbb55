// Package compute has the commands about compute targets.
package compute

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "compute".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("compute", "compute", attach(a), create(a), list(a), show(a), update(a), detach(a), remove(a), check(a), trust(a), sshTo(a), sshConfig(a), kinds(a))
}

// patience is how long something may last before a word is said of it.
const patience = 2 * time.Second

// patiently does something with a target of a name, and says so while it lasts.
func patiently(a *frame.App, name string, do func() (client.Compute, error)) (client.Compute, error) {
	done := make(chan struct{})
	var saying sync.WaitGroup
	saying.Go(func() {
		select {
		case <-done:
		case <-time.After(patience):
			a.Talk("talk.looking", name)
		}
	})
	defer saying.Wait()
	defer close(done)
	return do()
}

// settled waits until the target was looked at, and returns it.
func settled(ctx context.Context, s *frame.Session, c client.Compute) (client.Compute, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for c.State == "Creating" || c.State == "Updating" {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return c, context.Cause(ctx)
		}
		var err error
		if c, err = s.Compute(ctx, s.WS, c.Name); err != nil {
			return c, err
		}
	}
	return c, nil
}

// verdict shows the target with its checks, and fails if it cannot be used.
func verdict(a *frame.App, c client.Compute) error {
	if err := printOne(a, c); err != nil {
		return err
	}
	f := trouble(c)
	if c.State != "Failed" && f == nil {
		a.Next("zaffre run submit --compute " + c.Name + " SCRIPT")
		return nil
	}
	if f != nil {
		a.TellFault(f)
	}
	a.Next("zaffre compute check " + c.Name)
	return frame.Exit(frame.ExitFailed)
}

// trouble is why a target cannot be used; nil if it can. One that was attached well can go wrong later.
func trouble(c client.Compute) *client.Fault {
	i := slices.IndexFunc(c.Conditions, func(k client.Condition) bool { return k.Type == "Ready" && !k.OK && k.Reason != "" })
	if c.Error != nil || i < 0 {
		return c.Error
	}
	ready := c.Conditions[i]
	f := &client.Fault{Title: fmt.Sprintf("compute target %q cannot be used", c.Name), Detail: ready.Message, Code: client.CodePrecondition, Reason: ready.Reason}
	for _, k := range c.Checks {
		if !k.OK && k.Reason == ready.Reason {
			f.Fix, f.Evidence = k.Fix, k.Evidence
			break
		}
	}
	return f
}

func printOne(a *frame.App, c client.Compute) error {
	return a.Print(c, []string{c.Name}, func() *frame.Table { return fields(a, c) })
}

func fields(a *frame.App, c client.Compute) *frame.Table {
	t := frame.Fields(a.Say("col.field"), a.Say("col.value"),
		a.Say("col.compute"), c.Name, a.Say("col.kind"), kindWord(a, c), a.Say("col.state"), state(c), a.Say("col.by"), c.CreatedBy, a.Say("col.seen"), seen(a, c))
	for _, k := range slices.Sorted(maps.Keys(c.Options)) {
		t.Row(k, c.Options[k])
	}
	for _, m := range c.Machines {
		t.Row(a.Say("col.machine")+" "+m.Name, a.Say("compute.machine", m.Taken, m.Runs, m.GPUs, m.CPU, frame.Bytes(m.Memory)))
	}
	for _, k := range c.Checks {
		t.Row(a.Say("col.check")+" "+k.Name, checked(k))
		if !k.OK && k.Fix != "" {
			t.Row("", k.Fix)
		}
	}
	for _, k := range c.Conditions {
		if k.Silent() {
			t.Row(k.Type, mark(false)+" "+a.Say("compute.silent", frame.Age(k.Since), seen(a, c), c.Running))
			t.Row("", k.Message)
			continue
		}
		t.Row(k.Type, strings.TrimSpace(fmt.Sprintf("%s %s", mark(k.OK), cmp.Or(k.Message, k.Reason))))
	}
	for _, k := range slices.Sorted(maps.Keys(c.Facts)) {
		t.Row(k, c.Facts[k])
	}
	return t
}

func seen(a *frame.App, c client.Compute) string {
	if c.Answered.IsZero() {
		return ""
	}
	return a.Say("ago", frame.Age(c.Answered))
}

// silent is the condition of a target that does not answer.
func silent(c client.Compute) (client.Condition, bool) {
	i := slices.IndexFunc(c.Conditions, client.Condition.Silent)
	if i < 0 {
		return client.Condition{}, false
	}
	return c.Conditions[i], true
}

func checked(k client.Check) string {
	s := fmt.Sprintf("%s %d ms", mark(k.OK), k.Millis)
	if len(k.Evidence) > 0 {
		s += "  " + k.Evidence[0]
	}
	return s
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}
