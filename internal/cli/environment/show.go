package environment

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func show(a *frame.App) *cobra.Command {
	cmd := a.Command("environment.show", "show NAME[:VERSION]", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		name, version := split(args[0])
		e, err := s.Environment(cmd.Context(), s.WS, name, version)
		if err != nil {
			return a.Suggest(err, name, a.EnvironmentNames)
		}
		return a.Print(e, []string{fmt.Sprintf("%s:%d", e.Name, e.Version)}, func() *frame.Table { return fields(a, e) })
	})
	cmd.ValidArgsFunction = frame.Names(a.EnvironmentNames)
	return cmd
}

func fields(a *frame.App, e client.Environment) *frame.Table {
	t := frame.Fields(a.Say("col.field"), a.Say("col.value"),
		a.Say("col.environment"), e.Name,
		a.Say("col.version"), e.Version,
		a.Say("col.digest"), e.Digest,
		"Python", e.Python,
		a.Say("col.by"), e.CreatedBy,
		a.Say("col.created"), e.Created.Local().Format("2006-01-02 15:04:05"),
		"pip", strings.Join(e.Pip, " "),
	)
	for line := range strings.Lines(e.Conda) {
		t.Row("conda", strings.TrimRight(line, "\r\n"))
	}
	return t
}
