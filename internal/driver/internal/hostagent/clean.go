package hostagent

import (
	"context"
	_ "embed"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

//go:embed clean.sh
var cleanScript string

// Clean removes all that the target left on the machine, by its agent and then without it: the agent's own folder
// goes with the last target there. Beside an error it says what may be left.
func (p Place) Clean(ctx context.Context, jobs *agentx.Conn, dryRun bool) ([]driver.Item, error) {
	f, err := p.tidy(ctx, false)
	if err != nil {
		return []driver.Item{{Type: "folder", Name: p.workText() + "/" + p.ID}}, err
	}
	var items []driver.Item
	if f.Has("root.kib") { // else nothing was ever started there
		if items, err = jobs.Clean(ctx, dryRun); err != nil {
			return append(items, rest(f, false)...), err
		}
	}
	if !dryRun {
		err = jobs.Without(func() error { // an agent would work in the folder that goes
			_, err := p.tidy(ctx, true)
			return err
		})
	}
	return append(items, rest(f, !dryRun && err == nil)...), err
}

// tidy says what there is, and removes it if it is to.
func (p Place) tidy(ctx context.Context, remove bool) (Answer, error) {
	yes := ""
	if remove {
		yes = "yes"
	}
	a, err := p.Ask(ctx, cleanScript, p.ID, yes)
	if err == nil && a.Exit != 0 {
		err = workFaultOf(a.Said, nil)
	}
	return a, err
}

// rest are the things that the agent does not know of.
func rest(f Answer, removed bool) []driver.Item {
	var items []driver.Item
	if f.Has("root.kib") {
		items = append(items, driver.Item{Type: "folder", Name: f.One["root"], Removed: removed})
	}
	if f.Has("bin") {
		items = append(items, driver.Item{Type: "agent", Name: f.One["bin"], Bytes: f.Number("bin.kib") << 10, Removed: removed})
	}
	return items
}

// workText is the work directory in words, for when the machine cannot be asked.
func (p Place) workText() string {
	if p.Work == "" {
		return "~/.zaffre"
	}
	return p.Work
}
