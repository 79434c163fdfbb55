package model

import (
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/artifact"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// giveUpWithin is how long Ctrl-C waits for the server.
const giveUpWithin = 5 * time.Second

func register(a *frame.App) *cobra.Command {
	var r client.ModelVersionRequest
	cmd := a.Command("model.register", "register [--run RUN] [flags] NAME PATH", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r.Request = rand.Text()
		v, err := registered(cmd.Context(), a, s, args, r)
		if err != nil {
			return err
		}
		a.Talk("talk.model.registered", v.Model, v.Version)
		if err := told(a, v); err != nil {
			return err
		}
		a.Next("zaffre model show " + ref(v))
		return nil
	})
	f := cmd.Flags()
	f.StringVar(&r.Run, "run", "", a.Say("flag.model.run"))
	f.StringVar(&r.Description, "description", "", a.Say("flag.model.description"))
	f.Var(&frame.Pairs{Into: &r.Tags}, "tag", a.Say("flag.submit.tag"))
	f.StringVar(&r.Framework, "framework", "", a.Say("flag.model.framework"))
	f.StringVar(&r.FrameworkVersion, "framework-version", "", a.Say("flag.model.frameworkversion"))
	f.StringVar(&r.Environment, "env", "", a.Say("flag.model.env"))
	_ = cmd.RegisterFlagCompletionFunc("run", frame.Values(a.RunNames))
	return cmd
}

func registered(ctx context.Context, a *frame.App, s *frame.Session, args []string, r client.ModelVersionRequest) (client.ModelVersion, error) {
	path := ""
	if len(args) == 2 {
		path = args[1]
	}
	if r.Run == "" {
		return uploaded(ctx, a, s, args[0], path, r)
	}
	from, err := run.Resolve(ctx, a, s, r.Run)
	if err != nil {
		return client.ModelVersion{}, err
	}
	r.Run, r.Path = from.ID, path
	return s.RegisterModel(ctx, s.WS, args[0], r)
}

// uploaded registers files of this machine: nobody takes the version for ready before all are there.
func uploaded(ctx context.Context, a *frame.App, s *frame.Session, name, path string, r client.ModelVersionRequest) (v client.ModelVersion, err error) {
	if path == "" {
		return v, frame.Usage(&fault.Error{
			Code: fault.Invalid, Reason: "ArgumentsInvalid", What: "it is not said which files the model has",
			Why: "there is neither a run nor a file", Fix: "name a file or a folder, or a run with --run; run: zaffre model register --help",
		})
	}
	if err := artifact.Check(path); err != nil {
		return v, err
	}
	r.Upload = true
	if v, err = s.RegisterModel(ctx, s.WS, name, r); err != nil {
		return v, err
	}
	_, err = artifact.Send(ctx, a, path, "", nil, func(ctx context.Context, path string, u client.Upload) (client.Artifact, error) {
		return s.PutModelFile(ctx, s.WS, name, v.Version, path, u)
	})
	if err != nil {
		giveUp(ctx, s, name, v.Version)
		return v, err
	}
	return s.FinishModel(ctx, s.WS, name, v.Version, "")
}

// giveUp deletes the version whose files did not arrive, also after Ctrl-C. Where that fails it stays
// pending: nobody takes it for the newest.
func giveUp(ctx context.Context, s *frame.Session, name string, version int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpWithin)
	defer cancel()
	_ = s.DeleteModelVersion(ctx, s.WS, name, version)
}

func number(v client.ModelVersion) string { return strconv.Itoa(v.Version) }
