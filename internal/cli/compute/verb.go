package compute

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// firstWord is the argument that says which flags a command takes.
type firstWord struct {
	usage string // of the command, up to it
	what  string // it is
	list  string // the command that lists them
}

// byWord makes a command whose first argument says which flags it takes. run gets it, and what follows.
func byWord(a *frame.App, key, use string, w firstWord, run func(cmd *cobra.Command, s *frame.Session, word string, rest []string) error) *cobra.Command {
	cmd := a.Command(key, use, cobra.ArbitraryArgs, nil)
	cmd.DisableFlagParsing = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args, help, err := a.TakeGlobals(cmd, args)
		if err != nil {
			return err
		}
		word, rest := takeWord(args)
		if word == "" {
			if help || len(args) == 0 {
				return cmd.Help()
			}
			return frame.Usage(&fault.Error{
				Code: fault.Invalid, Reason: "ArgumentsInvalid", What: "the arguments do not fit: " + w.usage,
				Why: "the first argument is " + w.what, Fix: "run: " + w.list,
			})
		}
		s, err := a.Connect()
		if err != nil {
			return err
		}
		return run(cmd, s, word, rest)
	}
	return cmd
}

// takeWord takes the first argument if it is no flag.
func takeWord(args []string) (string, []string) {
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		return args[0], args[1:]
	}
	return "", args
}

// conclude waits until the target was looked at, and says what came of it.
func conclude(ctx context.Context, a *frame.App, s *frame.Session, c client.Compute, err error) error {
	if err == nil {
		c, err = patiently(a, c.Name, func() (client.Compute, error) { return settled(ctx, s, c) })
	}
	if err != nil {
		return err
	}
	return verdict(a, c)
}
