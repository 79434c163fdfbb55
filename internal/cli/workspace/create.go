package workspace

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func create(a *frame.App) *cobra.Command {
	return a.Command("workspace.create", "create NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		w, err := s.CreateWorkspace(cmd.Context(), client.Workspace{Name: args[0]})
		if err != nil {
			return err
		}
		if err := printOne(a, w); err != nil {
			return err
		}
		a.Next("zaffre workspace use " + w.Name)
		return nil
	})
}
