package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func completion(a *frame.App) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	cmd := a.Command("completion", "completion bash|zsh|fish", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		root := cmd.Root()
		switch args[0] {
		case "bash":
			return root.GenBashCompletionV2(a.Stdout, true)
		case "zsh":
			return root.GenZshCompletion(a.Stdout)
		case "fish":
			return root.GenFishCompletion(a.Stdout, true)
		}
		return frame.Usage(&fault.Error{
			Code: fault.Invalid, Reason: "ShellUnknown", What: fmt.Sprintf("there is no completion for the shell %q", args[0]),
			Why: "there is one for bash, zsh and fish", Fix: "run: zaffre completion --help" + a.DidYouMean(args[0], shells),
		})
	})
	cmd.ValidArgs = shells
	return cmd
}
