package compute

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func detach(a *frame.App) *cobra.Command {
	var o client.DetachOptions
	cmd := a.Command("compute.detach", "detach [--dry-run] [--force] NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		items, err := s.DetachCompute(cmd.Context(), s.WS, args[0], o)
		if err != nil {
			return a.Suggest(err, args[0], a.ComputeNames)
		}
		if a.Output != "table" || len(items) > 0 {
			if err := printRemoved(a, items, o.DryRun); err != nil {
				return err
			}
		}
		if o.DryRun {
			tellRemedies(a, items)
			a.Talk("talk.dryrun")
			a.Next("zaffre compute detach " + args[0])
			return nil
		}
		a.Talk("talk.detachedcompute", args[0])
		tellStayed(a, items)
		return nil
	})
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, a.Say("flag.detach.dryrun"))
	cmd.Flags().BoolVar(&o.Force, "force", false, a.Say("flag.detach.force"))
	cmd.ValidArgsFunction = frame.Names(a.ComputeNames)
	return cmd
}

// tellStayed says what a detach could not remove, and how to do so by hand.
func tellStayed(a *frame.App, items []client.Removed) {
	if n := stayed(items); n > 0 {
		a.Talk("talk.stayed", n)
		tellRemedies(a, items)
	}
}

// tellRemedies says how to remove by hand what the machine's driver cannot, since it does not answer.
func tellRemedies(a *frame.App, items []client.Removed) {
	for _, i := range items {
		if i.Remedy != "" {
			a.Talk("talk.remedy", i.Remedy)
		}
	}
}

// stayed counts what a detach could not remove.
func stayed(items []client.Removed) (n int) {
	for _, i := range items {
		if !i.Removed {
			n++
		}
	}
	return n
}

func printRemoved(a *frame.App, items []client.Removed, dryRun bool) error {
	if items == nil {
		items = []client.Removed{}
	}
	var names []string
	for _, i := range items {
		names = append(names, i.Name)
	}
	return a.Print(items, names, func() *frame.Table {
		t := &frame.Table{Header: []string{a.Say("col.type"), a.Say("col.name"), a.Say("col.size")}}
		if !dryRun {
			t.Header = append(t.Header, a.Say("col.removed"))
		}
		for _, i := range items {
			cells := []any{i.Type, i.Name, frame.Bytes(i.Bytes), mark(i.Removed)}
			t.Row(cells[:len(t.Header)]...)
		}
		return t
	})
}
