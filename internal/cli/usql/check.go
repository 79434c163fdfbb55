package usql

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func check(a *frame.App) *cobra.Command {
	var parameters map[string]string
	cmd := a.Command("usql.check", "check [--param NAME=VALUE]… FILE…", cobra.MinimumNArgs(1), func(_ *cobra.Command, args []string) error {
		list := []problem{}
		for _, file := range args {
			plan, faults, err := compile(file, parameters)
			if err != nil {
				return err
			}
			list = append(list, problems(file, faults)...)
			if a.Output == "table" {
				tell(a, file, faults)
			}
			if len(faults) == 0 {
				a.Talk("talk.usql.checked", file, len(plan.Inputs), len(plan.Outputs))
			}
		}
		if a.Output != "table" {
			if err := a.Print(list, keys(list), nil); err != nil {
				return err
			}
		}
		if len(list) > 0 {
			return frame.Exit(frame.ExitFailed)
		}
		return nil
	})
	cmd.Flags().Var(&frame.Pairs{Into: &parameters}, "param", a.Say("flag.usql.param"))
	return cmd
}
