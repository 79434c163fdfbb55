package spark

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func execute(a *frame.App) *cobra.Command {
	file := ""
	var compute *string
	cmd := a.Command("spark.session.exec", "exec [--compute NAME] NAME CODE… | exec NAME -f FILE | exec NAME -", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		code, err := codeOf(a, file, args[1:])
		if err != nil {
			return err
		}
		p, err := find(cmd.Context(), a, *compute, args[0])
		if err != nil {
			return err
		}
		st, err := p.run(cmd.Context(), code)
		if err != nil {
			return err
		}
		return p.verdict(st)
	})
	compute = placeFlag(a, cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", a.Say("flag.session.file"))
	cmd.ValidArgsFunction = names(a)
	return cmd
}

// codeOf returns the code: of the arguments, each a line; of a file; or of the standard input where it is "-".
func codeOf(a *frame.App, file string, args []string) (string, error) {
	code, err := strings.Join(args, "\n"), error(nil)
	switch {
	case (file != "") == (code != ""):
		return "", frame.Usage(&fault.Error{
			Code: fault.Invalid, Reason: "CodeMissing", What: "nothing can be run", Why: "give either code or a file",
			Fix: "run: zaffre spark session exec NAME 'print(1)', or: zaffre spark session exec NAME -f FILE", Field: "code",
		})
	case file != "" && file != "-":
		var b []byte
		b, err = os.ReadFile(file)
		code = string(b)
	case file == "-" || code == "-":
		var b []byte
		b, err = io.ReadAll(a.Stdin)
		code = string(b)
	}
	if err == nil && strings.TrimSpace(code) != "" {
		return code, nil
	}
	why := "there is nothing in it"
	if err != nil {
		why = err.Error()
	}
	return "", &fault.Error{
		Code: fault.NotFound, Reason: "CodeUnreadable", What: "the code cannot be read", Why: why, Fix: `give a readable file, or "-" for the standard input`, Field: "code",
	}
}

const (
	beginWithin  = time.Minute      // for a statement to be taken
	cancelWithin = 30 * time.Second // for an interrupted one to stop, before we leave it
)

// run begins a statement and waits for its end. When ctx ends, the statement is asked to stop: so that it is known
// which one that is, beginning it goes on.
func (p *place) run(ctx context.Context, code string) (client.Statement, error) {
	if _, err := p.s.WaitSession(ctx, p.s.WS, p.compute, p.name, nil); err != nil {
		return client.Statement{}, err
	}
	begin, done := context.WithTimeout(context.WithoutCancel(ctx), beginWithin)
	defer done()
	begun, err := p.s.NextStatement(begin, p.s.WS, p.compute, p.name, code)
	if err != nil {
		return begun, err
	}
	st, err := p.s.WaitStatement(ctx, p.s.WS, p.compute, p.name, begun.Number)
	if ctx.Err() == nil {
		return st, err
	}
	return p.cancel(context.WithoutCancel(ctx), begun) // when a question is broken off, st is none
}

// cancel asks a statement to stop, and waits until it has. One that does not is returned as it was: engines cancel no
// more than they can.
func (p *place) cancel(ctx context.Context, begun client.Statement) (client.Statement, error) {
	ctx, done := context.WithTimeout(ctx, cancelWithin)
	defer done()
	if st, err := p.s.CancelStatement(ctx, p.s.WS, p.compute, p.name, begun.Number); err != nil {
		return st, err
	}
	st, err := p.s.WaitStatement(ctx, p.s.WS, p.compute, p.name, begun.Number)
	if ctx.Err() != nil {
		begun.State = "running"
		return begun, nil
	}
	return st, err
}

// verdict prints what came of a statement, and fails if it did.
func (p *place) verdict(st client.Statement) error {
	if p.a.Output != "table" {
		if err := p.a.Print(st, nil, nil); err != nil {
			return err
		}
	} else {
		write(p.a.Stdout, p.a.Stderr, st)
	}
	switch st.State {
	case "done":
		return nil
	case "failed":
		return frame.Exit(frame.ExitFailed)
	case "canceled":
		p.a.Talk("talk.statement.canceled", st.Number)
	default:
		p.a.Talk("talk.statement.left", st.Number)
	}
	return frame.Exit(frame.ExitInterrupted)
}
