package compute

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func sshTo(a *frame.App) *cobra.Command {
	stdio := false
	cmd := a.Command("compute.ssh", "ssh NAME [-- COMMAND…]", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		if stdio {
			return serveSSH(cmd.Context(), a, s, args[0])
		}
		exit, err := shell(cmd.Context(), a, s, args[0], args[1:])
		if err != nil {
			return a.Suggest(err, args[0], a.ComputeNames)
		}
		if exit != 0 {
			return frame.Exit(exit)
		}
		return nil
	})
	cmd.Flags().BoolVar(&stdio, "stdio", false, a.Say("flag.ssh.stdio"))
	cmd.ValidArgsFunction = frame.Names(a.ComputeNames)
	return cmd
}

// shell runs a command, or the login shell, and returns its exit code. A login shell gets a terminal if
// this is one.
func shell(ctx context.Context, a *frame.App, s *frame.Session, name string, command []string) (int, error) {
	q := client.ShellRequest{Command: command}
	in, isFile := a.Stdin.(*os.File)
	if isFile && len(command) == 0 && term.IsTerminal(int(in.Fd())) {
		q.Terminal = true
		q.Columns, q.Rows, _ = term.GetSize(int(in.Fd()))
	}
	sh, err := s.OpenShell(ctx, s.WS, name, q)
	if err != nil {
		return 0, err
	}
	defer sh.Close()
	defer context.AfterFunc(ctx, func() { sh.Close() })()
	if q.Terminal {
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return 0, err
		}
		defer func() { _ = term.Restore(int(in.Fd()), old) }()
		defer follow(in, sh)()
	}
	go func() { _ = sh.Send(a.Stdin) }() // ends with the program: a terminal cannot be asked to stop reading
	exit, err := sh.Wait(a.Stdout, a.Stderr)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return exit, err
}
