package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// dial makes a connection: the checks credentials, dns or jump-host, tcp, banner, key-exchange,
// host-key and authentication. Beside an error it returns those made so far, and the host key if it
// was shown.
func dial(ctx context.Context, c Config) (*link, *trace, error) {
	var t *trace
	var failed error
	begin := time.Now()
	_, _ = c.Login.signer() // which takes its time before the machine's begins
	took := time.Since(begin)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout+grace)
	defer cancel()
	for _, keyType := range c.Trust.types() {
		now := &trace{begin: time.Now().Add(-took)}
		l, err := (*link)(nil), now.step("credentials", c.Login.Check(), c.Login.Describe())
		if err == nil {
			l, err = c.dialOnce(ctx, now, keyType)
		}
		if err == nil {
			return l, now, nil
		}
		if t == nil {
			t, failed = now, err // the first key is the one that users compare
		}
		if fault.ReasonOf(err) != "HostKeyRefused" && fault.ReasonOf(err) != "AlgorithmsDiffer" {
			return nil, now, err
		}
	}
	return nil, t, failed
}

func (c Config) dialOnce(ctx context.Context, t *trace, keyType string) (*link, error) {
	near, cancel := context.WithTimeout(ctx, c.Timeout)
	conn, err := c.reach(near, t)
	cancel()
	if err != nil {
		return nil, err
	}
	// Not every connection has deadlines, but each can be closed.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	l, err := c.shake(ctx, conn, t, keyType)
	if !stop() && err == nil {
		l.close()
		err = t.step("authentication", c.authFault(ctx, &progress{}, errors.New("no time was left")))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

// progress is how far a handshake came.
type progress struct {
	mu      sync.Mutex
	key     ssh.PublicKey // the host key that was shown
	refused error         // why it is not accepted
	banner  string        // for users
	methods []string      // that the server offers
	tried   []string      // that failed
	passed  []string      // that were not enough
	asked   []string      // questions of a second factor
	expired bool          // a new password is demanded
}

// shake speaks SSH on a connection.
func (c Config) shake(ctx context.Context, conn net.Conn, t *trace, keyType string) (*link, error) {
	g, version, err := greet(ctx, conn, c.Place())
	if fault.ReasonOf(err) == "ClosedBeforeBanner" && len(fault.From(err).Evidence) == 0 && c.speaksTLS(ctx) {
		err = notSSH(c.Place(), "a TLS server (HTTPS?)", "it answers a TLS handshake")
	}
	if err != nil {
		return nil, t.step("banner", err)
	}
	_ = t.step("banner", nil, quoted(version))
	p := &progress{}
	config := c.clientConfig(p, t, keyType)
	sc, channels, requests, err := ssh.NewClientConn(g, c.Place(), config)
	switch {
	case err == nil:
		_ = t.step("authentication", nil, p.won()...)
		return newLink(sc, channels, requests, Seen{Key: p.key, Server: version}), nil
	case p.key == nil:
		return nil, t.step("key-exchange", c.exchangeFault(ctx, err))
	case p.refused != nil:
		return nil, p.refused // noted as a step already
	}
	return nil, t.step("authentication", c.authFault(ctx, p, err))
}

func (c Config) clientConfig(p *progress, t *trace, keyType string) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User: c.User, ClientVersion: clientVersion, Auth: c.Login.methods(p), HostKeyAlgorithms: c.Trust.algorithms(keyType),
		HostKeyCallback: func(_ string, remote net.Addr, k ssh.PublicKey) error {
			if p.key != nil {
				return c.Trust.check(c.Place(), remote, k) // keys are exchanged anew now and then
			}
			p.key, t.shown = k, k
			_ = t.step("key-exchange", nil)
			p.refused = t.step("host-key", c.Trust.check(c.Place(), remote, k), keyText(k))
			return p.refused
		},
		BannerCallback: func(text string) error {
			if len(p.banner)+len(text) > maxGreeting {
				return errors.New("the server floods us with messages for users")
			}
			p.banner += text
			return nil
		},
		AuthCallback: func(a *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.methods, p.tried, p.passed = a.AllowedMethods, a.TriedMethods, a.PartialSuccessMethods
			return nil, nil
		},
	}
}

// won says how the login was proven.
func (p *progress) won() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.methods) == 0 {
		return nil
	}
	return []string{"offered: " + strings.Join(p.methods, ", ")}
}

// methods are the ways to log in, in the order in which they are tried.
func (l Login) methods(p *progress) []ssh.AuthMethod {
	var list []ssh.AuthMethod
	if s, err := l.signer(); err == nil && s != nil {
		list = append(list, ssh.PublicKeys(s))
	}
	if l.Password != "" {
		list = append(list, ssh.Password(l.Password), ssh.KeyboardInteractive(func(_, instruction string, questions []string, echos []bool) ([]string, error) {
			return l.answer(p, instruction, questions, echos)
		}))
	}
	return list
}

// answer gives the password where a question is for it, and to nothing else: who asks for a code
// does not get a password.
func (l Login) answer(p *progress, instruction string, questions []string, echos []bool) ([]string, error) {
	says := func(text string, words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(text), w) })
	}
	expired := says(instruction+strings.Join(questions, " "), "new password", "current password", "change your password", "expired")
	switch {
	case len(questions) == 0 && !expired:
		return nil, nil
	case expired, len(questions) != 1, echos[0], says(questions[0], "code", "token", "otp", "one-time", "factor"):
		p.ask(questions, expired)
		return nil, errors.New("a question that is not for the password")
	}
	return []string{l.Password}, nil
}

func (p *progress) ask(questions []string, expired bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expired = p.expired || expired
	for _, q := range questions {
		p.asked = append(p.asked, quoted(q))
	}
}

// exchangeFault says why no keys were exchanged.
func (c Config) exchangeFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return connectFault(c.Place(), fault.Unavailable, "KeyExchangeTimedOut", "the server said who it is, and then did not go on in time",
			"see whether the machine is overloaded or the path to it loses large packets (MTU); try it with: ssh -v "+c.command())
	}
	f := connectFault(c.Place(), fault.Unavailable, "KeyExchangeBroken", "the server ended the connection while keys were exchanged",
		"look into the log of sshd on that machine: journalctl -u ssh")
	if e, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err); ok {
		f = connectFault(c.Place(), fault.Unsupported, "AlgorithmsDiffer",
			fmt.Sprintf("the server offers no %s that is safe: only %s", e.What, strings.Join(e.RequestedAlgorithms, ", ")),
			"update sshd there, or take the limits out of its sshd_config (KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs)")
	}
	f.Evidence = []string{wording(err)}
	return f
}

// command is what a user would give to ssh.
func (c Config) command() string {
	if c.Port == 22 {
		return c.User + "@" + c.Address
	}
	return fmt.Sprintf("-p %d %s@%s", c.Port, c.User, c.Address)
}

// wording returns the library's words without its prefixes.
func wording(err error) string {
	return quoted(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "ssh: handshake failed: "), "ssh: "))
}
