package token

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func create(a *frame.App) *cobra.Command {
	role, lifetime, everywhere := "Contributor", time.Duration(0), false
	cmd := a.Command("token.create", "create [--role R] [--expires D] [--everywhere] NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		t := client.Token{Name: args[0], Workspace: s.WS, Role: role}
		if everywhere {
			t.Workspace = "*"
		}
		if lifetime > 0 {
			t.Expires = time.Now().Add(lifetime).UTC().Truncate(time.Second)
		}
		if t, err = s.CreateToken(cmd.Context(), t); err != nil {
			return err
		}
		if a.Output != "table" {
			return a.Print(t, []string{t.ID}, nil)
		}
		a.Talk("talk.token", t.ID, t.Name, t.Role)
		fmt.Fprintln(a.Stdout, t.Secret)
		a.Next("zaffre login " + s.URL())
		return nil
	})
	f := cmd.Flags()
	f.StringVar(&role, "role", role, a.Say("flag.token.role"))
	f.DurationVar(&lifetime, "expires", 0, a.Say("flag.token.expires"))
	f.BoolVar(&everywhere, "everywhere", false, a.Say("flag.token.everywhere"))
	_ = cmd.RegisterFlagCompletionFunc("role", frame.Values(func() []string { return []string{"Reader", "Contributor", "Owner"} }))
	return cmd
}
