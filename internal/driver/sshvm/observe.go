package sshvm

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Observe implements driver.Conn: it connects anew, so that all it says holds now. The checks are
// address, credentials, dns or jump-host, tcp, banner, key-exchange, host-key, authentication, shell,
// system, home, work-directory, disk, clock, lingering, python, uv, docker and gpus. It pins the host
// key it saw; beside Reason HostKeyChanged that is the new one.
func (c *conn) Observe(ctx context.Context) (driver.Observation, error) {
	l := &look{}
	if err := l.step(driver.Check{Name: "address", Required: true, Evidence: []string{c.config.Place()}}, c.checkAddress()); err != nil {
		return l.seen(), err
	}
	seen, checks, err := c.Probe(ctx)
	l.checks = append(l.checks, checks...)
	if seen.Key != nil { // beside no error, and beside a key that changed
		l.pin = map[string]string{PinHostKey: sshx.Pin(seen.Key)}
	}
	if err != nil {
		return l.seen(), err
	}
	begin := time.Now()
	f, err := c.gather(ctx)
	l.facts = f
	shell := driver.Check{Name: "shell", Required: true, Duration: time.Since(begin)}
	if f.has("shell") {
		shell.Evidence = []string{f.one["shell"]}
	}
	if err = l.step(shell, err); err != nil {
		return l.seen(), err
	}
	if err := l.required(f); err != nil {
		return l.seen(), err
	}
	l.others(f)
	if seen, err = c.Seen(ctx); err != nil {
		return l.seen(), err
	}
	return c.observation(l, seen), nil
}

func (c *conn) checkAddress() error {
	if c.config.Address != "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "AddressUnknown", What: "the machine cannot be found",
		Why: "no address was given, and nothing says which one stands behind its resource ID",
		Fix: "give it; run: zaffre compute update NAME --address ADDRESS", Field: "options.address",
	}
}

// observation says of a machine on which all that is required is there what it is.
func (c *conn) observation(l *look, seen sshx.Seen) driver.Observation {
	f := l.facts
	o := l.seen()
	o.Exists, o.Ready = true, l.reason == ""
	o.Reason, o.Message = l.reason, l.message
	o.Identity = "ssh/" + seen.Fingerprint() + "/" + f.one["boot"]
	if f.has("machine") {
		o.Lasting = "machine/" + f.one["machine"]
	}
	m := driver.Machine{
		Identity: o.Identity, Name: f.one["hostname"], Runs: c.slots, GPUs: len(f.many["gpu"]),
		CPU: float64(f.number("cpus")), Memory: f.number("memory") << 10,
	}
	if m.Runs == 0 {
		m.Runs = max(1, int(f.number("cpus")))
	}
	o.Machines = []driver.Machine{m}
	o.Facts["host-key"] = sshx.Fingerprint(seen.Key)
	o.Facts["ssh.server"] = seen.Server
	c.noteDemand(o)
	return o
}

// look collects checks, and the first reason why the machine takes no runs.
type look struct {
	checks          []driver.Check
	facts           facts
	pin             map[string]string
	reason, message string
}

// step notes a check; err is why it failed, a fault. It returns err.
func (l *look) step(c driver.Check, err error) error {
	c.OK = err == nil
	if e := fault.From(err); e != nil {
		c.Reason, c.Fix = e.Reason, e.Fix
		c.Evidence = slices.Concat([]string{e.Why}, c.Evidence, e.Evidence)
	}
	l.checks = append(l.checks, c)
	return err
}

// seen is what is known so far.
func (l *look) seen() driver.Observation {
	return driver.Observation{Checks: l.checks, Facts: shown(l.facts), Pin: l.pin, Observed: time.Now().UTC()}
}

// shown are the facts that users see.
func shown(f facts) map[string]string {
	out := map[string]string{}
	for name, key := range map[string]string{
		"os": "os", "arch": "arch", "kernel": "release", "hostname": "hostname", "user": "user", "uid": "uid", "cpus": "cpus",
		"work-directory": "work", "file-system": "work.type", "docker": "docker",
	} {
		if f.has(key) {
			out[name] = f.one[key]
		}
	}
	if list := f.many["python"]; len(list) > 0 {
		out["python.version"], out["python.path"], _ = strings.Cut(list[0], " ")
	}
	for _, t := range f.many["tool"] {
		name, version, _ := strings.Cut(t, " ")
		out[name] = version
	}
	for i, g := range f.many["gpu"] {
		name, rest, _ := strings.Cut(g, ", ")
		_, version, _ := strings.Cut(rest, ", ")
		out["gpu."+strconv.Itoa(i)] = name
		out["gpu.driver"] = version
	}
	return out
}
