package adla

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// machine is what is known of the machine.
type machine struct {
	mu   sync.Mutex
	arch string // as Go names it
}

// arch returns the machine's architecture. It is asked once.
func (c *conn) arch(ctx context.Context) (string, error) {
	c.machine.mu.Lock()
	defer c.machine.mu.Unlock()
	if c.machine.arch != "" {
		return c.machine.arch, nil
	}
	var out strings.Builder
	exit, err := c.place.Host.Exec(ctx, []string{"uname", "-m"}, driver.Stdio{Out: &out})
	if err != nil {
		return "", err
	}
	switch name := strings.TrimSpace(out.String()); {
	case exit != 0 || name == "":
		return "", &fault.Error{
			Code: fault.Unavailable, Reason: "MachineUnknown", What: "no script can be started on the machine", Why: "it does not say what it is", Fix: "see what it answers to: uname -m",
		}
	case name == "x86_64":
		c.machine.arch = "amd64"
	case name == "aarch64":
		c.machine.arch = "arm64"
	default:
		c.machine.arch = name
	}
	return c.machine.arch, nil
}

// named finds the package duckdb in a specification of conda, or in lines of pip.
var named = regexp.MustCompile(`(?i)(^|[^\w.-])(python-)?duckdb($|[^\w.-])`)

// withDuckDB returns a definition that has DuckDB, in the version that is wanted, if it names none.
func withDuckDB(d driver.Definition, version string) driver.Definition {
	if !d.UserManaged && !named.Match(d.Conda) && !slices.ContainsFunc(d.Pip, named.MatchString) {
		d.Pip = append(slices.Clone(d.Pip), "duckdb=="+version)
	}
	return d
}

// Clean implements driver.Cleaner: what is in the store stays.
func (c *conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	items, err := c.place.Clean(ctx, c.jobs, dryRun)
	if err != nil || c.scratch == "" {
		return items, err
	}
	folder := c.scratchOf()
	if exit, err := c.place.Host.Exec(ctx, []string{"test", "-d", folder}, driver.Stdio{}); err != nil || exit != 0 {
		return items, err
	}
	item := driver.Item{Type: "folder", Name: folder}
	if !dryRun {
		exit, err := c.place.Host.Exec(ctx, []string{"rm", "-rf", "--", folder}, driver.Stdio{})
		if err != nil {
			return append(items, item), err
		}
		item.Removed = exit == 0
	}
	return append(items, item), nil
}
