package spark

import (
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func start(a *frame.App) *cobra.Command {
	compute, name, q := "", "", client.SessionRequest{}
	cmd := a.Command("spark.session.start", "start --compute NAME [--name NAME] [--kind LANGUAGE] [--option PATH=VALUE]…", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if compute == "" {
			return frame.Usage(&fault.Error{
				Code: fault.Invalid, Reason: "OptionMissing", What: "cannot start a session", Why: "--compute is missing: the target whose Spark it runs on",
				Fix: "give it; run: zaffre compute list", Field: "compute",
			})
		}
		if name == "" {
			name = q.Language
		}
		s, err := a.Connect()
		if err != nil {
			return err
		}
		return started(cmd, &place{a, s, compute, name}, q)
	})
	f := cmd.Flags()
	f.StringVar(&compute, "compute", "", a.Say("flag.session.start.compute"))
	f.StringVar(&name, "name", "", a.Say("flag.session.name"))
	f.StringVar(&q.Language, "kind", "pyspark", a.Say("flag.session.kind"))
	f.Var(frame.Options{Into: &q.Options}, "option", a.Say("flag.submit.option"))
	_ = cmd.RegisterFlagCompletionFunc("compute", frame.Values(a.ComputeNames))
	_ = cmd.RegisterFlagCompletionFunc("kind", frame.Values(func() []string { return []string{"pyspark", "spark", "sparkr", "sql"} }))
	return cmd
}

// started starts a session, and tells each state until it is idle. Ctrl-C leaves it starting.
func started(cmd *cobra.Command, p *place, q client.SessionRequest) error {
	ctx, a := cmd.Context(), p.a
	if _, err := p.s.StartSession(ctx, p.s.WS, p.compute, p.name, q); err != nil {
		return a.Suggest(err, p.compute, a.ComputeNames)
	}
	told := ""
	st, err := p.s.WaitSession(ctx, p.s.WS, p.compute, p.name, func(st client.Session) {
		if st.State != told {
			told = st.State
			a.Talk("talk.session", st.Name, st.Compute, a.State(st.State))
		}
	})
	if err != nil {
		return err
	}
	if a.Output != "table" {
		if err := a.Print(st, []string{st.Name}, nil); err != nil {
			return err
		}
	}
	if st.State == "dead" {
		return dead(st)
	}
	if a.Output == "table" {
		a.Next("zaffre spark session attach --compute " + st.Compute + " " + st.Name)
	}
	return nil
}

// dead is why a session takes nothing any more.
func dead(st client.Session) error {
	return &client.Fault{
		Code: client.CodePrecondition, Reason: st.Reason, Title: "the session " + st.Name + " is dead", Detail: st.Message,
		Fix: "correct what it says, and start it anew; run: zaffre spark session start --compute " + st.Compute + " --name " + st.Name,
	}
}

func list(a *frame.App) *cobra.Command {
	compute := ""
	cmd := a.Command("spark.session.list", "list [--compute NAME]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		var all []client.Session
		if compute != "" {
			all, err = s.Sessions(cmd.Context(), s.WS, compute)
			err = a.Suggest(err, compute, a.ComputeNames)
		} else {
			all, err = sessions(cmd.Context(), a, s)
		}
		if err != nil {
			return err
		}
		return show(a, all)
	})
	cmd.Flags().StringVar(&compute, "compute", "", a.Say("flag.session.compute"))
	_ = cmd.RegisterFlagCompletionFunc("compute", frame.Values(a.ComputeNames))
	return cmd
}

func show(a *frame.App, all []client.Session) error {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return a.Print(all, names, func() *frame.Table {
		t := &frame.Table{Header: []string{a.Say("col.name"), a.Say("col.compute"), a.Say("col.language"), a.Say("col.state"), a.Say("col.statements"), a.Say("col.age")}, States: 4}
		for _, s := range all {
			t.Row(s.Name, s.Compute, s.Language, s.State, s.Statements, frame.Age(s.Started))
		}
		return t
	})
}

func stop(a *frame.App) *cobra.Command {
	var compute *string
	cmd := a.Command("spark.session.stop", "stop [--compute NAME] NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		p, err := find(cmd.Context(), a, *compute, args[0])
		if err != nil {
			return err
		}
		return p.stop(cmd)
	})
	compute = placeFlag(a, cmd)
	cmd.ValidArgsFunction = names(a)
	return cmd
}

func (p *place) stop(cmd *cobra.Command) error {
	if err := p.s.StopSession(cmd.Context(), p.s.WS, p.compute, p.name); err != nil {
		return p.a.Suggest(err, p.compute, p.a.ComputeNames)
	}
	p.a.Talk("talk.session.stopped", p.name, p.compute)
	return nil
}
