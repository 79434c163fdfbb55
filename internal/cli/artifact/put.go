package artifact

import (
	"context"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
)

func put(a *frame.App) *cobra.Command {
	cmd := a.Command("artifact.put", "put RUN FILE|DIR [PATH]", cobra.RangeArgs(2, 3), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r, err := run.Resolve(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		at := filepath.Base(filepath.Clean(args[1]))
		if len(args) == 3 {
			at = args[2]
		}
		there, err := frame.Collect(cmd.Context(), 0, func(p client.Cursor) (client.Page[client.Artifact], error) {
			return s.Artifacts(cmd.Context(), s.WS, r.ID, at, p)
		})
		if err != nil {
			return err
		}
		files, err := Send(cmd.Context(), a, args[1], at, there, func(ctx context.Context, path string, u client.Upload) (client.Artifact, error) {
			return s.PutArtifact(ctx, s.WS, r.ID, path, u)
		})
		if err != nil {
			return err
		}
		if a.Output == "table" {
			a.Talk("talk.uploaded", len(files), r.ID)
		}
		return Print(a, files)
	})
	return cmd
}

// Send uploads a file, or the files of a folder, to below a path; "" is the root. What is there with the
// same bytes is not sent again.
func Send(ctx context.Context, a *frame.App, from, at string, there []client.Artifact, put func(context.Context, string, client.Upload) (client.Artifact, error)) ([]client.Artifact, error) {
	files, total, err := collect(from, at)
	if err != nil {
		return nil, err
	}
	known := map[string]client.Artifact{}
	for _, f := range there {
		known[f.Path] = f
	}
	bar := a.Bar("bar.upload", total)
	defer bar.Done()
	sent := []client.Artifact{}
	for _, f := range files {
		u, err := client.FileUpload(f.name)
		if err != nil {
			return nil, err
		}
		got, ok := known[f.path]
		if ok && got.Hash == u.Hash {
			bar.Add(u.Size)
		} else {
			u.Progress = bar.Add
			if got, err = put(ctx, f.path, u); err != nil {
				return nil, err
			}
		}
		sent = append(sent, got)
	}
	return sent, nil
}

// local is a file of this machine, and where it is to be.
type local struct{ name, path string }

func (l local) below(at string) local {
	l.path = path.Join(at, filepath.ToSlash(l.path))
	return l
}
