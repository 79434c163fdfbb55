package sshhost

import (
	"context"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshx"
)

var _ driver.Identifier = (*Conn)(nil)

// Identify implements driver.Identifier: it shows the host key, and logs in nowhere but at jump hosts.
func (c *Conn) Identify(ctx context.Context) (driver.Observation, error) {
	l := &hostagent.Look{}
	if err := l.Step(driver.Check{Name: "address", Required: true, Evidence: []string{c.config.Place()}}, c.checkAddress()); err != nil {
		return l.Seen(), err
	}
	seen, checks, err := c.shared.Identify(ctx)
	l.Checks = append(l.Checks, checks...)
	if seen.Key == nil {
		return l.Seen(), err
	}
	l.Pin = map[string]string{PinHostKey: sshx.Pin(seen.Key)}
	o := l.Seen()
	o.Exists = true
	o.Facts["address"], o.Facts["host-key"], o.Facts["host-key.type"] = c.config.Place(), sshx.Fingerprint(seen.Key), sshx.KeyType(seen.Key)
	o.Facts["ssh.server"] = seen.Server
	c.noteDemand(o)
	return o, err
}

// noteDemand says that the key was not taken unseen.
func (c *Conn) noteDemand(o driver.Observation) {
	if c.config.Trust.Demands() {
		o.Facts["host-key.demanded"] = "yes"
	}
}
