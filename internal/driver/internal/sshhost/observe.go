package sshhost

import (
	"context"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Observe implements driver.Conn: it connects anew, so that all it says holds now. The checks are
// address, credentials, dns or jump-host, tcp, banner, key-exchange, host-key, authentication, shell,
// system, home, work-directory, disk, clock, lingering, python, uv, docker and gpus. It pins the host
// key it saw; beside Reason HostKeyChanged that is the new one.
func (c *Conn) Observe(ctx context.Context) (driver.Observation, error) {
	l := &hostagent.Look{}
	if err := l.Step(driver.Check{Name: "address", Required: true, Evidence: []string{c.config.Place()}}, c.checkAddress()); err != nil {
		return l.Seen(), err
	}
	seen, checks, err := c.Probe(ctx)
	l.Checks = append(l.Checks, checks...)
	if seen.Key != nil { // beside no error, and beside a key that changed
		l.Pin = map[string]string{PinHostKey: sshx.Pin(seen.Key)}
	}
	if err != nil {
		return l.Seen(), err
	}
	c.Retry()
	if err := l.Machine(ctx, c.Place); err != nil {
		return l.Seen(), err
	}
	l.Others("disk", "clock", "lingering", "python", "uv", "docker", "gpus")
	if seen, err = c.Seen(ctx); err != nil {
		return l.Seen(), err
	}
	return c.observation(l, seen), nil
}

func (c *Conn) checkAddress() error {
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
func (c *Conn) observation(l *hostagent.Look, seen sshx.Seen) driver.Observation {
	f := l.Facts
	o := l.Seen()
	o.Exists, o.Ready = true, l.Reason == ""
	o.Reason, o.Message = l.Reason, l.Message
	o.Identity = "ssh/" + seen.Fingerprint() + "/" + f.One["boot"]
	if f.Has("machine") {
		o.Lasting = "machine/" + f.One["machine"]
	}
	m := driver.Machine{
		Identity: o.Identity, Name: f.One["hostname"], Runs: c.slots, GPUs: len(f.Many["gpu"]),
		CPU: float64(f.Number("cpus")), Memory: f.Number("memory") << 10,
	}
	if m.Runs == 0 {
		m.Runs = max(1, int(f.Number("cpus")))
	}
	o.Machines = []driver.Machine{m}
	o.Facts["host-key"] = sshx.Fingerprint(seen.Key)
	o.Facts["ssh.server"] = seen.Server
	c.noteDemand(o)
	return o
}
