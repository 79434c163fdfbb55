package workspace

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func use(a *frame.App) *cobra.Command {
	cmd := a.Command("workspace.use", "use NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		w, err := s.Workspace(cmd.Context(), args[0])
		if err != nil {
			return a.Suggest(err, args[0], a.WorkspaceNames)
		}
		p := s.Profile
		p.Workspace = w.Name
		file := client.LoginFile(a.Getenv)
		if err := p.Save(file); err != nil {
			return &fault.Error{
				Code: fault.Precondition, Reason: "LoginUnwritable", What: "the workspace cannot be remembered",
				Why: err.Error(), Fix: "make " + file + " writable, or set ZAFFRE_WORKSPACE=" + w.Name,
			}
		}
		a.Talk("talk.using", w.Name, p.URL)
		return nil
	})
	cmd.ValidArgsFunction = frame.Names(a.WorkspaceNames)
	return cmd
}
