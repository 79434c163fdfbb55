package run

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	var filter client.RunFilter
	limit := 20
	cmd := a.Command("run.list", "list [--experiment E] [--state S] [--active] [--compute C] [--limit N]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		runs, err := frame.Collect(cmd.Context(), limit, func(p client.Cursor) (client.Page[client.Run], error) {
			p.Limit = min(limit, 200)
			return s.Runs(cmd.Context(), s.WS, filter, p)
		})
		if err != nil {
			return err
		}
		return Print(a, runs)
	})
	f := cmd.Flags()
	f.StringVar(&filter.Experiment, "experiment", "", a.Say("flag.filter.experiment"))
	f.StringVar(&filter.State, "state", "", a.Say("flag.filter.state"))
	f.StringVar(&filter.Compute, "compute", "", a.Say("flag.filter.compute"))
	f.StringVar(&filter.Parent, "parent", "", a.Say("flag.filter.parent"))
	f.StringVar(&filter.Tag, "tag", "", a.Say("flag.filter.tag"))
	f.BoolVar(&filter.Active, "active", false, a.Say("flag.filter.active"))
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
func Print(a *frame.App, runs []client.Run) error {
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return a.Print(runs, ids, func() *frame.Table {
		t := &frame.Table{Header: []string{
			a.Say("col.run"), a.Say("col.experiment"), a.Say("col.name"), a.Say("col.state"), a.Say("col.compute"), a.Say("col.took"), a.Say("col.age"),
		}, States: 4}
		for _, r := range runs {
			t.Row(r.ID, fmt.Sprintf("%s/%d", r.Experiment, r.Number), r.Display, r.State, r.Compute, took(r), frame.Age(r.Created))
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
