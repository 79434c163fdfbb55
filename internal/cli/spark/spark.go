// Package spark has the commands about Spark: its interactive sessions.
package spark

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Command returns the noun "spark".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("spark", "spark", a.Noun("spark.session", "session", start(a), list(a), execute(a), attach(a), stop(a)))
}

// place is where a session is: sessions have names of their own on each compute target.
type place struct {
	a       *frame.App
	s       *frame.Session
	compute string
	name    string
}

// placeFlag adds --compute to a command of a session.
func placeFlag(a *frame.App, cmd *cobra.Command) *string {
	compute := cmd.Flags().String("compute", "", a.Say("flag.session.compute"))
	_ = cmd.RegisterFlagCompletionFunc("compute", frame.Values(a.ComputeNames))
	return compute
}

// find returns where the session of a name is: on the target that was named, or the only one that has it.
func find(ctx context.Context, a *frame.App, compute, name string) (*place, error) {
	s, err := a.Connect()
	if err != nil {
		return nil, err
	}
	if compute != "" {
		return &place{a, s, compute, name}, nil
	}
	all, err := sessions(ctx, a, s)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(v client.Session) bool { return v.Name != name })
	switch len(all) {
	case 0:
		return nil, unknown(name)
	case 1:
		return &place{a, s, all[0].Compute, name}, nil
	}
	var targets []string
	for _, v := range all {
		targets = append(targets, v.Compute)
	}
	return nil, frame.Usage(&fault.Error{
		Code: fault.Invalid, Reason: "SessionAmbiguous", What: fmt.Sprintf("it is not clear which session %q is meant", name),
		Why: "there is one on each of " + strings.Join(targets, ", "), Fix: "give --compute " + targets[0], Field: "compute",
	})
}

func unknown(name string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "SessionUnknown", What: "there is no session " + name, Why: "no compute target of the workspace has one of this name",
		Fix: "start it; run: zaffre spark session start --compute NAME --name " + name + "; or: zaffre spark session list",
	}
}

// sessions lists those of all targets whose kind has sessions. One that does not answer is told, and left out.
func sessions(ctx context.Context, a *frame.App, s *frame.Session) ([]client.Session, error) {
	kinds, err := s.Kinds(ctx)
	if err != nil {
		return nil, err
	}
	targets, err := frame.Collect(ctx, 0, func(p client.Cursor) (client.Page[client.Compute], error) { return s.Computes(ctx, s.WS, p) })
	if err != nil {
		return nil, err
	}
	all := []client.Session{}
	for _, t := range targets {
		if !slices.ContainsFunc(kinds, func(k client.Kind) bool { return k.Name == t.Kind && slices.Contains(k.Capabilities, "sessions") }) {
			continue
		}
		found, err := s.Sessions(ctx, s.WS, t.Name)
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			a.Tell(err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// names completes the names of sessions.
func names(a *frame.App) cobra.CompletionFunc {
	return frame.Names(func() []string {
		s, err := a.Connect()
		if err != nil {
			return nil
		}
		all, _ := sessions(context.Background(), &frame.App{Stderr: discard{}, Text: a.Text, Getenv: a.Getenv}, s)
		var out []string
		for _, v := range all {
			out = append(out, v.Name)
		}
		return out
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
