package artifact

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
)

func list(a *frame.App) *cobra.Command {
	all, limit := false, 1000
	cmd := a.Command("artifact.list", "list [--all] [--limit N] RUN [FOLDER]", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r, err := run.Resolve(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		folder := ""
		if len(args) == 2 {
			folder = args[1]
		}
		files, err := frame.Collect(cmd.Context(), limit, pages(cmd.Context(), s, r.ID, folder, all))
		if err != nil {
			return err
		}
		return Print(a, files)
	})
	cmd.Flags().BoolVar(&all, "all", false, a.Say("flag.artifact.all"))
	cmd.Flags().IntVar(&limit, "limit", limit, a.Say("flag.limit"))
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

// pages lists one level of a folder, or all files below it.
func pages(ctx context.Context, s *frame.Session, id, folder string, all bool) func(client.Cursor) (client.Page[client.Artifact], error) {
	return func(p client.Cursor) (client.Page[client.Artifact], error) {
		if !all {
			return s.ArtifactFolder(ctx, s.WS, id, folder, p)
		}
		if folder != "" {
			folder += "/"
		}
		return s.Artifacts(ctx, s.WS, id, folder, p)
	}
}

// Print writes files as a table, or in the format that was asked for.
func Print(a *frame.App, files []client.Artifact) error {
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	return a.Print(files, names, func() *frame.Table {
		t := &frame.Table{Header: []string{a.Say("col.file"), a.Say("col.size"), a.Say("col.hash"), a.Say("col.age")}}
		for _, f := range files {
			if f.Folder {
				t.Row(f.Path+"/", "", "", "")
				continue
			}
			t.Row(f.Path, frame.Bytes(f.Size), fmt.Sprintf("%.12s", f.Hash), frame.Age(f.Created))
		}
		return t
	})
}
