// Package principal has the commands about service principals.
package principal

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "principal".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("principal", "principal", create(a), list(a), rotate(a), remove(a))
}

func create(a *frame.App) *cobra.Command {
	role, lifetime, everywhere := "Contributor", time.Duration(0), false
	cmd := a.Command("principal.create", "create [--role R] [--expires D] [--everywhere] NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		p := client.Principal{Name: args[0], Workspace: s.WS, Role: role, Expires: end(lifetime)}
		if everywhere {
			p.Workspace = "*"
		}
		if p, err = s.CreatePrincipal(cmd.Context(), p); err != nil {
			return err
		}
		return tell(a, p)
	})
	f := cmd.Flags()
	f.StringVar(&role, "role", role, a.Say("flag.token.role"))
	f.DurationVar(&lifetime, "expires", 0, a.Say("flag.principal.expires"))
	f.BoolVar(&everywhere, "everywhere", false, a.Say("flag.token.everywhere"))
	_ = cmd.RegisterFlagCompletionFunc("role", frame.Values(func() []string { return []string{"Reader", "Contributor", "Owner"} }))
	return cmd
}

func rotate(a *frame.App) *cobra.Command {
	lifetime := time.Duration(0)
	cmd := a.Command("principal.rotate", "rotate [--expires D] CLIENT-ID", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		p, err := s.RotatePrincipal(cmd.Context(), args[0], end(lifetime))
		if err != nil {
			return err
		}
		return tell(a, p)
	})
	cmd.Flags().DurationVar(&lifetime, "expires", 0, a.Say("flag.principal.expires"))
	cmd.ValidArgsFunction = frame.Names(a.PrincipalNames)
	return cmd
}

// end is when a lifetime that begins now ends; zero is never.
func end(lifetime time.Duration) time.Time {
	if lifetime <= 0 {
		return time.Time{}
	}
	return time.Now().Add(lifetime).UTC().Truncate(time.Second)
}

// tell shows a principal whose secret was made: the secret alone is data.
func tell(a *frame.App, p client.Principal) error {
	if a.Output != "table" {
		return a.Print(p, []string{p.ID}, nil)
	}
	a.Talk("talk.principal", p.ID, p.Name, p.Role, p.Tenant)
	fmt.Fprintln(a.Stdout, p.Secret)
	a.Next("zaffre env --principal " + p.ID + " --secret-file FILE")
	return nil
}

func list(a *frame.App) *cobra.Command {
	return a.Command("principal.list", "list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := all(cmd.Context(), s)
		if err != nil {
			return err
		}
		var ids []string
		for _, p := range found {
			ids = append(ids, p.ID)
		}
		return a.Print(found, ids, func() *frame.Table { return table(a, found) })
	})
}

func all(ctx context.Context, s *frame.Session) ([]client.Principal, error) {
	return frame.Collect(ctx, 0, func(p client.Cursor) (client.Page[client.Principal], error) { return s.Principals(ctx, p) })
}

func table(a *frame.App, found []client.Principal) *frame.Table {
	t := &frame.Table{Header: []string{
		a.Say("col.clientid"), a.Say("col.name"), a.Say("col.workspace"), a.Say("col.role"), a.Say("col.state"), a.Say("col.by"), a.Say("col.age"), a.Say("col.secretage"),
	}}
	for _, p := range found {
		state := a.Say("token.good")
		if !p.Expires.IsZero() && p.Expires.Before(time.Now()) {
			state = a.Say("token.expired")
		}
		t.Row(p.ID, p.Name, p.Workspace, p.Role, state, p.CreatedBy, frame.Age(p.Created), frame.Age(p.Rotated))
	}
	return t
}

func remove(a *frame.App) *cobra.Command {
	cmd := a.Command("principal.delete", "delete CLIENT-ID…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		for _, id := range args {
			if err := s.DeletePrincipal(cmd.Context(), id); err != nil {
				return err
			}
			a.Talk("talk.principal.deleted", id)
		}
		return nil
	})
	cmd.ValidArgsFunction = frame.Names(a.PrincipalNames)
	return cmd
}
