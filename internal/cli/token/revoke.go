package token

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func revoke(a *frame.App) *cobra.Command {
	return a.Command("token.revoke", "revoke ID…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		for _, id := range args {
			if err := s.RevokeToken(cmd.Context(), id); err != nil {
				return err
			}
			a.Talk("talk.revoked", id)
		}
		return nil
	})
}
