// Package inventory has the commands about what stands behind resource IDs.
package inventory

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "inventory".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("inventory", "inventory", add(a), list(a), show(a), remove(a), importFile(a))
}

func printOne(a *frame.App, e client.InventoryEntry) error {
	return a.Print(e, []string{e.ResourceID}, func() *frame.Table {
		t := frame.Fields(a.Say("col.field"), a.Say("col.value"),
			a.Say("col.resource"), e.ResourceID, a.Say("col.allow"), strings.Join(e.Allow, ", "), a.Say("col.by"), source(e), a.Say("col.age"), frame.Age(e.Created))
		for _, k := range slices.Sorted(maps.Keys(e.Settings)) {
			t.Row(k, e.Settings[k])
		}
		for _, k := range e.Sealed {
			t.Row(k, a.Say("inventory.sealed"))
		}
		return t
	})
}

// source says who put an entry there: a caller, or the server's configuration file, by its place.
func source(e client.InventoryEntry) string { return cmp.Or(e.Source, e.CreatedBy) }

// where says in one cell what stands behind an entry.
func where(e client.InventoryEntry) string {
	for _, k := range []string{"address", "livy", "databricks", "batch", "slurm", "connect", "host", "store"} {
		if v := e.Settings[k]; v != "" {
			return v
		}
	}
	return cmp.Or(strings.Join(e.Sealed, ", "), "-")
}
