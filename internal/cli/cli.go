// Package cli is the command line: "zaffre <noun> <verb>". It is a client of the native API like any
// other; what needs the server's own code is handed to it.
package cli

import (
	"context"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/artifact"
	"github.com/zaffre-ml/zaffre/internal/cli/azure"
	"github.com/zaffre-ml/zaffre/internal/cli/compute"
	"github.com/zaffre-ml/zaffre/internal/cli/environment"
	"github.com/zaffre-ml/zaffre/internal/cli/event"
	"github.com/zaffre-ml/zaffre/internal/cli/experiment"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/image"
	"github.com/zaffre-ml/zaffre/internal/cli/inventory"
	"github.com/zaffre-ml/zaffre/internal/cli/model"
	"github.com/zaffre-ml/zaffre/internal/cli/principal"
	"github.com/zaffre-ml/zaffre/internal/cli/quickstart"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
	"github.com/zaffre-ml/zaffre/internal/cli/scan"
	"github.com/zaffre-ml/zaffre/internal/cli/secret"
	"github.com/zaffre-ml/zaffre/internal/cli/spark"
	"github.com/zaffre-ml/zaffre/internal/cli/text"
	"github.com/zaffre-ml/zaffre/internal/cli/token"
	"github.com/zaffre-ml/zaffre/internal/cli/usql"
	"github.com/zaffre-ml/zaffre/internal/cli/workspace"
	"github.com/zaffre-ml/zaffre/internal/config"
)

// Env is what a call of the CLI stands on.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string

	// Serve runs a server until ctx ends, and returns nil after a graceful stop.
	Serve func(ctx context.Context, cfg config.Config, talk io.Writer) error
	// Backup writes everything that the server keeps into a file; Restore puts it back.
	Backup, Restore func(ctx context.Context, cfg config.Config, file string) error
}

// Main runs one command and returns its exit code: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied,
// 130 interrupted.
func Main(args []string, env Env) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	a := &frame.App{
		Stdin: env.Stdin, Stdout: env.Stdout, Stderr: frame.Locked(env.Stderr), Getenv: env.Getenv,
		Text: text.In(text.Pick(langOf(args), env.Getenv)),
	}
	root := newRoot(a, env)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		a.Tell(err)
	}
	if ctx.Err() != nil && err != nil && frame.ExitCode(err) == frame.ExitFailed {
		return frame.ExitInterrupted
	}
	return frame.ExitCode(err)
}

func newRoot(a *frame.App, env Env) *cobra.Command {
	root := a.Noun("zaffre", "zaffre",
		run.Command(a), artifact.Command(a), model.Command(a), experiment.Command(a), environment.Command(a), image.Command(a), compute.Command(a), spark.Command(a), inventory.Command(a),
		workspace.Command(a), token.Command(a), principal.Command(a), secret.Command(a), event.Command(a), quickstart.Command(a),
		serve(a, env), status(a), login(a), azure.Env(a), azure.Doctor(a), scan.Command(a), usql.Command(a), version(a), configCommand(a), backup(a, env), restore(a, env), completion(a))
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetIn(a.Stdin)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetUsageTemplate(a.Say("usage.template"))
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.CheckOutput() }
	f := root.PersistentFlags()
	f.StringVarP(&a.Output, "output", "o", "table", a.Say("flag.output"))
	f.StringVar(&a.Data, "data", "", a.Say("flag.data"))
	f.StringVarP(&a.Workspace, "workspace", "w", "", a.Say("flag.workspace"))
	f.String("lang", "", a.Say("flag.lang"))
	_ = root.RegisterFlagCompletionFunc("output", frame.Values(frame.Formats))
	_ = root.RegisterFlagCompletionFunc("workspace", frame.Values(a.WorkspaceNames))
	return root
}

// langOf finds --lang before the flags are parsed: their help is in that language too.
func langOf(args []string) string {
	for i, arg := range args {
		if arg == "--" {
			return ""
		}
		if v, ok := strings.CutPrefix(arg, "--lang="); ok {
			return v
		}
		if arg == "--lang" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}
