// Package local is the kind of compute target that is the server's own machine.
package local

import (
	"context"
	"io"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: "local", Attached: true, Implicit: true, Relays: true,
		Summary: "The machine on which the server itself runs.",
		Options: []driver.Option{
			{
				Path: "workDirectory", Type: driver.String, Immutable: true,
				Help: "folder for code, environments and logs; by default one that the user who runs the code can reach",
			},
			{
				Path: "user", Type: driver.String, Default: "auto", Immutable: true,
				Help: `who runs the code: a user name, a user ID, "same" as the server, or "auto": another user than the server where it may choose`,
			},
			{Path: "slots", Type: driver.Int, Default: int64(0), Help: "how many runs at once; 0: as many as there are CPUs"},
			{Path: "gpus", Type: driver.Int, Default: int64(-1), Help: "how many GPUs to give out; -1: all that the machine has"},
			{Path: "interpreters", Type: driver.String, Many: true, Help: "folders or paths in which to look for more Python interpreters"},
		},
		Document: func(v driver.View) map[string]any {
			return map[string]any{"host": v.Seen.Facts["hostname"], "user": v.Seen.Facts["user"]}
		},
		Prototype: (*conn)(nil),
		Connect:   connect,
	}
}

type conn struct {
	*agent
	place *place
	wants agentx.Wants
}

// agent has a name of its own here, so that conn's Observe is not hidden by it.
type agent = agentx.Conn

var _ interface {
	driver.Host
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
} = (*conn)(nil)

// connect reads the options. The agent is started by the first call.
func connect(_ context.Context, t driver.Target) (driver.Conn, error) {
	user, _ := t.Options["user"].(string)
	slots, _ := t.Options["slots"].(int64)
	dir, _ := t.Options["workDirectory"].(string)
	if slots < 0 {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "OptionInvalid", What: "the target cannot be used", Field: "slots",
			Why: "slots is negative", Fix: "give the number of runs at once, or 0 for as many as there are CPUs",
		}
	}
	p := &place{id: t.ID, user: user, dir: dir}
	c := &conn{place: p, wants: agentx.Wants{Runs: int(slots)}}
	if n, ok := t.Options["gpus"].(int64); ok && n >= 0 {
		c.wants.GPUs = new(int(n))
	}
	c.agent = &agentx.Conn{
		Session:      agentx.NewSession(func(ctx context.Context) (io.ReadWriteCloser, error) { return p.start(ctx) }),
		Interpreters: texts(t.Options["interpreters"]),
	}
	c.agent.Home, c.agent.UV = t.Home, uvx.New(t.Tools)
	return c, nil
}

// texts reads an option that is a list.
func texts(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		var list []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// Observe implements driver.Conn.
func (c *conn) Observe(ctx context.Context) (driver.Observation, error) {
	begin := time.Now()
	who, err := c.place.who()
	check := driver.Check{Name: "user", Required: true, OK: err == nil, Duration: time.Since(begin)}
	if e := fault.From(err); e != nil {
		check.Reason, check.Fix, check.Evidence = e.Reason, e.Fix, []string{e.Why}
		return driver.Observation{Checks: []driver.Check{check}, Observed: time.Now().UTC()}, err
	}
	check.Evidence = []string{who.text()}
	return c.agent.Observe(ctx, []driver.Check{check}, c.wants)
}
