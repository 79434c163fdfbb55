package workspace

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	return a.Command("workspace.list", "list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := frame.Collect(cmd.Context(), 0, func(p client.Cursor) (client.Page[client.Workspace], error) {
			return s.Workspaces(cmd.Context(), p)
		})
		if err != nil {
			return err
		}
		return printAll(a, found)
	})
}
