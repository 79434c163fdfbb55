package sshvm

import (
	"context"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshx"
)

var _ driver.Identifier = (*conn)(nil)

// Identify implements driver.Identifier: it shows the host key, and logs in nowhere but at jump hosts.
func (c *conn) Identify(ctx context.Context) (driver.Observation, error) {
	l := &look{}
	if err := l.step(driver.Check{Name: "address", Required: true, Evidence: []string{c.config.Place()}}, c.checkAddress()); err != nil {
		return l.seen(), err
	}
	seen, checks, err := c.shared.Identify(ctx)
	l.checks = append(l.checks, checks...)
	if seen.Key == nil {
		return l.seen(), err
	}
	l.pin = map[string]string{PinHostKey: sshx.Pin(seen.Key)}
	o := l.seen()
	o.Exists = true
	o.Facts["address"], o.Facts["host-key"], o.Facts["host-key.type"] = c.config.Place(), sshx.Fingerprint(seen.Key), sshx.KeyType(seen.Key)
	o.Facts["ssh.server"] = seen.Server
	c.noteDemand(o)
	return o, err
}

// noteDemand says that the key was not taken unseen.
func (c *conn) noteDemand(o driver.Observation) {
	if c.config.Trust.Demands() {
		o.Facts["host-key.demanded"] = "yes"
	}
}
