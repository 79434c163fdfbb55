package experiment

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	limit := 50
	cmd := a.Command("experiment.list", "list [--limit N]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		found, err := frame.Collect(cmd.Context(), limit, func(p client.Cursor) (client.Page[client.Experiment], error) {
			return s.Experiments(cmd.Context(), s.WS, p)
		})
		if err != nil {
			return err
		}
		var names []string
		for _, e := range found {
			names = append(names, e.Name)
		}
		return a.Print(found, names, func() *frame.Table {
			t := &frame.Table{Header: []string{a.Say("col.experiment"), a.Say("col.runs"), a.Say("col.age")}}
			for _, e := range found {
				t.Row(e.Name, e.Runs, frame.Age(e.Created))
			}
			return t
		})
	})
	cmd.Flags().IntVar(&limit, "limit", limit, a.Say("flag.limit"))
	return cmd
}
