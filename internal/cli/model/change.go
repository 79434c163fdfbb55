package model

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func tag(a *frame.App) *cobra.Command {
	var gone []string
	cmd := a.Command("model.tag", "tag [--remove K] NAME[:VERSION] K=V…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		c := client.ModelChange{RemoveTags: gone}
		for _, arg := range args[1:] {
			if err := (&frame.Pairs{Into: &c.Tags}).Set(arg); err != nil {
				return frame.Usage(badTag(arg, err))
			}
		}
		return change(cmd.Context(), a, s, args[0], c)
	})
	cmd.Flags().StringSliceVar(&gone, "remove", nil, a.Say("flag.model.removetag"))
	cmd.ValidArgsFunction = frame.Names(a.ModelNames)
	return cmd
}

// change changes a version, or the model where no version is named.
func change(ctx context.Context, a *frame.App, s *frame.Session, arg string, c client.ModelChange) error {
	name, version := split(arg)
	if version == "" {
		m, err := s.UpdateModel(ctx, s.WS, name, c)
		if err != nil {
			return a.Suggest(err, name, a.ModelNames)
		}
		a.Talk("talk.model.tags", name, frame.PairText(m.Tags))
		if a.Output == "table" {
			return nil
		}
		return a.Print(m, []string{m.Name}, nil)
	}
	v, err := exact(ctx, a, s, arg)
	if err != nil {
		return err
	}
	if v, err = s.UpdateModelVersion(ctx, s.WS, name, v.Version, c); err != nil {
		return err
	}
	a.Talk("talk.model.tags", ref(v), frame.PairText(v.Tags))
	return told(a, v)
}

func alias(a *frame.App) *cobra.Command {
	gone := false
	cmd := a.Command("model.alias", "alias [--remove] NAME[:VERSION] ALIAS", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		name, _ := split(args[0])
		if gone {
			if _, err := s.DeleteModelAlias(cmd.Context(), s.WS, name, args[1]); err != nil {
				return a.Suggest(err, name, a.ModelNames)
			}
			a.Talk("talk.model.unaliased", args[1], name)
			return nil
		}
		v, err := exact(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		if _, err := s.SetModelAlias(cmd.Context(), s.WS, name, args[1], v.Version); err != nil {
			return err
		}
		a.Talk("talk.model.aliased", args[1], ref(v))
		return told(a, v)
	})
	cmd.Flags().BoolVar(&gone, "remove", false, a.Say("flag.model.removealias"))
	cmd.ValidArgsFunction = frame.Names(a.ModelNames)
	return cmd
}

func stage(a *frame.App) *cobra.Command {
	archive := false
	cmd := a.Command("model.stage", "stage [--archive-existing] NAME:VERSION STAGE", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		v, err := exact(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		if v, err = s.StageModel(cmd.Context(), s.WS, v.Model, v.Version, args[1], archive); err != nil {
			return err
		}
		a.Talk("talk.model.staged", ref(v), v.Stage)
		return told(a, v)
	})
	cmd.Flags().BoolVar(&archive, "archive-existing", false, a.Say("flag.model.archive"))
	cmd.ValidArgsFunction = frame.Names(a.ModelNames)
	return cmd
}

func remove(a *frame.App) *cobra.Command {
	all := false
	cmd := a.Command("model.delete", "delete [--all] NAME[:VERSION]", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		if name, version := split(args[0]); all && version == "" {
			if err := s.DeleteModel(cmd.Context(), s.WS, name); err != nil {
				return err
			}
			a.Talk("talk.model.deleted", name)
			return nil
		}
		v, err := exact(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		if err := s.DeleteModelVersion(cmd.Context(), s.WS, v.Model, v.Version); err != nil {
			return err
		}
		a.Talk("talk.model.deleted", ref(v))
		return nil
	})
	cmd.Flags().BoolVar(&all, "all", false, a.Say("flag.model.all"))
	cmd.ValidArgsFunction = frame.Names(a.ModelNames)
	return cmd
}
