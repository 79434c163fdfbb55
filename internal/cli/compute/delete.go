package compute

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func remove(a *frame.App) *cobra.Command {
	var o client.DetachOptions
	cmd := a.Command("compute.delete", "delete [--dry-run] [--force] NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		items, err := s.DeleteCompute(cmd.Context(), s.WS, args[0], o)
		if err != nil {
			return a.Suggest(err, args[0], a.ComputeNames)
		}
		return removed(cmd.Context(), a, s, args[0], items, o)
	})
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, a.Say("flag.detach.dryrun"))
	cmd.Flags().BoolVar(&o.Force, "force", false, a.Say("flag.delete.force"))
	cmd.ValidArgsFunction = frame.Names(a.ComputeNames)
	return cmd
}

// removed waits until a target that is deleted is gone, and says what went.
func removed(ctx context.Context, a *frame.App, s *frame.Session, name string, items []client.Removed, o client.DetachOptions) error {
	if !o.DryRun {
		gone, err := vanished(ctx, a, s, name)
		if err != nil {
			return err
		}
		for i := range items {
			items[i].Removed = gone && items[i].Remedy == ""
		}
	}
	if a.Output != "table" || len(items) > 0 {
		if err := printRemoved(a, items, o.DryRun); err != nil {
			return err
		}
	}
	if o.DryRun {
		a.Talk("talk.dryrun")
		a.Next("zaffre compute delete " + name)
		return nil
	}
	a.Talk("talk.deletedcompute", name)
	tellStayed(a, items)
	a.Next("zaffre compute list")
	return nil
}

// vanished waits until the target is not there, and says meanwhile what is left of it. A target of the name that is
// made meanwhile is another.
func vanished(ctx context.Context, a *frame.App, s *frame.Session, name string) (bool, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for said := ""; ; {
		c, err := s.Compute(ctx, s.WS, name)
		if client.CodeOf(err) == client.CodeNotFound || err == nil && c.State != "Deleting" {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if i := slices.IndexFunc(c.Conditions, func(k client.Condition) bool { return k.Type == "Deleted" }); i >= 0 && c.Conditions[i].Message != said {
			said = c.Conditions[i].Message
			a.Talk("talk.state", c.State, ": "+said)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}
