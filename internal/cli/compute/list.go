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

func table(a *frame.App, found []client.Compute) *frame.Table {
	t := &frame.Table{Header: []string{
		a.Say("col.compute"), a.Say("col.kind"), a.Say("col.state"), a.Say("col.running"), "GPU", "CPU", a.Say("col.memory"), a.Say("col.seen"),
	}, States: 3}
	for _, c := range found {
		taken, runs, gpus, cpu, memory := 0, 0, 0, 0.0, int64(0)
		for _, m := range c.Machines {
			taken, runs, gpus, cpu, memory = taken+m.Taken, runs+m.Runs, gpus+m.GPUs, cpu+m.CPU, memory+m.Memory
		}
		t.Row(c.Name, c.Kind, c.State, fmt.Sprintf("%d/%d", taken, runs), gpus, cpu, frame.Bytes(memory), seen(a, c))
	}
	return t
}
