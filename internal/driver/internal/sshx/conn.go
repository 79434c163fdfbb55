package sshx

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Conn keeps one SSH connection to a machine. It is made by the first call, and again by the first
// call after it broke. The first host key with which a login succeeded is the only one accepted
// from then on.
type Conn struct {
	config Config
	down   atomic.Pointer[error] // why the last try failed; nil: it did not
	gate   chan struct{}         // held while the fields below are read or changed

	live    *link
	pinned  ssh.PublicKey
	failed  error // why the last try failed
	until   time.Time
	backoff time.Duration
	closed  bool
}

// New returns a Conn that has connected to nothing yet.
func New(c Config) *Conn {
	text, passphrase := c.Login.Key, c.Login.Passphrase
	c.Login.read = sync.OnceValues(func() (ssh.Signer, error) { return ParseKey(text, passphrase) })
	return &Conn{config: c, gate: make(chan struct{}, 1)}
}

// Close ends the connection and what uses it.
func (c *Conn) Close() error {
	c.gate <- struct{}{}
	defer func() { <-c.gate }()
	c.closed = true
	if c.live != nil {
		c.live.close()
		c.live = nil
	}
	return nil
}

func (c *Conn) lock(ctx context.Context) error {
	select {
	case c.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return timeFault(ctx)
	}
}

// enter is lock for who has no need to wait: while somebody tries a machine that did not answer the last time, it hears
// so at once. Else each job on a machine that is away would hold a worker for as long as a try takes.
func (c *Conn) enter(ctx context.Context) error {
	select {
	case c.gate <- struct{}{}:
		return nil
	default:
	}
	if down := c.down.Load(); down != nil {
		return *down
	}
	return c.lock(ctx)
}

// open returns a live connection.
func (c *Conn) open(ctx context.Context) (*link, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer func() { <-c.gate }()
	switch {
	case c.live != nil && !c.live.dead():
		return c.live, nil
	case !c.closed && time.Now().Before(c.until):
		return nil, c.failed
	}
	l, _, err := c.renew(ctx)
	return l, err
}

// Probe makes a new connection, even after a failure, and keeps it instead of the one there was,
// which goes when its users are done. The checks are credentials, dns or jump-host, tcp, banner,
// key-exchange, host-key and authentication; beside an error there are those made so far, and beside
// HostKeyChanged the key that was shown.
func (c *Conn) Probe(ctx context.Context) (Seen, []driver.Check, error) {
	if err := c.lock(ctx); err != nil {
		return Seen{}, nil, err
	}
	defer func() { <-c.gate }()
	l, t, err := c.renew(ctx)
	if err != nil {
		if fault.ReasonOf(err) == "HostKeyChanged" {
			return Seen{Key: t.shown}, t.checks, err
		}
		return Seen{}, t.checks, err
	}
	return l.what(), t.checks, nil
}

// Seen returns what the connection showed. The list of all host keys comes a moment after the login:
// it is there once a command has run.
func (c *Conn) Seen(ctx context.Context) (Seen, error) {
	l, err := c.open(ctx)
	if err != nil {
		return Seen{}, err
	}
	return l.what(), nil
}

// retire has the next call make a new connection.
func (c *Conn) retire(ctx context.Context) {
	if c.lock(ctx) != nil {
		return
	}
	defer func() { <-c.gate }()
	if c.live != nil {
		c.live.retire()
		c.live = nil
	}
}

// renew makes a connection. The caller holds the gate.
func (c *Conn) renew(ctx context.Context) (*link, *trace, error) {
	if c.closed {
		return nil, &trace{}, lostFault()
	}
	config := c.config
	if config.Trust.pinned == nil {
		config.Trust.pinned = c.pinned
	}
	l, t, err := dial(ctx, config)
	if err != nil {
		c.backoff = min(max(2*c.backoff, backoffMin), backoffMax)
		c.until, c.failed = time.Now().Add(c.backoff/2+rand.N(c.backoff)), err
		if ctx.Err() != nil {
			c.until = time.Time{} // the caller's haste is not the machine's fault
		} else {
			c.down.Store(&err)
		}
		if r := fault.ReasonOf(err); c.live != nil && (r == "HostKeyChanged" || r == "HostKeyRefused" || r == "HostCertificateRefused") {
			c.live.close() // nothing goes on until somebody has looked into it
			c.live = nil
		}
		return nil, t, err
	}
	if c.live != nil {
		c.live.retire()
	}
	c.live, c.pinned, c.failed, c.backoff, c.until = l, l.seen.Key, nil, 0, time.Time{}
	c.down.Store(nil)
	return l, t, nil
}

// with calls f with a live connection, and once more with a new one if it turns out to be broken.
func (c *Conn) with(ctx context.Context, f func(*link) error) error {
	for again := true; ; again = false {
		l, err := c.open(ctx)
		if err != nil {
			return err
		}
		err = f(l)
		if !errors.Is(err, errBroken) {
			return err
		}
		l.close()
		<-l.ended
		if !again || ctx.Err() != nil {
			return lostFault()
		}
	}
}

// Observe implements driver.Conn: that the machine lets us in is all that it says.
func (c *Conn) Observe(ctx context.Context) (driver.Observation, error) {
	seen, checks, err := c.Probe(ctx)
	o := driver.Observation{Checks: checks, Observed: time.Now().UTC()}
	if err != nil {
		return o, err
	}
	o.Exists, o.Ready, o.Identity = true, true, "ssh/"+seen.Fingerprint()
	return o, nil
}

func isFault(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}
