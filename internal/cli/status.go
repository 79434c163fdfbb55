package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func status(a *frame.App) *cobra.Command {
	wait := time.Duration(0)
	cmd := a.Command("status", "status [--wait 30s]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		c, p, err := ready(cmd.Context(), a, wait)
		if err != nil {
			return err
		}
		defer c.Close()
		s, err := c.Server(cmd.Context())
		if err != nil {
			return err
		}
		return a.Print(s, []string{p.URL}, func() *frame.Table {
			kept := a.Say("status.kept")
			if s.Ephemeral {
				kept = a.Say("status.ephemeral")
			}
			return frame.Fields(a.Say("col.field"), a.Say("col.value"),
				a.Say("col.server"), p.URL, a.Say("col.state"), a.Say("status.ready"), a.Say("col.version"), s.Version, "ID", s.ID,
				a.Say("col.started"), s.Started.Local().Format("2006-01-02 15:04:05"), a.Say("col.database"), s.Database, a.Say("col.data"), kept,
				a.Say("col.caller"), s.Caller, a.Say("col.source"), p.Path)
		})
	})
	cmd.Flags().DurationVar(&wait, "wait", 0, a.Say("flag.status.wait"))
	return cmd
}

// ready returns a client of a server that is ready, and waits for that at most as long as said. A
// server that is only starting may not have written its address yet: it is read again each time.
func ready(ctx context.Context, a *frame.App, wait time.Duration) (*client.Client, client.Profile, error) {
	deadline := time.Now().Add(wait)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		c, p, err := readyOnce(ctx, a)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return c, p, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, p, context.Cause(ctx)
		}
	}
}

func readyOnce(ctx context.Context, a *frame.App) (*client.Client, client.Profile, error) {
	p, err := a.Profile()
	if err != nil {
		return nil, p, err
	}
	cfg, err := p.Config()
	if err != nil {
		return nil, p, err
	}
	cfg.Retries = -1
	c, err := client.New(cfg)
	if err != nil {
		return nil, p, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c, p, c.Ready(ctx)
}
