package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/environment"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// options are the flags of submit.
type options struct {
	request client.RunRequest
	env     string
	source  string
	memory  string
	timeout time.Duration
	lost    time.Duration
	follow  bool
}

func submit(a *frame.App) *cobra.Command {
	o := &options{}
	cmd := a.Command("run.submit", "submit [FLAGS] SCRIPT [ARGS…] | submit [FLAGS] -- COMMAND [ARGS…]", cobra.MinimumNArgs(1),
		func(cmd *cobra.Command, args []string) error {
			args = trailingOutput(a, cmd, args)
			s, err := a.Connect()
			if err != nil {
				return err
			}
			r, err := o.submit(cmd.Context(), a, s, args, cmd.ArgsLenAtDash() == 0)
			if err != nil {
				return err
			}
			return o.after(cmd.Context(), a, s, r)
		})
	o.flags(a, cmd)
	return cmd
}

func (o *options) flags(a *frame.App, cmd *cobra.Command) {
	f, r := cmd.Flags(), &o.request
	f.SetInterspersed(false) // what stands after the script is the script's
	f.StringVar(&r.Compute, "compute", "", a.Say("flag.submit.compute"))
	f.StringVar(&o.env, "env", "", a.Say("flag.submit.env"))
	f.StringVar(&r.Experiment, "experiment", "", a.Say("flag.submit.experiment"))
	f.BoolVar(&o.follow, "follow", false, a.Say("flag.submit.follow"))
	f.StringVar(&r.Name, "name", "", a.Say("flag.submit.name"))
	f.StringVar(&r.Display, "display", "", a.Say("flag.submit.display"))
	f.StringVar(&o.source, "source", "", a.Say("flag.submit.source"))
	f.StringVar(&r.Dir, "dir", "", a.Say("flag.submit.dir"))
	f.IntVar(&r.GPUs, "gpus", 0, a.Say("flag.submit.gpus"))
	f.Float64Var(&r.CPU, "cpu", 0, a.Say("flag.submit.cpu"))
	f.StringVar(&o.memory, "memory", "", a.Say("flag.submit.memory"))
	f.IntVar(&r.Priority, "priority", 0, a.Say("flag.submit.priority"))
	f.DurationVar(&o.timeout, "timeout", 0, a.Say("flag.submit.timeout"))
	f.DurationVar(&o.lost, "lost-after", 0, a.Say("flag.submit.lost"))
	f.IntVar(&r.Retries, "retries", 0, a.Say("flag.submit.retries"))
	f.Var(&pairFlag{&o.request.Variables}, "set", a.Say("flag.submit.set"))
	f.Var(frame.Options{Into: &r.Options}, "option", a.Say("flag.submit.option"))
	f.Var(&pairFlag{&o.request.Tags}, "tag", a.Say("flag.submit.tag"))
	_ = cmd.RegisterFlagCompletionFunc("compute", frame.Values(a.ComputeNames))
	_ = cmd.RegisterFlagCompletionFunc("experiment", frame.Values(a.ExperimentNames))
}

// submit sends what the run needs and asks for it.
func (o *options) submit(ctx context.Context, a *frame.App, s *frame.Session, args []string, raw bool) (client.Run, error) {
	req := o.request
	memory, err := parseBytes(o.memory)
	if err != nil {
		return client.Run{}, err
	}
	req.Memory, req.Timeout, req.LostAfter = memory, o.timeout.Seconds(), o.lost.Seconds()
	code, err := locate(args, o.source, raw)
	if err != nil {
		return client.Run{}, err
	}
	req.Command = code.command
	if o.env != "" {
		if req.Environment, err = environment.Use(ctx, a, s, o.env); err != nil {
			return client.Run{}, err
		}
	}
	if code.dir != "" {
		if req.Snapshot, err = upload(ctx, a, s, code.dir); err != nil {
			return client.Run{}, err
		}
	}
	if req.Name == "" {
		req.Name = client.NewName() // so that asking again after a broken connection is safe
	}
	r, err := s.Submit(ctx, s.WS, req)
	return r, o.suggest(a, err)
}

// suggest adds names like the one that the server does not know.
func (o *options) suggest(a *frame.App, err error) error {
	reason := client.ReasonOf(err)
	switch {
	case strings.HasPrefix(reason, "Compute"):
		return a.Suggest(err, o.request.Compute, a.ComputeNames)
	case strings.HasPrefix(reason, "Environment"):
		return a.Suggest(err, o.env, a.EnvironmentNames)
	}
	return err
}

// after follows the run, or tells how to.
func (o *options) after(ctx context.Context, a *frame.App, s *frame.Session, r client.Run) error {
	if o.follow {
		return o.followed(ctx, a, s, r)
	}
	if a.Output != "table" {
		return a.Print(r, []string{r.ID}, nil)
	}
	a.Talk("talk.submitted", r.ID, r.Experiment, r.Number, r.Compute)
	fmt.Fprintln(a.Stdout, r.ID)
	a.Next("zaffre run logs -f " + r.ID)
	return nil
}

func (o *options) followed(ctx context.Context, a *frame.App, s *frame.Session, r client.Run) error {
	a.Talk("talk.submitted", r.ID, r.Experiment, r.Number, r.Compute)
	log := a.Stdout
	if a.Output != "table" {
		log = a.Stderr // Stdout is for the run as data
	}
	id := r.ID
	r, err := Follow(ctx, a, s, r, log)
	if ctx.Err() != nil {
		a.Talk("talk.detached", id)
		a.Next("zaffre run logs -f " + id)
		a.Next("zaffre run cancel " + id)
		return frame.Exit(frame.ExitInterrupted)
	}
	if err != nil {
		return err
	}
	if a.Output != "table" {
		if err := a.Print(r, []string{r.ID}, nil); err != nil {
			return err
		}
	}
	return Verdict(a, r)
}

// Verdict tells how a run ended, and fails if it did not complete.
func Verdict(a *frame.App, r client.Run) error {
	after := took(r)
	if after != "" {
		after = " " + after
	}
	a.Talk("talk.ended", r.ID, a.State(r.State), after)
	if r.State == "Completed" {
		a.Next("zaffre run download " + r.ID)
		return nil
	}
	if r.Error != nil {
		a.TellFault(r.Error)
	}
	a.Next("zaffre run why " + r.ID)
	return frame.Exit(frame.ExitFailed)
}

// upload makes a snapshot of a folder.
func upload(ctx context.Context, a *frame.App, s *frame.Session, dir string) (string, error) {
	folder, err := client.ReadFolder(ctx, dir, client.FolderOptions{Cache: filepath.Join(a.CacheDir(), "hashes")})
	if err != nil {
		return "", err
	}
	bar := &frame.Bar{}
	defer func() { bar.Done() }()
	return s.Upload(ctx, s.WS, folder, func(sent, total int64) {
		if sent > 0 && !bar.Shown() {
			bar = a.Bar("bar.upload", total)
		}
		bar.Set(sent)
	})
}

// trailingOutput takes "-o FORMAT" for zaffre's own where it stands at the very end: it is usual to
// write it there. A script whose own arguments end so is given them after "--".
func trailingOutput(a *frame.App, cmd *cobra.Command, args []string) []string {
	if cmd.ArgsLenAtDash() == 0 {
		return args
	}
	if len(args) > 1 && args[1] == "--" {
		return append(args[:1:1], args[2:]...)
	}
	n := len(args)
	if n >= 3 && (args[n-2] == "-o" || args[n-2] == "--output") && frame.IsFormat(args[n-1]) {
		a.Output = args[n-1]
		a.Talk("talk.trailingoutput", args[n-2]+" "+args[n-1])
		return args[:n-2]
	}
	return args
}

// pairFlag collects K=V.
type pairFlag struct{ into *map[string]string }

func (p *pairFlag) String() string { return "" }
func (p *pairFlag) Type() string   { return "K=V" }
func (p *pairFlag) Set(s string) error {
	k, v, ok := strings.Cut(s, "=")
	if !ok || k == "" {
		return errors.New("it is not of the form KEY=VALUE")
	}
	if *p.into == nil {
		*p.into = map[string]string{}
	}
	(*p.into)[k] = v
	return nil
}
