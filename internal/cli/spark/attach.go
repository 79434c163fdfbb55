package spark

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func attach(a *frame.App) *cobra.Command {
	stopAfter := false
	var compute *string
	cmd := a.Command("spark.session.attach", "attach [--compute NAME] [--stop] NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		in, isFile := a.Stdin.(*os.File)
		if !isFile || !term.IsTerminal(int(in.Fd())) {
			return frame.Usage(&fault.Error{
				Code: fault.Invalid, Reason: "TerminalMissing", What: "cannot attach to session " + args[0], Why: "the standard input is no terminal",
				Fix: "run: zaffre spark session exec " + args[0] + " -",
			})
		}
		p, err := find(cmd.Context(), a, *compute, args[0])
		if err != nil {
			return err
		}
		st, err := p.s.WaitSession(cmd.Context(), p.s.WS, p.compute, p.name, nil)
		if err != nil {
			return err
		}
		if st.State == "dead" {
			return dead(st)
		}
		a.Talk("talk.session.attached", st.Name, st.Compute, st.Language)
		if err := p.repl(cmd.Context(), in, st.Language); err != nil {
			return err
		}
		if stopAfter {
			return p.stop(cmd)
		}
		a.Talk("talk.session.goeson", st.Name)
		a.Next("zaffre spark session stop --compute " + st.Compute + " " + st.Name)
		return nil
	})
	cmd.Aliases = []string{"open"}
	compute = placeFlag(a, cmd)
	cmd.Flags().BoolVar(&stopAfter, "stop", false, a.Say("flag.session.stop"))
	cmd.ValidArgsFunction = names(a)
	return cmd
}
