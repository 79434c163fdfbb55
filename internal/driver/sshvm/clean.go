package sshvm

import (
	"context"
	_ "embed"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

//go:embed clean.sh
var cleanScript string

// Clean implements driver.Cleaner. Beside an error it says what may be left there.
func (c *conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	f, err := c.cleanUp(ctx, false)
	if err != nil {
		return []driver.Item{{Type: "folder", Name: c.workText() + "/" + c.id}}, err
	}
	var items []driver.Item
	if f.has("root.kib") { // else nothing was ever started there
		if items, err = c.jobs.Clean(ctx, dryRun); err != nil {
			return append(items, rest(f, false)...), err
		}
	}
	if !dryRun {
		err = c.jobs.Without(func() error { // an agent would work in the folder that goes
			_, err := c.cleanUp(ctx, true)
			return err
		})
	}
	return append(items, rest(f, !dryRun && err == nil)...), err
}

// cleanUp says what there is, and removes it if it is to.
func (c *conn) cleanUp(ctx context.Context, remove bool) (facts, error) {
	yes := ""
	if remove {
		yes = "yes"
	}
	out, errs := &capped{}, &capped{}
	exit, err := c.Script(ctx, workScript+cleanScript, []string{c.work, c.id, yes, c.config.Login.PublicKey()}, driver.Stdio{Out: out, Err: errs})
	if err == nil && exit != 0 {
		err = workFaultOf(strings.TrimSpace(errs.text.String()), nil)
	}
	return parseFacts(out.text.String()), err
}

// rest are the things that the agent does not know of.
func rest(f facts, removed bool) []driver.Item {
	var items []driver.Item
	if f.has("root.kib") {
		items = append(items, driver.Item{Type: "folder", Name: f.one["root"], Removed: removed})
	}
	if f.has("bin") {
		items = append(items, driver.Item{Type: "agent", Name: f.one["bin"], Bytes: f.number("bin.kib") << 10, Removed: removed})
	}
	if f.has("key") {
		items = append(items, driver.Item{Type: "authorized-key", Name: f.one["key"], Removed: removed})
	}
	return items
}

// workText is the work directory in words, for when the machine cannot be asked.
func (c *conn) workText() string {
	if c.work == "" {
		return "~/.zaffre"
	}
	return c.work
}
