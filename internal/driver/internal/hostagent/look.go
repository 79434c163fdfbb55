package hostagent

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Look collects checks of a machine, and the first reason why it takes no runs.
type Look struct {
	Checks          []driver.Check
	Facts           Facts
	Pin             map[string]string
	Reason, Message string
}

// Step notes a check; err is why it failed, a fault. It returns err.
func (l *Look) Step(c driver.Check, err error) error {
	c.OK = err == nil
	if e := fault.From(err); e != nil {
		c.Reason, c.Fix = e.Reason, e.Fix
		c.Evidence = slices.Concat([]string{e.Why}, c.Evidence, e.Evidence)
	}
	l.Checks = append(l.Checks, c)
	return err
}

// Machine asks the machine what it is, and makes the checks shell, system, home and work-directory. The error is
// that of the one that failed.
func (l *Look) Machine(ctx context.Context, p Place) error {
	begin := time.Now()
	f, err := p.gather(ctx)
	l.Facts = f
	shell := driver.Check{Name: "shell", Required: true, Duration: time.Since(begin)}
	if f.Has("shell") {
		shell.Evidence = []string{f.One["shell"]}
	}
	if err = l.Step(shell, err); err != nil {
		return err
	}
	return l.required(f)
}

// Seen is what is known so far.
func (l *Look) Seen() driver.Observation {
	return driver.Observation{Checks: l.Checks, Facts: shown(l.Facts), Pin: l.Pin, Observed: time.Now().UTC()}
}

// shown are the facts that users see.
func shown(f Facts) map[string]string {
	out := map[string]string{}
	for name, key := range map[string]string{
		"os": "os", "arch": "arch", "kernel": "release", "hostname": "hostname", "user": "user", "uid": "uid", "cpus": "cpus",
		"work-directory": "work", "file-system": "work.type", "docker": "docker",
	} {
		if f.Has(key) {
			out[name] = f.One[key]
		}
	}
	if list := f.Many["python"]; len(list) > 0 {
		out["python.version"], out["python.path"], _ = strings.Cut(list[0], " ")
	}
	for _, t := range f.Many["tool"] {
		name, version, _ := strings.Cut(t, " ")
		out[name] = version
	}
	for i, g := range f.Many["gpu"] {
		name, rest, _ := strings.Cut(g, ", ")
		_, version, _ := strings.Cut(rest, ", ")
		out["gpu."+strconv.Itoa(i)] = name
		out["gpu.driver"] = version
	}
	return out
}
