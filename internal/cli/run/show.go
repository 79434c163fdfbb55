package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func show(a *frame.App) *cobra.Command {
	cmd := a.Command("run.show", "show RUN", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r, err := resolve(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		if r.Metrics, err = loggedBy(cmd.Context(), s, r.ID); err != nil {
			return err
		}
		if err := a.Print(r, []string{r.ID}, func() *frame.Table { return fields(a, r) }); err != nil {
			return err
		}
		if a.Output == "table" && r.Error != nil {
			a.TellFault(r.Error)
		}
		return nil
	})
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

func fields(a *frame.App, r client.Run) *frame.Table {
	t := frame.Fields(a.Say("col.field"), a.Say("col.value"),
		a.Say("col.run"), r.ID,
		a.Say("col.state"), r.State,
		a.Say("col.experiment"), fmt.Sprintf("%s/%d", r.Experiment, r.Number),
		a.Say("col.name"), r.Display,
		a.Say("col.parent"), r.Parent,
		a.Say("col.command"), strings.Join(r.Command, " "),
		a.Say("col.dir"), r.Dir,
		a.Say("col.compute"), r.Compute,
		a.Say("col.environment"), r.Environment,
		a.Say("col.needs"), needs(r),
		a.Say("col.params"), pairs(r.Params),
		a.Say("col.metrics"), metricsOf(r),
		a.Say("col.tags"), pairs(r.Tags),
		a.Say("col.variables"), pairs(r.Variables),
		a.Say("col.by"), r.CreatedBy,
		a.Say("col.created"), clock(r.Created),
		a.Say("col.started"), clock(r.Started),
		a.Say("col.ended"), clock(r.Ended),
		a.Say("col.took"), took(r),
		a.Say("col.deleted"), clock(r.Deleted),
	)
	for _, at := range r.Attempts {
		t.Row(a.Say("col.attempt")+" "+fmt.Sprint(at.Number), attempt(at))
	}
	for _, w := range r.Warnings {
		t.Row(a.Say("col.warning"), w)
	}
	return t
}

func attempt(at client.Attempt) string {
	s := at.State
	switch {
	case at.Signal != 0:
		s += fmt.Sprintf(", signal %d", at.Signal)
	case !at.Ended.IsZero():
		s += fmt.Sprintf(", exit %d", at.ExitCode)
	}
	if at.Message != "" {
		s += ": " + at.Message
	}
	if len(at.GPUs) > 0 {
		s += fmt.Sprintf(", GPUs %v", at.GPUs)
	}
	return s
}

func needs(r client.Run) string {
	var out []string
	if r.GPUs > 0 {
		out = append(out, fmt.Sprintf("%d GPU", r.GPUs))
	}
	if r.CPU > 0 {
		out = append(out, fmt.Sprintf("%g CPU", r.CPU))
	}
	if r.Memory > 0 {
		out = append(out, frame.Bytes(r.Memory))
	}
	return strings.Join(out, ", ")
}

func pairs(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, " ")
}

func metricsOf(r client.Run) string {
	values := map[string]string{}
	for name := range r.Metrics {
		values[name] = value(r, name)
	}
	return pairs(values)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
