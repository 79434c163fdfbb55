package run

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func why(a *frame.App) *cobra.Command {
	cmd := a.Command("run.why", "why RUN", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r, err := resolve(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		if a.Output != "table" {
			return a.Print(reasonsOf(r), nil, nil)
		}
		explain(a, r)
		return nil
	})
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

// Reasons is why a run is as it is.
type Reasons struct {
	ID         string             `json:"id"`
	State      string             `json:"state"`
	Conditions []client.Condition `json:"conditions"`
	Attempts   []client.Attempt   `json:"attempts,omitempty"`
	Error      *client.Fault      `json:"error,omitempty"`
	Warnings   []string           `json:"warnings,omitempty"`
}

func reasonsOf(r client.Run) Reasons {
	return Reasons{ID: r.ID, State: r.State, Conditions: r.Conditions, Attempts: r.Attempts, Error: r.Error, Warnings: r.Warnings}
}

// remedy is what the user can do about a condition, "" when that is to wait.
func remedy(a *frame.App, r client.Run, c client.Condition) string {
	if c.OK || c.Reason != "TargetNotReady" {
		return ""
	}
	return a.Say("error.fix") + " " + a.Say("why.target", r.Compute)
}

// explain says in words what the run's conditions say: that is all that it goes by.
func explain(a *frame.App, r client.Run) {
	out := a.Stdout
	fmt.Fprintln(out, a.Say("why.state", r.ID, r.State))
	for _, c := range r.Conditions {
		if c.Silent() && !r.Final() {
			fmt.Fprintln(out, "  "+a.Say("why.silent", r.Compute, frame.Age(c.Since), c.Message))
			continue
		}
		if c.Type == "Usable" && !r.Final() {
			fmt.Fprintln(out, "  "+a.Say("why.hindered", r.Compute, frame.Age(c.Since), c.Message))
			continue
		}
		mark := "✗"
		if c.OK {
			mark = "✓"
		}
		words := c.Message
		if words == "" {
			words = c.Reason
		}
		fmt.Fprintln(out, "  "+a.Say("why.condition", mark, c.Type, words, frame.Age(c.Since)))
		if fix := remedy(a, r, c); fix != "" {
			fmt.Fprintln(out, "  "+fix)
		}
	}
	for i, at := range r.Attempts {
		if i < len(r.Attempts)-1 || r.Final() {
			fmt.Fprintln(out, "  "+a.Say("why.attempt", at.Number, attempt(at)))
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(out, "  "+a.Say("why.warning", w))
	}
	if r.Error != nil {
		fmt.Fprintln(out, "  "+r.Error.Error())
		if r.Error.Fix != "" {
			fmt.Fprintln(out, "  "+a.Say("error.fix")+" "+r.Error.Fix)
		}
	}
	if len(r.Conditions) == 0 && r.Error == nil && !r.Final() {
		fmt.Fprintln(out, "  "+a.Say("why.nothing"))
	}
}
