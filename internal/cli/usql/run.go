package usql

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/engine"
)

func run(a *frame.App) *cobra.Command {
	var parameters map[string]string
	store, python := "", ""
	cmd := a.Command("usql.run", "run --store FOLDER [--param NAME=VALUE]… FILE", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if store == "" {
			return frame.Usage(&fault.Error{
				Code: fault.Invalid, Reason: "OptionMissing", What: "cannot run " + args[0], Why: "--store is missing: the folder that the script's paths begin at",
				Fix: "name it, as in --store .", Field: "store",
			})
		}
		plan, faults, err := compile(args[0], parameters)
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			tell(a, args[0], faults)
			return frame.Exit(frame.ExitFailed)
		}
		begin := time.Now()
		result, err := execute(cmd.Context(), plan, store, python)
		if err != nil && ofScript(err) {
			a.TellFault(placed(args[0], err))
			return frame.Exit(frame.ExitCode(err))
		}
		if err != nil {
			return err
		}
		return show(a, result, time.Since(begin))
	})
	cmd.Flags().StringVar(&store, "store", "", a.Say("flag.usql.store"))
	cmd.Flags().StringVar(&python, "python", "", a.Say("flag.usql.python"))
	cmd.Flags().Var(&frame.Pairs{Into: &parameters}, "param", a.Say("flag.usql.param"))
	return cmd
}

func execute(ctx context.Context, plan usql.Plan, store, python string) (engine.Result, error) {
	root, err := os.OpenRoot(store)
	if err != nil {
		return engine.Result{}, &fault.Error{
			Code: fault.NotFound, Reason: "FolderNotFound", What: "cannot open the folder " + store, Why: err.Error(), Fix: "name a folder that is there with --store",
		}
	}
	defer root.Close()
	return engine.Run(ctx, plan, engine.Options{Store: root, Python: python})
}

func show(a *frame.App, r engine.Result, took time.Duration) error {
	var names []string
	t := &frame.Table{Header: []string{a.Say("col.file"), a.Say("col.rows")}}
	for _, f := range r.Outputs {
		names = append(names, f.Path)
		t.Row(f.Path, f.Rows)
	}
	if err := a.Print(r, names, func() *frame.Table { return t }); err != nil {
		return err
	}
	a.Talk("talk.usql.done", len(r.Inputs), len(r.Outputs), took.Seconds())
	return nil
}
