// Package image has the commands about container images: those of the server's registry.
package image

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "image".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("image", "image", build(a), list(a), show(a), remove(a), load(a))
}

func list(a *frame.App) *cobra.Command {
	limit := 50
	cmd := a.Command("image.list", "list [--limit N] [NAME]", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := frame.Collect(cmd.Context(), limit, func(p client.Cursor) (client.Page[client.Image], error) {
			return s.Images(cmd.Context(), s.WS, append(args, "")[0], p)
		})
		if err != nil {
			return err
		}
		var names []string
		for _, i := range found {
			names = append(names, i.Name)
		}
		return a.Print(found, names, func() *frame.Table {
			t := &frame.Table{Header: []string{a.Say("col.image"), a.Say("col.digest"), a.Say("col.size"), a.Say("col.by"), a.Say("col.age")}}
			for _, i := range found {
				t.Row(i.Name, short(i.Digest), megabytes(i.Bytes), i.CreatedBy, frame.Age(i.Updated))
			}
			return t
		})
	})
	cmd.Flags().IntVar(&limit, "limit", limit, a.Say("flag.limit"))
	return cmd
}

func short(digest string) string { return fmt.Sprintf("%.19s", digest) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func show(a *frame.App) *cobra.Command {
	return a.Command("image.show", "show NAME[:TAG]", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		i, err := s.Image(cmd.Context(), s.WS, args[0])
		if err != nil {
			return err
		}
		host, _, _ := s.Registry()
		return a.Print(i, []string{i.Digest}, func() *frame.Table {
			t := frame.Fields(a.Say("col.field"), a.Say("col.value"),
				a.Say("col.image"), host+"/"+s.WS+"/"+i.Name, a.Say("col.digest"), i.Digest, a.Say("col.size"), megabytes(i.Bytes), a.Say("col.by"), i.CreatedBy)
			for _, l := range i.Layers {
				t.Row(a.Say("col.layer"), short(l.Digest)+"  "+megabytes(l.Bytes))
			}
			return t
		})
	})
}

func remove(a *frame.App) *cobra.Command {
	return a.Command("image.delete", "delete NAME[:TAG]…", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		for _, name := range args {
			if err := s.DeleteImage(cmd.Context(), s.WS, name); err != nil {
				return err
			}
			a.Talk("talk.image.deleted", name)
		}
		return nil
	})
}
