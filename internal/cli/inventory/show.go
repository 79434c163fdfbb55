package inventory

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func show(a *frame.App) *cobra.Command {
	cmd := a.Command("inventory.show", "show RESOURCE-ID", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		e, err := s.InventoryEntry(cmd.Context(), s.WS, args[0])
		if err != nil {
			return a.Suggest(err, args[0], a.ResourceNames)
		}
		return printOne(a, e)
	})
	cmd.ValidArgsFunction = frame.Names(a.ResourceNames)
	return cmd
}

func remove(a *frame.App) *cobra.Command {
	cmd := a.Command("inventory.remove", "remove RESOURCE-ID…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		for _, resource := range args {
			if err := s.RemoveInventoryEntry(cmd.Context(), s.WS, resource); err != nil {
				return err
			}
			a.Talk("talk.inventory.removed", resource)
		}
		return nil
	})
	cmd.ValidArgsFunction = frame.Names(a.ResourceNames)
	return cmd
}
