package model

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/artifact"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// shown is a version with what belongs to it.
type shown struct {
	client.ModelVersion
	Aliases string            `json:"aliases,omitempty"`
	Files   []client.Artifact `json:"files"`
}

func show(a *frame.App) *cobra.Command {
	cmd := a.Command("model.show", "show NAME[:VERSION]", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		v, err := one(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		m, err := s.Model(cmd.Context(), s.WS, v.Model)
		if err != nil {
			return err
		}
		files, err := filesOf(cmd.Context(), s, v, 1000)
		if err != nil {
			return err
		}
		all := shown{v, aliases(m, v.Version), files}
		return a.Print(all, []string{ref(v)}, func() *frame.Table { return fields(a, m, all) })
	})
	cmd.ValidArgsFunction = frame.Names(a.ModelNames)
	return cmd
}

func filesOf(ctx context.Context, s *frame.Session, v client.ModelVersion, limit int) ([]client.Artifact, error) {
	return frame.Collect(ctx, limit, func(p client.Cursor) (client.Page[client.Artifact], error) {
		return s.ModelFiles(ctx, s.WS, v.Model, number(v), "", p)
	})
}

func fields(a *frame.App, m client.Model, v shown) *frame.Table {
	t := frame.Fields(a.Say("col.field"), a.Say("col.value"),
		a.Say("col.model"), v.Model,
		a.Say("col.version"), v.Version,
		a.Say("col.summary"), m.Description,
		a.Say("col.summary"), v.Description,
		a.Say("col.state"), v.Status,
		a.Say("col.stage"), v.Stage,
		a.Say("col.alias"), v.Aliases,
		a.Say("col.run"), v.Run,
		a.Say("col.source"), v.Source,
		a.Say("col.snapshot"), v.Snapshot,
		a.Say("col.environment"), v.Environment,
		a.Say("col.framework"), v.Framework+spaced(v.FrameworkVersion),
		a.Say("col.tags"), frame.PairText(v.Tags),
		a.Say("col.by"), v.CreatedBy,
		a.Say("col.created"), v.Created.Local().Format("2006-01-02 15:04:05"),
	)
	for _, f := range v.Files {
		t.Row(a.Say("col.file"), fmt.Sprintf("%s (%s)", f.Path, frame.Bytes(f.Size)))
	}
	return t
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

func download(a *frame.App) *cobra.Command {
	cmd := a.Command("model.download", "download NAME[:VERSION] [DIR]", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		v, err := one(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		dir := filepath.Base(v.Model)
		if len(args) == 2 {
			dir = args[1]
		}
		files, err := fetch(cmd.Context(), a, s, v, dir)
		if err != nil {
			return err
		}
		if a.Output == "table" {
			a.Talk("talk.downloaded", len(files), dir)
		}
		return artifact.Print(a, files)
	})
	cmd.ValidArgsFunction = frame.Names(a.ModelNames)
	return cmd
}

func fetch(ctx context.Context, a *frame.App, s *frame.Session, v client.ModelVersion, dir string) ([]client.Artifact, error) {
	files, err := filesOf(ctx, s, v, 0)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, f := range files {
		total += f.Size
	}
	bar := a.Bar("bar.download", total)
	defer bar.Done()
	return files, s.DownloadModel(ctx, s.WS, v.Model, number(v), files, dir, bar.Add)
}
