package compute

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func check(a *frame.App) *cobra.Command {
	cmd := a.Command("compute.check", "check NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		c, err := patiently(a, args[0], func() (client.Compute, error) { return s.CheckCompute(cmd.Context(), s.WS, args[0]) })
		return conclude(cmd.Context(), a, s, c, a.Suggest(err, args[0], a.ComputeNames))
	})
	cmd.ValidArgsFunction = frame.Names(a.ComputeNames)
	return cmd
}
