package image

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/environment"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// asked is what a build is asked for.
type asked struct{ env, base, code, push string }

func build(a *frame.App) *cobra.Command {
	q := asked{}
	cmd := a.Command("image.build", "build [--env FILE|NAME[:VERSION]] [--base IMAGE] [--code DIR] [--push REF] NAME[:TAG]", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		b, err := q.request(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		done, err := await(cmd.Context(), a, s, b)
		if err != nil {
			return err
		}
		return q.verdict(cmd.Context(), a, s, args[0], done)
	})
	cmd.Flags().StringVar(&q.env, "env", "", a.Say("flag.image.env"))
	cmd.Flags().StringVar(&q.base, "base", "", a.Say("flag.image.base"))
	cmd.Flags().StringVar(&q.code, "code", "", a.Say("flag.image.code"))
	cmd.Flags().StringVar(&q.push, "push", "", a.Say("flag.image.push"))
	return cmd
}

// request registers the environment and sends the code.
func (q asked) request(ctx context.Context, a *frame.App, s *frame.Session, name string) (b client.ImageBuild, err error) {
	b = client.ImageBuild{Name: name, Base: q.base}
	if q.env != "" {
		if b.Environment, err = environment.Use(ctx, a, s, q.env); err != nil {
			return b, err
		}
	}
	if q.code == "" {
		return b, nil
	}
	folder, err := client.ReadFolder(ctx, q.code, client.FolderOptions{Cache: filepath.Join(a.CacheDir(), "hashes")})
	if err != nil {
		return b, err
	}
	b.Snapshot, err = s.Upload(ctx, s.WS, folder, nil)
	return b, err
}

const lookEvery = 100 * time.Millisecond

// await shows a build's log to its end.
func await(ctx context.Context, a *frame.App, s *frame.Session, q client.ImageBuild) (client.ImageBuilding, error) {
	b, err := s.BuildImage(ctx, s.WS, q)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for err == nil {
		if _, err = io.WriteString(a.Stderr, b.Log); err != nil || b.State != "running" {
			return b, err
		}
		select {
		case <-tick.C:
			b, err = s.ImageBuildAt(ctx, s.WS, b.ID, b.Next)
		case <-ctx.Done():
			return b, context.Cause(ctx)
		}
	}
	return b, err
}

// verdict tells how a build ended, and pushes what it made.
func (q asked) verdict(ctx context.Context, a *frame.App, s *frame.Session, name string, b client.ImageBuilding) error {
	if b.State == "failed" {
		if b.Error != nil {
			a.TellFault(b.Error)
		}
		return frame.Exit(frame.ExitFailed)
	}
	host, _, _ := s.Registry()
	ref := host + "/" + s.WS + "/" + name
	if q.push != "" {
		if err := push(ctx, a, s, b.Image, q.push); err != nil {
			return err
		}
		ref = q.push
	}
	for _, w := range b.Warnings {
		a.Talk("why.warning", w)
	}
	_, digest, _ := strings.Cut(b.Image, "@")
	err := a.Print(b, []string{digest}, func() *frame.Table {
		t := &frame.Table{Header: []string{a.Say("col.image"), a.Say("col.digest"), a.Say("col.size"), "PYTHON"}}
		t.Row(ref, short(digest), megabytes(b.Bytes), b.Python)
		return t
	})
	if err == nil {
		a.Next("zaffre run submit --compute CLUSTER --option image=" + ref + " SCRIPT")
	}
	return err
}
