package run

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func download(a *frame.App) *cobra.Command {
	prefix := ""
	cmd := a.Command("run.download", "download [--prefix P] RUN [DIR]", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r, err := resolve(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		dir := filepath.Base(r.ID)
		if len(args) == 2 {
			dir = args[1]
		}
		files, err := Download(cmd.Context(), a, s, r.ID, prefix, dir)
		if err != nil {
			return err
		}
		return printFiles(a, files, dir)
	})
	cmd.Flags().StringVar(&prefix, "prefix", "", a.Say("flag.download.prefix"))
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

// Download fetches the artifacts of a run below a prefix of their paths into a folder, and returns
// them. A file that is there with the right bytes is not fetched again, and one that was begun is
// continued.
func Download(ctx context.Context, a *frame.App, s *frame.Session, id, prefix, dir string) ([]client.Artifact, error) {
	files, err := frame.Collect(ctx, 0, func(p client.Cursor) (client.Page[client.Artifact], error) {
		return s.Artifacts(ctx, s.WS, id, prefix, p)
	})
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, f := range files {
		total += f.Size
	}
	bar := a.Bar("bar.download", total)
	defer bar.Done()
	return files, s.Download(ctx, s.WS, id, files, dir, bar.Add)
}

func printFiles(a *frame.App, files []client.Artifact, dir string) error {
	var names []string
	for _, f := range files {
		names = append(names, filepath.Join(dir, filepath.FromSlash(f.Path)))
	}
	if a.Output == "table" {
		a.Talk("talk.downloaded", len(files), dir)
		if len(files) == 0 {
			return nil
		}
	}
	return a.Print(files, names, func() *frame.Table {
		t := &frame.Table{Header: []string{a.Say("col.file"), a.Say("col.size"), a.Say("col.hash")}}
		for i, f := range files {
			t.Row(names[i], frame.Bytes(f.Size), fmt.Sprintf("%.12s", f.Hash))
		}
		return t
	})
}
