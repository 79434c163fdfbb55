package sshx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
	ctx, cancel := context.WithTimeout(ctx, c.Timeout+grace)
	defer cancel()
	var err error
	var t *trace
	for _, keyType := range c.Trust.types() {
		var l *link
		t = &trace{begin: time.Now()}
		l, err = c.dialOnce(ctx, t, keyType)
		if err == nil {
			return l, t, nil
		}
		if fault.ReasonOf(err) != "HostKeyRefused" && fault.ReasonOf(err) != "AlgorithmsDiffer" {
			break
		}
	}
	return nil, t, err
}

func (c Config) dialOnce(ctx context.Context, t *trace, keyType string) (*link, error) {
	err := c.Login.Check()
	if err = t.step("credentials", err, c.Login.Describe()); err != nil {
		return nil, err
	}
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
		list = append(list, ssh.Password(l.Password), ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
			return l.answer(p, questions, echos)
		}))
	}
	return list
}

// answer gives the password where a question is for it, and to nothing else: who asks for a code
// does not get a password.
func (l Login) answer(p *progress, questions []string, echos []bool) ([]string, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	q := strings.ToLower(questions[0])
	for _, other := range []string{"code", "token", "otp", "factor", "new password", "passcode"} {
		if strings.Contains(q, other) {
			p.ask(questions)
			return nil, errors.New("a question that is not for the password")
		}
	}
	if len(questions) != 1 || echos[0] {
		p.ask(questions)
		return nil, errors.New("a question that is not for the password")
	}
	return []string{l.Password}, nil
}

func (p *progress) ask(questions []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range questions {
		p.asked = append(p.asked, quoted(q))
	}
}

// exchangeFault says why no keys were exchanged.
func (c Config) exchangeFault(ctx context.Context, err error) error {
	f := &fault.Error{
		Code: fault.Unavailable, Reason: "KeyExchangeBroken", What: "cannot connect to " + c.Place(),
		Why: "the server ended the connection while keys were exchanged",
		Fix: "look into the log of sshd on that machine: journalctl -u ssh", Evidence: []string{wording(err)},
	}
	if e, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err); ok {
		f.Code, f.Reason = fault.Unsupported, "AlgorithmsDiffer"
		f.Why = fmt.Sprintf("the server offers no %s that is safe: only %s", e.What, strings.Join(e.RequestedAlgorithms, ", "))
		f.Fix = "update sshd there, or take the limits out of its sshd_config (KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs)"
	}
	if ctx.Err() != nil {
		f.Reason, f.Why, f.Evidence = "KeyExchangeTimedOut", "the server said who it is, and then did not go on in time", nil
		f.Fix = "see whether the machine is overloaded or the path to it loses large packets (MTU): ping -s 1400 ADDRESS"
	}
	return f
}

// authFault says why the login failed, by what was offered and tried.
func (c Config) authFault(ctx context.Context, p *progress, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := &fault.Error{
		Code: fault.Unauthorized, Reason: "LoginRefused", What: "cannot log in at " + c.Place(),
		Why: fmt.Sprintf("the server does not let user %q in", c.User), Fix: "look into the log of sshd on that machine: journalctl -u ssh",
	}
	if len(p.methods) > 0 {
		f.Evidence = append(f.Evidence, "offered: "+strings.Join(p.methods, ", "))
	}
	if p.banner != "" {
		f.Evidence = append(f.Evidence, quoted(p.banner))
	}
	switch {
	case ctx.Err() != nil:
		f.Code, f.Reason, f.Why = fault.Unavailable, "LoginTimedOut", "the server did not answer the login in time"
		f.Fix = "see whether the machine is overloaded, or waits for a name server (UseDNS no in sshd_config) or for a directory (LDAP); a slow one may need a longer --connect-timeout"
	case c.lostAtLogin(p, err, f), len(p.asked) > 0 && secondFactor(p, f), len(p.passed) > 0 && secondFactor(p, f):
	case has(p.methods, "publickey") && has(p.tried, "publickey"):
		c.keyRefused(f)
	case c.Login.Key != "" && !has(p.methods, "publickey") && c.Login.Password == "":
		f.Reason, f.Why = "PublicKeyDisabled", "the server takes no keys, only "+strings.Join(p.methods, ", ")
		f.Fix = "set PubkeyAuthentication yes in its sshd_config, or give a password: --administrator-account-password-file FILE"
	case has(p.tried, "password") || has(p.tried, "keyboard-interactive"):
		f.Reason = "PasswordRefused"
		f.Why = fmt.Sprintf("the password for user %q is not accepted: it is wrong, or there is no such user, or the account is locked", c.User)
		f.Fix = "try it with: ssh " + c.command() + "; then run: zaffre compute update NAME --administrator-account-password-file FILE"
	case c.Login.Password != "":
		f.Reason, f.Why = "PasswordDisabled", "the server takes no passwords, only "+strings.Join(p.methods, ", ")
		f.Fix = "give a private key instead; run: zaffre compute update NAME --administrator-account-private-key-data-file FILE"
	}
	return f
}

func (c Config) keyRefused(f *fault.Error) {
	s, err := c.Login.signer()
	if err != nil || s == nil {
		return
	}
	f.Reason = "KeyRefused"
	f.Why = fmt.Sprintf("the key %s is not accepted for user %q: it is not in authorized_keys, its type %s is disabled, there is no such user, or the account is locked",
		ssh.FingerprintSHA256(s.PublicKey()), c.User, s.PublicKey().Type())
	f.Fix = "put its public part there: ssh-copy-id -f -i KEY.pub " + c.command() +
		"; the home folder and ~/.ssh may be writable by their owner only; the log of sshd says which it was"
}

// lostAtLogin is for a server that hangs up instead of saying no.
func (c Config) lostAtLogin(p *progress, err error, f *fault.Error) bool {
	text := err.Error()
	switch {
	case strings.Contains(text, "Too many authentication failures"):
		f.Reason, f.Why = "TooManyTries", "the server hung up after too few tries (MaxAuthTries)"
		f.Fix = "set MaxAuthTries in its sshd_config to 3 or more, or give only the one credential that is right"
	case errors.Is(err, io.EOF), strings.Contains(text, "connection reset"), strings.Contains(text, "disconnect"), strings.Contains(text, "broken pipe"):
		f.Code, f.Reason, f.Why = fault.Unavailable, "HungUpAtLogin", "the server ended the connection at the login"
		f.Evidence = append(f.Evidence, wording(err))
	default:
		return false
	}
	return true
}

// secondFactor is for a server that wants more than there is.
func secondFactor(p *progress, f *fault.Error) bool {
	f.Reason, f.Why = "SecondFactor", "the server wants a second proof, which nobody can give while no one is there"
	if len(p.passed) > 0 {
		f.Why = "the server accepted " + strings.Join(p.passed, ", ") + " and wants " + strings.Join(p.methods, " or ") + " as well"
	}
	f.Fix = "exempt this user: Match User … with AuthenticationMethods publickey in its sshd_config; or give both a key and a password"
	f.Evidence = append(f.Evidence, p.asked...)
	return true
}

// command is what a user would give to ssh.
func (c Config) command() string {
	if c.Port == 22 {
		return c.User + "@" + c.Address
	}
	return fmt.Sprintf("-p %d %s@%s", c.Port, c.User, c.Address)
}

func has(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// wording returns the library's words without its prefixes.
func wording(err error) string {
	return quoted(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "ssh: handshake failed: "), "ssh: "))
}
