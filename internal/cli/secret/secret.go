// Package secret has the commands about the workspace's secrets.
package secret

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "secret".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("secret", "secret", set(a), get(a), list(a), remove(a))
}

func set(a *frame.App) *cobra.Command {
	file, kind := "-", ""
	cmd := a.Command("secret.set", "set [--file FILE] NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		value, err := a.AskSecret(file, a.Say("talk.secret.ask", args[0]))
		if err != nil {
			return err
		}
		s, err := a.Connect()
		if err != nil {
			return err
		}
		kept, err := s.SetSecret(cmd.Context(), s.WS, client.Secret{Name: args[0], Value: value, ContentType: kind})
		if err != nil {
			return err
		}
		a.Talk("talk.secret.set", kept.Name)
		return nil
	})
	cmd.Flags().StringVar(&file, "file", file, a.Say("flag.secret.file"))
	cmd.Flags().StringVar(&kind, "content-type", "", a.Say("flag.secret.type"))
	return cmd
}

func get(a *frame.App) *cobra.Command {
	return a.Command("secret.get", "get NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := s.Secret(cmd.Context(), s.WS, args[0])
		if err != nil {
			return err
		}
		if a.Output != "table" {
			return a.Print(found, []string{found.Name}, nil)
		}
		_, err = fmt.Fprintln(a.Stdout, found.Value)
		return err
	})
}

func list(a *frame.App) *cobra.Command {
	return a.Command("secret.list", "list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := frame.Collect(cmd.Context(), 0, func(p client.Cursor) (client.Page[client.Secret], error) {
			return s.Secrets(cmd.Context(), s.WS, p)
		})
		if err != nil {
			return err
		}
		var names []string
		for _, k := range found {
			names = append(names, k.Name)
		}
		return a.Print(found, names, func() *frame.Table {
			t := &frame.Table{Header: []string{a.Say("col.name"), a.Say("col.contenttype"), a.Say("col.by"), a.Say("col.age")}}
			for _, k := range found {
				t.Row(k.Name, k.ContentType, k.CreatedBy, frame.Age(k.Updated))
			}
			return t
		})
	})
}

func remove(a *frame.App) *cobra.Command {
	return a.Command("secret.delete", "delete NAME…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		for _, name := range args {
			if err := s.DeleteSecret(cmd.Context(), s.WS, name); err != nil {
				return err
			}
			a.Talk("talk.secret.deleted", name)
		}
		return nil
	})
}
