package sshx

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// errIdentified ends a handshake whose purpose was the host key.
var errIdentified = errors.New("the host key is known")

// Identify connects as far as the machine proves its host key, and hangs up before anything is logged in
// with. The checks are dns or jump-host, tcp, banner, key-exchange and host-key; beside an error there
// are those made so far, and the key if it was shown. It uses no connection that is kept.
func (c *Conn) Identify(ctx context.Context) (Seen, []driver.Check, error) {
	config := c.config
	ctx, cancel := context.WithTimeout(ctx, config.Timeout+grace)
	defer cancel()
	var t *trace
	var seen Seen
	var err error
	for _, keyType := range config.Trust.types() {
		t = &trace{begin: time.Now()}
		seen, err = config.identifyOnce(ctx, t, keyType)
		if r := fault.ReasonOf(err); r != "HostKeyRefused" && r != "AlgorithmsDiffer" {
			break
		}
	}
	return seen, t.checks, err
}

func (c Config) identifyOnce(ctx context.Context, t *trace, keyType string) (Seen, error) {
	near, cancel := context.WithTimeout(ctx, c.Timeout)
	conn, err := c.reach(near, t)
	cancel()
	if err != nil {
		return Seen{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	g, version, err := greet(ctx, conn, c.Place())
	if fault.ReasonOf(err) == "ClosedBeforeBanner" && len(fault.From(err).Evidence) == 0 && c.speaksTLS(ctx) {
		err = notSSH(c.Place(), "a TLS server (HTTPS?)", "it answers a TLS handshake")
	}
	if err = t.step("banner", err, quoted(version)); err != nil {
		return Seen{}, err
	}
	p := &progress{}
	config := c.clientConfig(p, t, keyType)
	check := config.HostKeyCallback
	config.Auth = nil
	config.HostKeyCallback = func(name string, remote net.Addr, k ssh.PublicKey) error {
		if err := check(name, remote, k); err != nil {
			return err
		}
		return errIdentified
	}
	_, _, _, err = ssh.NewClientConn(g, c.Place(), config)
	if p.key == nil {
		return Seen{}, t.step("key-exchange", c.exchangeFault(ctx, err))
	}
	return Seen{Key: p.key, Server: version}, p.refused
}

// KeyType returns the type of a host key, as known_hosts has it: that of the key inside a certificate.
func KeyType(k ssh.PublicKey) string { return plain(k).Type() }

// Demands reports whether it was said beforehand which keys are accepted.
func (t Trust) Demands() bool { return t.demands() }
