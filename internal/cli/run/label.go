package run

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func tag(a *frame.App) *cobra.Command {
	var change client.RunChange
	cmd := a.Command("run.tag", "tag RUN [--set K=V]… [--remove K]…", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if len(change.Tags)+len(change.RemoveTags) == 0 {
			return nothingToTag()
		}
		return each(cmd.Context(), a, args, func(id string) { a.Talk("talk.tagged", id) }, func(ctx context.Context, s *frame.Session, id string) (client.Run, error) {
			return s.ChangeRun(ctx, s.WS, id, change)
		})
	})
	cmd.Flags().Var(&pairFlag{&change.Tags}, "set", a.Say("flag.tag.set"))
	cmd.Flags().StringArrayVar(&change.RemoveTags, "remove", nil, a.Say("flag.tag.remove"))
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

func nothingToTag() error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "NoChange", What: "there is nothing to change",
		Why: "neither a tag to set nor one to remove was given", Fix: "run: zaffre run tag --set stage=final last",
	}
}

func remove(a *frame.App) *cobra.Command {
	cmd := a.Command("run.delete", "delete RUN…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		return each(cmd.Context(), a, args, func(id string) { a.Talk("talk.run.deleted", id) }, func(ctx context.Context, s *frame.Session, id string) (client.Run, error) {
			return s.DeleteRun(ctx, s.WS, id)
		})
	})
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

func restore(a *frame.App) *cobra.Command {
	return a.Command("run.restore", "restore RUN…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		return each(cmd.Context(), a, args, func(id string) { a.Talk("talk.run.restored", id) }, func(ctx context.Context, s *frame.Session, id string) (client.Run, error) {
			return s.RestoreRun(ctx, s.WS, id)
		})
	})
}

// each does something to every run that is named, and says so.
func each(ctx context.Context, a *frame.App, args []string, say func(id string), do func(context.Context, *frame.Session, string) (client.Run, error)) error {
	s, err := a.Connect()
	if err != nil {
		return err
	}
	var runs []client.Run
	for _, arg := range args {
		r, err := resolve(ctx, a, s, arg)
		if err == nil {
			r, err = do(ctx, s, r.ID)
		}
		if err != nil {
			return err
		}
		say(r.ID)
		runs = append(runs, r)
	}
	if a.Output == "table" {
		return nil
	}
	return Print(a, runs)
}
