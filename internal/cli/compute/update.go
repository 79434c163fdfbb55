package compute

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func update(a *frame.App) *cobra.Command {
	first := firstWord{"zaffre compute update NAME", "the name of the target", "zaffre compute list"}
	cmd := byWord(a, "compute.update", "update NAME [FLAGS OF THE KIND]", first, func(cmd *cobra.Command, s *frame.Session, name string, rest []string) error {
		c, err := s.Compute(cmd.Context(), s.WS, name)
		if err != nil {
			return a.Suggest(err, name, a.ComputeNames)
		}
		k, err := kindOf(cmd.Context(), a, s, c.Kind)
		if err != nil {
			return err
		}
		return updateKind(a, cmd, s, c, k, rest)
	})
	cmd.ValidArgsFunction = frame.Names(a.ComputeNames)
	return cmd
}

func updateKind(a *frame.App, outer *cobra.Command, s *frame.Session, c client.Compute, k client.Kind, args []string) error {
	var values *options
	cmd := a.Command("compute.update", c.Name+" [FLAGS]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		_, filled, err := values.fill(ctx, a, s)
		if err != nil {
			return err
		}
		given, err := values.given(a, filled)
		if err != nil {
			return err
		}
		c, err := s.UpdateCompute(ctx, s.WS, client.Compute{Name: c.Name, Kind: c.Kind, Options: given, Shared: c.Shared})
		return conclude(ctx, a, s, c, err)
	})
	cmd.Long = k.Summary
	by := byAttaching
	if c.Made {
		by = byMaking
	}
	values = declare(a, cmd, k, by)
	values.name, values.update = c.Name, true
	return a.Nested(outer, cmd, args)
}
