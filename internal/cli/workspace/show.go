package workspace

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func show(a *frame.App) *cobra.Command {
	cmd := a.Command("workspace.show", "show [NAME]", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		name := s.WS
		if len(args) == 1 {
			name = args[0]
		}
		w, err := s.Workspace(cmd.Context(), name)
		if err != nil {
			return a.Suggest(err, name, a.WorkspaceNames)
		}
		return printOne(a, w)
	})
	cmd.ValidArgsFunction = frame.Names(a.WorkspaceNames)
	return cmd
}
