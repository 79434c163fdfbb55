package run

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	var filter client.RunFilter
	limit, sort := 20, ""
	cmd := a.Command("run.list", "list [--experiment E] [--state S] [--active] [--where FILTER] [--metrics M,…] [--sort M] [--limit N]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		if sort != "" {
			filter.Order = []string{orderOf(sort)}
		}
		runs, err := frame.Collect(cmd.Context(), limit, func(p client.Cursor) (client.Page[client.Run], error) {
			p.Limit = min(limit, 200)
			return s.Runs(cmd.Context(), s.WS, filter, p)
		})
		if err != nil {
			return err
		}
		return PrintWith(a, runs, filter.Metrics)
	})
	f := cmd.Flags()
	f.StringVar(&filter.Experiment, "experiment", "", a.Say("flag.filter.experiment"))
	f.StringVar(&filter.State, "state", "", a.Say("flag.filter.state"))
	f.StringVar(&filter.Compute, "compute", "", a.Say("flag.filter.compute"))
	f.StringVar(&filter.Parent, "parent", "", a.Say("flag.filter.parent"))
	f.StringVar(&filter.Tag, "tag", "", a.Say("flag.filter.tag"))
	f.BoolVar(&filter.Active, "active", false, a.Say("flag.filter.active"))
	f.StringVar(&filter.Where, "where", "", a.Say("flag.filter.where"))
	f.StringSliceVar(&filter.Metrics, "metrics", nil, a.Say("flag.list.metrics"))
	f.StringVar(&sort, "sort", "", a.Say("flag.list.sort"))
	f.StringVar(&filter.Deleted, "deleted", "", a.Say("flag.filter.deleted"))
	f.Lookup("deleted").NoOptDefVal = "deleted"
	f.IntVar(&limit, "limit", limit, a.Say("flag.limit"))
	_ = cmd.RegisterFlagCompletionFunc("experiment", frame.Values(a.ExperimentNames))
	_ = cmd.RegisterFlagCompletionFunc("compute", frame.Values(a.ComputeNames))
	_ = cmd.RegisterFlagCompletionFunc("state", frame.Values(states))
	return cmd
}

func states() []string {
	return []string{"NotStarted", "Preparing", "Queued", "Running", "Finalizing", "CancelRequested", "Completed", "Failed", "Canceled"}
}

// Print writes runs in the format that was asked for.
func Print(a *frame.App, runs []client.Run) error { return PrintWith(a, runs, nil) }

// PrintWith is Print with columns for metrics.
func PrintWith(a *frame.App, runs []client.Run, metrics []string) error {
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return a.Print(runs, ids, func() *frame.Table {
		t := &frame.Table{Header: []string{
			a.Say("col.run"), a.Say("col.experiment"), a.Say("col.name"), a.Say("col.state"), a.Say("col.compute"), a.Say("col.took"), a.Say("col.age"),
		}, States: 4}
		t.Header = append(t.Header, metrics...)
		for _, r := range runs {
			row := []any{r.ID, fmt.Sprintf("%s/%d", r.Experiment, r.Number), r.Display, r.State, r.Compute, took(r), frame.Age(r.Created)}
			for _, name := range metrics {
				row = append(row, value(r, name))
			}
			t.Row(row...)
		}
		return t
	})
}

// took is how long the run's process ran.
func took(r client.Run) string {
	if r.Started.IsZero() {
		return ""
	}
	if r.Ended.IsZero() {
		return frame.Age(r.Started)
	}
	return frame.Span(r.Ended.Sub(r.Started))
}
