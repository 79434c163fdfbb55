// Package experiment has the commands about experiments.
package experiment

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "experiment".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("experiment", "experiment", list(a), remove(a), restore(a))
}
