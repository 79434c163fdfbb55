package compute

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func attach(a *frame.App) *cobra.Command {
	cmd := a.Command("compute.attach", "attach KIND NAME [FLAGS OF THE KIND]", cobra.ArbitraryArgs, nil)
	cmd.DisableFlagParsing = true // which flags there are, the kind says
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args, help, err := a.TakeGlobals(cmd, args)
		if err != nil {
			return err
		}
		kind, rest := takeWord(args)
		if kind == "" {
			if help || len(args) == 0 {
				return cmd.Help()
			}
			return frame.Usage(&fault.Error{
				Code: fault.Invalid, Reason: "ArgumentsInvalid", What: "the arguments do not fit: zaffre compute attach KIND NAME",
				Why: "the first argument is the kind of the target", Fix: "run: zaffre compute kinds",
			})
		}
		s, err := a.Connect()
		if err != nil {
			return err
		}
		k, err := kindOf(cmd.Context(), a, s, kind)
		if err != nil {
			return err
		}
		return attachKind(a, cmd, s, k, rest)
	}
	cmd.ValidArgsFunction = frame.Names(a.KindNames)
	return cmd
}

// attachKind runs a command whose flags are the options of the kind.
func attachKind(a *frame.App, outer *cobra.Command, s *frame.Session, k client.Kind, args []string) error {
	shared := false
	var values *options
	cmd := a.Command("compute.attach", fmt.Sprintf("zaffre compute attach %s NAME [FLAGS]", k.Name), cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		given, err := values.given(a, cmd)
		if err != nil {
			return err
		}
		c, err := s.AttachCompute(cmd.Context(), s.WS, client.Compute{Name: args[0], Kind: k.Name, Options: given, Shared: shared})
		if err != nil {
			return err
		}
		if c, err = settled(cmd.Context(), s, c); err != nil {
			return err
		}
		return verdict(a, c)
	})
	cmd.Long = k.Summary
	values = declare(a, cmd, k)
	cmd.Flags().BoolVar(&shared, "shared", false, a.Say("flag.attach.shared"))
	return a.Nested(outer, cmd, args)
}

// takeWord takes the first argument that is no flag.
func takeWord(args []string) (string, []string) {
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		return args[0], args[1:]
	}
	return "", args
}
