package event

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func list(a *frame.App) *cobra.Command {
	filter, follow := client.EventFilter{Limit: 50}, false
	cmd := a.Command("event.list", "list [-f] [--after N] [--subject S] [--limit N]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		if follow {
			return followAll(cmd.Context(), a, s, filter)
		}
		p, err := s.Events(cmd.Context(), s.WS, filter)
		if err != nil {
			return err
		}
		return a.Print(p.Items, nil, func() *frame.Table { return table(a, p.Items) })
	})
	f := cmd.Flags()
	f.BoolVarP(&follow, "follow", "f", false, a.Say("flag.event.follow"))
	f.Int64Var(&filter.After, "after", 0, a.Say("flag.event.after"))
	f.StringVar(&filter.Subject, "subject", "", a.Say("flag.event.subject"))
	f.IntVar(&filter.Limit, "limit", filter.Limit, a.Say("flag.limit"))
	return cmd
}

// followAll prints each event as a line: of JSON, if that was asked for.
func followAll(ctx context.Context, a *frame.App, s *frame.Session, filter client.EventFilter) error {
	filter.Limit = 0
	return s.FollowEvents(ctx, s.WS, filter, func(e client.Event) error {
		if a.Output == "json" {
			return json.NewEncoder(a.Stdout).Encode(e)
		}
		_, err := fmt.Fprintf(a.Stdout, "%d  %s  %s  %s  %s  %s\n", e.Sequence, e.Time.Local().Format("15:04:05"), e.Type, e.Subject, e.Actor, data(e))
		return err
	})
}

func table(a *frame.App, events []client.Event) *frame.Table {
	t := &frame.Table{Header: []string{a.Say("col.sequence"), a.Say("col.time"), a.Say("col.event"), a.Say("col.subject"), a.Say("col.by"), a.Say("col.data")}}
	for _, e := range events {
		t.Row(e.Sequence, e.Time.Local().Format("2006-01-02 15:04:05"), e.Type, e.Subject, e.Actor, data(e))
	}
	return t
}

func data(e client.Event) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(e.Data)) {
		out = append(out, k+"="+e.Data[k])
	}
	return strings.Join(out, " ")
}
