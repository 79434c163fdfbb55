// Package artifact has the commands about files of runs.
package artifact

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Command returns the noun "artifact".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("artifact", "artifact", list(a), get(a), put(a))
}
