package environment

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func build(a *frame.App) *cobra.Command {
	compute := "server"
	cmd := a.Command("environment.build", "build [--compute C] FILE|NAME[:VERSION]", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		ref, err := Use(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		b, err := buildOn(cmd.Context(), a, s, ref, compute)
		if err != nil {
			return a.Suggest(err, ref, a.EnvironmentNames)
		}
		return verdict(a, ref, b)
	})
	cmd.Flags().StringVar(&compute, "compute", compute, a.Say("flag.build.compute"))
	_ = cmd.RegisterFlagCompletionFunc("compute", frame.Values(a.ComputeNames))
	return cmd
}

// buildOn starts the build, or finds it, and shows its log to the end.
func buildOn(ctx context.Context, a *frame.App, s *frame.Session, ref, compute string) (client.Build, error) {
	name, version := split(ref)
	if _, err := s.BuildEnvironment(ctx, s.WS, name, version, compute); err != nil {
		return client.Build{}, err
	}
	err := s.FollowBuildLog(ctx, s.WS, name, version, compute, func(text string) error {
		_, err := io.WriteString(a.Stderr, text)
		return err
	})
	if err != nil {
		return client.Build{}, err
	}
	return s.Build(ctx, s.WS, name, version, compute)
}

func verdict(a *frame.App, ref string, b client.Build) error {
	err := a.Print(b, []string{b.Digest}, func() *frame.Table {
		t := &frame.Table{Header: []string{a.Say("col.environment"), a.Say("col.compute"), a.Say("col.state"), a.Say("col.way"), "PYTHON"}, States: 3}
		t.Row(ref, b.Compute, b.State, b.Way, b.Python)
		return t
	})
	if err != nil {
		return err
	}
	for _, w := range b.Warnings {
		a.Talk("why.warning", w)
	}
	if b.State != "failed" {
		a.Next("zaffre run submit --env " + ref + " --compute " + b.Compute + " SCRIPT")
		return nil
	}
	if b.Error != nil {
		a.TellFault(b.Error)
	}
	return frame.Exit(frame.ExitFailed)
}
