// Package event has the commands about events.
package event

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "event".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("event", "event", list(a))
}
