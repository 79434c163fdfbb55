package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func get(a *frame.App) *cobra.Command {
	return a.Command("artifact.get", "get RUN PATH [DIR]", cobra.RangeArgs(2, 3), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r, err := run.Resolve(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		files, err := below(cmd.Context(), s, r.ID, args[1])
		if err != nil {
			return err
		}
		dir := "."
		if len(args) == 3 {
			dir = args[2]
		}
		if dir == "-" {
			return toStdout(cmd.Context(), a, s, r.ID, files)
		}
		return toFolder(cmd.Context(), a, s, r.ID, files, dir)
	})
}

// below returns the file at a path, or the files in the folder there.
func below(ctx context.Context, s *frame.Session, id, path string) ([]client.Artifact, error) {
	all, err := frame.Collect(ctx, 0, func(p client.Cursor) (client.Page[client.Artifact], error) {
		return s.Artifacts(ctx, s.WS, id, path, p)
	})
	if err != nil {
		return nil, err
	}
	var files []client.Artifact
	for _, f := range all {
		if f.Path == path || len(f.Path) > len(path) && (f.Path[len(path)] == '/' || path == "" || path[len(path)-1] == '/') {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, &fault.Error{
			Code: fault.NotFound, Reason: "ArtifactNotFound", What: fmt.Sprintf("run %s has no file or folder %q", id, path),
			Why: "it left none of that name", Fix: "look at what there is; run: zaffre artifact list " + id,
		}
	}
	return files, nil
}

func toFolder(ctx context.Context, a *frame.App, s *frame.Session, id string, files []client.Artifact, dir string) error {
	total := int64(0)
	for _, f := range files {
		total += f.Size
	}
	bar := a.Bar("bar.download", total)
	err := s.Download(ctx, s.WS, id, files, dir, bar.Add)
	bar.Done()
	if err != nil {
		return err
	}
	if a.Output == "table" {
		a.Talk("talk.downloaded", len(files), dir)
	}
	return Print(a, files)
}

// toStdout writes one file to the standard output, and fails at the end if its bytes are not those that
// the server has.
func toStdout(ctx context.Context, a *frame.App, s *frame.Session, id string, files []client.Artifact) error {
	if len(files) != 1 {
		return frame.Usage(&fault.Error{
			Code: fault.Invalid, Reason: "ArgumentsInvalid", What: "cannot write a folder to the standard output",
			Why: fmt.Sprintf("it holds %d files", len(files)), Fix: "name a file, or a folder of this machine instead of -",
		})
	}
	body, err := s.OpenArtifact(ctx, s.WS, id, files[0].Path, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(a.Stdout, sum), body); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != files[0].Hash {
		return &fault.Error{
			Code: fault.Internal, Reason: "HashMismatch", What: "the file arrived with other bytes than it has",
			Why: "the transfer broke off, or the server's disk is damaged", Fix: "run the same command again",
		}
	}
	return nil
}
