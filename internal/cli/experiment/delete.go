package experiment

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func remove(a *frame.App) *cobra.Command {
	cmd := a.Command("experiment.delete", "delete EXPERIMENT", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		e, err := s.DeleteExperiment(cmd.Context(), s.WS, args[0])
		if err == nil {
			a.Talk("talk.experiment.deleted", e.Name)
		}
		return err
	})
	cmd.ValidArgsFunction = frame.Names(a.ExperimentNames)
	return cmd
}

func restore(a *frame.App) *cobra.Command {
	return a.Command("experiment.restore", "restore EXPERIMENT", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		e, err := s.RestoreExperiment(cmd.Context(), s.WS, args[0])
		if err == nil {
			a.Talk("talk.experiment.restored", e.Name)
		}
		return err
	})
}
