package run

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func cancel(a *frame.App) *cobra.Command {
	cmd := a.Command("run.cancel", "cancel RUN…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		var runs []client.Run
		for _, arg := range args {
			r, err := resolve(cmd.Context(), a, s, arg)
			if err != nil {
				return err
			}
			if r, err = s.CancelRun(cmd.Context(), s.WS, r.ID); err != nil {
				return err
			}
			if r.Final() {
				a.Talk("talk.overalready", r.ID, a.State(r.State))
			} else {
				a.Talk("talk.canceling", r.ID, a.State(r.State))
			}
			runs = append(runs, r)
		}
		if a.Output == "table" {
			return nil
		}
		return Print(a, runs)
	})
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}
