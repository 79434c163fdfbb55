package workspace

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func config(a *frame.App) *cobra.Command {
	cmd := a.Command("workspace.config", "config [NAME]", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		name := s.WS
		if len(args) == 1 {
			name = args[0]
		}
		c, err := s.WorkspaceConfig(cmd.Context(), name)
		if err != nil {
			return a.Suggest(err, name, a.WorkspaceNames)
		}
		if a.Output != "table" {
			return a.Print(c, []string{c.Workspace}, nil)
		}
		e := json.NewEncoder(a.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(c)
	})
	cmd.ValidArgsFunction = frame.Names(a.WorkspaceNames)
	return cmd
}
