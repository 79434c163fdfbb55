// Package run has the commands about runs.
package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Command returns the noun "run".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("run", "run", submit(a), list(a), show(a), compare(a), tag(a), logs(a), download(a), cancel(a), remove(a), restore(a), why(a), metrics(a))
}

// prefixed is how many of the newest runs a prefix is looked for in.
const prefixed = 2000

// resolve returns the run that an argument means: its ID, a prefix of it of at least four letters
// that no other run has, or "last".
func resolve(ctx context.Context, a *frame.App, s *frame.Session, arg string) (client.Run, error) {
	if arg == "last" {
		r, err := last(ctx, s)
		return whole(ctx, s, r, err)
	}
	r, err := s.Run(ctx, s.WS, arg)
	if client.CodeOf(err) != client.CodeNotFound {
		return r, err
	}
	if len(arg) >= 4 {
		found, err := startingWith(ctx, s, arg)
		if err != nil || len(found) == 1 {
			return whole(ctx, s, first(found), err)
		}
		if len(found) > 1 {
			return client.Run{}, ambiguous(arg, found)
		}
	}
	return client.Run{}, a.Suggest(err, arg, a.RunNames)
}

// whole is a run that was found in a list, with what lists leave out: why it waits.
func whole(ctx context.Context, s *frame.Session, r client.Run, err error) (client.Run, error) {
	if err != nil {
		return r, err
	}
	return s.Run(ctx, s.WS, r.ID)
}

func last(ctx context.Context, s *frame.Session) (client.Run, error) {
	p, err := s.Runs(ctx, s.WS, client.RunFilter{}, client.Cursor{Limit: 1})
	if err != nil {
		return client.Run{}, err
	}
	if len(p.Items) == 0 {
		return client.Run{}, &fault.Error{
			Code: fault.NotFound, Reason: "NoRuns", What: "there is no last run",
			Why: fmt.Sprintf("the workspace %q has no runs", s.WS), Fix: "submit one; run: zaffre run submit SCRIPT",
		}
	}
	return p.Items[0], nil
}

func first(runs []client.Run) client.Run {
	if len(runs) == 0 {
		return client.Run{}
	}
	return runs[0]
}

func startingWith(ctx context.Context, s *frame.Session, prefix string) ([]client.Run, error) {
	runs, err := frame.Collect(ctx, prefixed, func(p client.Cursor) (client.Page[client.Run], error) {
		p.Limit = 200
		return s.Runs(ctx, s.WS, client.RunFilter{}, p)
	})
	var found []client.Run
	for _, r := range runs {
		if strings.HasPrefix(r.ID, prefix) || strings.HasPrefix(r.UID, prefix) {
			found = append(found, r)
		}
	}
	return found, err
}

func ambiguous(prefix string, runs []client.Run) error {
	var ids []string
	for _, r := range runs[:min(5, len(runs))] {
		ids = append(ids, r.ID)
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "RunAmbiguous", What: fmt.Sprintf("%q stands for more than one run", prefix),
		Why: fmt.Sprintf("%d runs begin so: %s", len(runs), strings.Join(ids, ", ")), Fix: "write more of the ID",
	}
}
