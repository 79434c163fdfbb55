package compute

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// named wants the target's name, but where only what is to be granted is printed.
func named(grants *bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if *grants {
			return cobra.MaximumNArgs(1)(cmd, args)
		}
		return cobra.ExactArgs(1)(cmd, args)
	}
}

// placeholder is an option in a kind's grants, with what stands there when it is not given.
var placeholder = regexp.MustCompile(`\{(\w+):([^}]*)\}`)

// printGrants prints what the engine's administrator grants, for the flags that are given. Nothing is attached.
func printGrants(a *frame.App, grants string, given *options) error {
	said := map[string]string{}
	for _, o := range given.kind.Options {
		if f := given.flags.Lookup(flagName(o)); f != nil && f.Changed && !o.Secret {
			said[o.Path] = f.Value.String()
		}
	}
	_, err := fmt.Fprint(a.Stdout, placeholder.ReplaceAllStringFunc(grants, func(p string) string {
		m := placeholder.FindStringSubmatch(p)
		if v := said[m[1]]; v != "" {
			return v
		}
		return m[2]
	}))
	return err
}
