package sshhost

import (
	"bytes"
	"context"
	_ "embed"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

//go:embed clean.sh
var cleanScript string

// Clean implements driver.Cleaner. Beside an error it says what may be left there.
func (c *Conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	items, err := c.Place.Clean(ctx, c.jobs, dryRun)
	if err != nil || c.config.Login.PublicKey() == "" {
		return items, err
	}
	key, err := c.cleanKey(ctx, dryRun)
	return append(items, key...), err
}

// cleanKey takes away the line in authorized_keys that was made for the target.
func (c *Conn) cleanKey(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	yes := "yes"
	if dryRun {
		yes = ""
	}
	var out, errs bytes.Buffer
	exit, err := c.Script(ctx, cleanScript, []string{c.config.Login.PublicKey(), yes}, driver.Stdio{Out: &out, Err: &errs})
	name, found := strings.CutPrefix(strings.TrimSpace(out.String()), "key=")
	var items []driver.Item
	if found {
		items = []driver.Item{{Type: "authorized-key", Name: name, Removed: !dryRun && err == nil && exit == 0}}
	}
	if err == nil && exit != 0 {
		err = &fault.Error{
			Code: fault.Precondition, Reason: "KeyNotRemoved", What: "the target's key stays on the machine",
			Why: "authorized_keys cannot be written", Fix: "take the line whose comment begins with zaffre: away on that machine",
			Evidence: []string{strings.TrimSpace(errs.String())},
		}
	}
	return items, err
}
