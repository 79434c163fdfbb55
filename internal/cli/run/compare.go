package run

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func compare(a *frame.App) *cobra.Command {
	only := false
	cmd := a.Command("run.compare", "compare RUN RUN…", cobra.MinimumNArgs(2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		var runs []client.Run
		var ids []string
		for _, arg := range args {
			r, err := resolve(cmd.Context(), a, s, arg)
			if err == nil {
				r.Metrics, err = loggedBy(cmd.Context(), s, r.ID)
			}
			if err != nil {
				return err
			}
			runs, ids = append(runs, r), append(ids, r.ID)
		}
		return a.Print(runs, ids, func() *frame.Table { return sideBySide(a, runs, only) })
	})
	cmd.Flags().BoolVar(&only, "differing", false, a.Say("flag.compare.differing"))
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

// loggedBy returns the latest values of a run's metrics that are numbers.
func loggedBy(ctx context.Context, s *frame.Session, id string) (map[string]client.Number, error) {
	list, err := s.Metrics(ctx, s.WS, id)
	values := map[string]client.Number{}
	for _, m := range list {
		if m.Kind == "" || m.Kind == "scalar" {
			values[m.Name] = m.Value
		}
	}
	return values, err
}

// differs marks the rows in which the runs are not the same.
const differs = "*"

// sideBySide has a column for each run.
func sideBySide(a *frame.App, runs []client.Run, only bool) *frame.Table {
	t := &frame.Table{Header: []string{"", a.Say("col.field")}}
	for _, r := range runs {
		t.Header = append(t.Header, r.ID)
	}
	row := func(name string, cell func(client.Run) string) {
		cells, mark := []any{"", name}, ""
		for _, r := range runs {
			if cells = append(cells, cell(r)); cell(r) != cell(runs[0]) {
				mark = differs
			}
		}
		if cells[0] = mark; mark != "" || !only {
			t.Row(cells...)
		}
	}
	row(a.Say("col.name"), func(r client.Run) string { return r.Display })
	row(a.Say("col.experiment"), func(r client.Run) string { return r.Experiment })
	row(a.Say("col.state"), func(r client.Run) string { return r.State })
	row(a.Say("col.command"), func(r client.Run) string { return strings.Join(r.Command, " ") })
	row(a.Say("col.compute"), func(r client.Run) string { return r.Compute })
	row(a.Say("col.environment"), func(r client.Run) string { return r.Environment })
	row(a.Say("col.code"), func(r client.Run) string { return r.Snapshot[:min(12, len(r.Snapshot))] })
	row(a.Say("col.took"), took)
	for _, name := range union(runs, func(r client.Run) []string { return slices.Collect(maps.Keys(r.Params)) }) {
		row("params."+name, func(r client.Run) string { return r.Params[name] })
	}
	for _, name := range union(runs, func(r client.Run) []string { return slices.Collect(maps.Keys(r.Metrics)) }) {
		row("metrics."+name, func(r client.Run) string { return value(r, name) })
	}
	for _, name := range union(runs, func(r client.Run) []string { return slices.Collect(maps.Keys(r.Tags)) }) {
		row("tags."+name, func(r client.Run) string { return r.Tags[name] })
	}
	return t
}

// union returns what any of the runs has, sorted.
func union(runs []client.Run, of func(client.Run) []string) (all []string) {
	for _, r := range runs {
		all = append(all, of(r)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
