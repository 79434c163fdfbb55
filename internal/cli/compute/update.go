package compute

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func update(a *frame.App) *cobra.Command {
	cmd := a.Command("compute.update", "update NAME [FLAGS OF THE KIND]", cobra.ArbitraryArgs, nil)
	cmd.DisableFlagParsing = true // which flags there are, the target's kind says
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args, help, err := a.TakeGlobals(cmd, args)
		if err != nil {
			return err
		}
		name, rest := takeWord(args)
		if name == "" {
			if help || len(args) == 0 {
				return cmd.Help()
			}
			return frame.Usage(&fault.Error{
				Code: fault.Invalid, Reason: "ArgumentsInvalid", What: "the arguments do not fit: zaffre compute update NAME",
				Why: "the first argument is the name of the target", Fix: "run: zaffre compute list",
			})
		}
		s, err := a.Connect()
		if err != nil {
			return err
		}
		c, err := s.Compute(cmd.Context(), s.WS, name)
		if err != nil {
			return a.Suggest(err, name, a.ComputeNames)
		}
		k, err := kindOf(cmd.Context(), a, s, c.Kind)
		if err != nil {
			return err
		}
		return updateKind(a, cmd, s, c, k, rest)
	}
	cmd.ValidArgsFunction = frame.Names(a.ComputeNames)
	return cmd
}

func updateKind(a *frame.App, outer *cobra.Command, s *frame.Session, c client.Compute, k client.Kind, args []string) error {
	var values *options
	cmd := a.Command("compute.update", fmt.Sprintf("zaffre compute update %s [FLAGS]", c.Name), cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		given, err := values.given(a, cmd)
		if err != nil {
			return err
		}
		c, err := s.UpdateCompute(cmd.Context(), s.WS, client.Compute{Name: c.Name, Kind: c.Kind, Options: given, Shared: c.Shared})
		if err != nil {
			return err
		}
		if c, err = settled(cmd.Context(), s, c); err != nil {
			return err
		}
		return verdict(a, c)
	})
	cmd.Long = k.Summary
	values = declare(a, cmd, k)
	values.update = true
	return a.Nested(outer, cmd, args)
}
