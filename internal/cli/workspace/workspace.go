// Package workspace has the commands about workspaces.
package workspace

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "workspace".
func Command(a *frame.App) *cobra.Command {
	cmd := a.Noun("workspace", "workspace", list(a), create(a), show(a), use(a), config(a))
	cmd.Aliases = []string{"ws"}
	return cmd
}

func printAll(a *frame.App, found []client.Workspace) error {
	var names []string
	for _, w := range found {
		names = append(names, w.Name)
	}
	return a.Print(found, names, func() *frame.Table { return table(a, found) })
}

func printOne(a *frame.App, w client.Workspace) error {
	return a.Print(w, []string{w.Name}, func() *frame.Table { return table(a, []client.Workspace{w}) })
}

func table(a *frame.App, found []client.Workspace) *frame.Table {
	t := &frame.Table{Header: []string{a.Say("col.workspace"), "ID", a.Say("col.by"), a.Say("col.age")}}
	for _, w := range found {
		t.Row(w.Name, w.ID, w.CreatedBy, frame.Age(w.Created))
	}
	return t
}
