package inventory

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	return a.Command("inventory.list", "list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := frame.Collect(cmd.Context(), 0, func(p client.Cursor) (client.Page[client.InventoryEntry], error) {
			return s.Inventory(cmd.Context(), s.WS, p)
		})
		if err != nil {
			return err
		}
		var ids []string
		for _, e := range found {
			ids = append(ids, e.ResourceID)
		}
		return a.Print(found, ids, func() *frame.Table {
			t := &frame.Table{Header: []string{a.Say("col.resource"), a.Say("col.where"), a.Say("col.allow"), a.Say("col.by"), a.Say("col.age")}}
			for _, e := range found {
				t.Row(e.ResourceID, where(e), strings.Join(e.Allow, ", "), source(e), frame.Age(e.Created))
			}
			return t
		})
	})
}
