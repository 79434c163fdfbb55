// Package token has the commands about tokens.
package token

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "token".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("token", "token", create(a), list(a), revoke(a))
}

func table(a *frame.App, tokens []client.Token) *frame.Table {
	t := &frame.Table{Header: []string{"ID", a.Say("col.name"), a.Say("col.workspace"), a.Say("col.role"), a.Say("col.state"), a.Say("col.by"), a.Say("col.age")}}
	for _, k := range tokens {
		t.Row(k.ID, k.Name, k.Workspace, k.Role, state(a, k), k.CreatedBy, frame.Age(k.Created))
	}
	return t
}

func state(a *frame.App, t client.Token) string {
	switch {
	case !t.Revoked.IsZero():
		return a.Say("token.revoked")
	case !t.Expires.IsZero() && t.Expires.Before(time.Now()):
		return a.Say("token.expired")
	}
	return a.Say("token.good")
}
