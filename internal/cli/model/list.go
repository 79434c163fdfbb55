package model

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	limit := 50
	cmd := a.Command("model.list", "list [--limit N] [NAME]", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		if len(args) == 1 {
			return listVersions(cmd.Context(), a, s, args[0], limit)
		}
		models, err := frame.Collect(cmd.Context(), limit, func(p client.Cursor) (client.Page[client.Model], error) {
			return s.Models(cmd.Context(), s.WS, p)
		})
		if err != nil {
			return err
		}
		return printModels(a, models)
	})
	cmd.Flags().IntVar(&limit, "limit", limit, a.Say("flag.limit"))
	cmd.ValidArgsFunction = frame.Names(a.ModelNames)
	return cmd
}

func printModels(a *frame.App, models []client.Model) error {
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	return a.Print(models, names, func() *frame.Table {
		t := &frame.Table{Header: []string{a.Say("col.model"), a.Say("col.version"), a.Say("col.tags"), a.Say("col.by"), a.Say("col.age")}}
		for _, m := range models {
			t.Row(m.Name, m.Latest, frame.PairText(m.Tags), m.CreatedBy, frame.Age(m.Updated))
		}
		return t
	})
}

func listVersions(ctx context.Context, a *frame.App, s *frame.Session, name string, limit int) error {
	m, err := s.Model(ctx, s.WS, name)
	if err != nil {
		return a.Suggest(err, name, a.ModelNames)
	}
	versions, err := frame.Collect(ctx, limit, func(p client.Cursor) (client.Page[client.ModelVersion], error) {
		return s.ModelVersions(ctx, s.WS, name, p)
	})
	if err != nil {
		return err
	}
	var names []string
	for _, v := range versions {
		names = append(names, ref(v))
	}
	return a.Print(versions, names, func() *frame.Table {
		t := &frame.Table{Header: []string{
			a.Say("col.model"), a.Say("col.version"), a.Say("col.stage"), a.Say("col.alias"), a.Say("col.state"), a.Say("col.run"), a.Say("col.tags"), a.Say("col.age"),
		}}
		for _, v := range versions {
			t.Row(v.Model, v.Version, v.Stage, aliases(m, v.Version), v.Status, v.Run, frame.PairText(v.Tags), frame.Age(v.Created))
		}
		return t
	})
}
