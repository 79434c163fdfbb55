package compute

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func show(a *frame.App) *cobra.Command {
	cmd := a.Command("compute.show", "show NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		c, err := s.Compute(cmd.Context(), s.WS, args[0])
		if err != nil {
			return a.Suggest(err, args[0], a.ComputeNames)
		}
		if err := printOne(a, c); err != nil {
			return err
		}
		if a.Output == "table" && c.Error != nil {
			a.TellFault(c.Error)
		}
		return nil
	})
	cmd.ValidArgsFunction = frame.Names(a.ComputeNames)
	return cmd
}
