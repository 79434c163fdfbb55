package environment

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	limit := 50
	cmd := a.Command("environment.list", "list [--limit N] [NAME]", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		name := ""
		if len(args) == 1 {
			name = args[0]
		}
		envs, err := frame.Collect(cmd.Context(), limit, func(p client.Cursor) (client.Page[client.Environment], error) {
			return s.Environments(cmd.Context(), s.WS, name, p)
		})
		if err != nil {
			return err
		}
		return printAll(a, envs)
	})
	cmd.Flags().IntVar(&limit, "limit", limit, a.Say("flag.limit"))
	cmd.ValidArgsFunction = frame.Names(a.EnvironmentNames)
	return cmd
}

func printAll(a *frame.App, envs []client.Environment) error {
	var names []string
	for _, e := range envs {
		names = append(names, fmt.Sprintf("%s:%d", e.Name, e.Version))
	}
	return a.Print(envs, names, func() *frame.Table {
		t := &frame.Table{Header: []string{a.Say("col.environment"), a.Say("col.version"), a.Say("col.digest"), a.Say("col.by"), a.Say("col.age")}}
		for _, e := range envs {
			t.Row(e.Name, e.Version, fmt.Sprintf("%.12s", e.Digest), e.CreatedBy, frame.Age(e.Created))
		}
		return t
	})
}
