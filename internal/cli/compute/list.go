package compute

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	return a.Command("compute.list", "list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := frame.Collect(cmd.Context(), 0, func(p client.Cursor) (client.Page[client.Compute], error) {
			return s.Computes(cmd.Context(), s.WS, p)
		})
		if err != nil {
			return err
		}
		var names []string
		for _, c := range found {
			names = append(names, c.Name)
		}
		return a.Print(found, names, func() *frame.Table { return table(a, found) })
	})
}

// kindWord is a target's kind, and that zaffre made it.
func kindWord(a *frame.App, c client.Compute) string {
	if c.Made {
		return a.Say("compute.made", c.Kind)
	}
	return c.Kind
}

func table(a *frame.App, found []client.Compute) *frame.Table {
	t := &frame.Table{Header: []string{
		a.Say("col.compute"), a.Say("col.kind"), a.Say("col.state"), a.Say("col.running"), "GPU", "CPU", a.Say("col.memory"), a.Say("col.seen"),
	}, States: 3}
	for _, c := range found {
		if len(c.Machines) == 0 { // the engine behind it counts them
			t.Row(c.Name, kindWord(a, c), state(c), c.Running, "", "", "", seen(a, c))
			continue
		}
		runs, gpus, cpu, memory := 0, 0, 0.0, int64(0)
		for _, m := range c.Machines {
			runs, gpus, cpu, memory = runs+m.Runs, gpus+m.GPUs, cpu+m.CPU, memory+m.Memory
		}
		t.Row(c.Name, kindWord(a, c), state(c), fmt.Sprintf("%d/%d", c.Running, runs), gpus, cpu, frame.Bytes(memory), seen(a, c))
	}
	return t
}

// state is the target's, in a word.
func state(c client.Compute) string {
	if _, is := silent(c); is && c.State == "Succeeded" {
		return "Unreachable"
	}
	return c.State
}
