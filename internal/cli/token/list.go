package token

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	return a.Command("token.list", "list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := frame.Collect(cmd.Context(), 0, func(p client.Cursor) (client.Page[client.Token], error) {
			return s.Tokens(cmd.Context(), p)
		})
		if err != nil {
			return err
		}
		var ids []string
		for _, t := range found {
			ids = append(ids, t.ID)
		}
		return a.Print(found, ids, func() *frame.Table { return table(a, found) })
	})
}
