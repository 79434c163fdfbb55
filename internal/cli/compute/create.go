package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func create(a *frame.App) *cobra.Command {
	first := firstWord{"zaffre compute create KIND NAME", "the kind of the target", "zaffre compute kinds"}
	cmd := byWord(a, "compute.create", "create KIND NAME [FLAGS OF THE KIND]", first, func(cmd *cobra.Command, s *frame.Session, kind string, rest []string) error {
		k, err := kindOf(cmd.Context(), a, s, kind)
		if err != nil {
			return err
		}
		if k.Provision == nil {
			return unmakable(cmd.Context(), s, k)
		}
		return createKind(a, cmd, s, k, rest)
	})
	cmd.ValidArgsFunction = frame.Names(a.KindNames)
	return cmd
}

// unmakable says which kinds there is something to make of.
func unmakable(ctx context.Context, s *frame.Session, k client.Kind) error {
	found, err := s.Kinds(ctx)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(k client.Kind) bool { return k.Provision == nil })
	var names []string
	for _, k := range found {
		names = append(names, k.Name)
	}
	return frame.Usage(&fault.Error{
		Code: fault.Unsupported, Reason: "MakingUnsupported", What: fmt.Sprintf("targets of kind %s are not made", k.Name),
		Why: "they are machines or services that somebody has; made are: " + strings.Join(names, ", "), Fix: "attach it; run: zaffre compute attach " + k.Name + " --help",
	})
}

// createKind runs a command whose flags are the options of the kind.
func createKind(a *frame.App, outer *cobra.Command, s *frame.Session, k client.Kind, args []string) error {
	var values *options
	grants := false
	cmd := a.Command("compute.create", k.Name+" NAME [FLAGS]", named(&grants), func(cmd *cobra.Command, args []string) error {
		if grants {
			return printGrants(a, k.Provision.Grants, values)
		}
		values.name = args[0]
		given, err := values.given(a, nil)
		if err != nil {
			return err
		}
		c, err := s.AttachCompute(cmd.Context(), s.WS, client.Compute{Name: args[0], Kind: k.Name, Made: true, Options: given})
		if err == nil {
			a.Talk("talk.state", c.State, "")
		}
		return conclude(cmd.Context(), a, s, c, err)
	})
	cmd.Long = k.Summary
	cmd.Example = "  zaffre compute create " + k.Name + " box " + k.Provision.Example
	values = declare(a, cmd, k, byMaking)
	if k.Provision.Grants != "" && k.GrantsFlag != "" {
		cmd.Flags().BoolVar(&grants, k.GrantsFlag, false, a.Say("flag.create.grants"))
	}
	return a.Nested(outer, cmd, args)
}
