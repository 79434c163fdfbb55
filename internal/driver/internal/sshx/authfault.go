package sshx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// authFault says why the login failed, by what was offered and tried.
func (c Config) authFault(ctx context.Context, p *progress, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := c.whyRefused(ctx, p, err)
	f.What = "cannot log in at " + c.Place()
	if len(p.methods) > 0 {
		f.Evidence = append(f.Evidence, "offered: "+strings.Join(p.methods, ", "))
	}
	if p.banner != "" {
		f.Evidence = append(f.Evidence, quoted(p.banner))
	}
	f.Evidence = append(f.Evidence, p.asked...)
	return f
}

func (c Config) whyRefused(ctx context.Context, p *progress, err error) *fault.Error {
	tried := func(method string) bool { return slices.Contains(p.tried, method) }
	offered := func(method string) bool { return slices.Contains(p.methods, method) }
	switch {
	case ctx.Err() != nil:
		return connectFault(c.Place(), fault.Unavailable, "LoginTimedOut", "the server did not answer the login in time",
			"see whether the machine is overloaded, or waits for a name server (UseDNS no in sshd_config) or for a directory (LDAP); a slow one may need more time; run: zaffre compute update NAME --connect-timeout 15s")
	case strings.Contains(err.Error(), "Too many authentication failures"):
		return connectFault(c.Place(), fault.Unauthorized, "TooManyTries", "the server hung up after too few tries (MaxAuthTries)",
			"set MaxAuthTries in its sshd_config to 3 or more, or give only the one credential that is right")
	case hungUp(err):
		f := connectFault(c.Place(), fault.Unavailable, "HungUpAtLogin", "the server ended the connection at the login",
			"look into the log of sshd on that machine: journalctl -u ssh")
		f.Evidence = []string{wording(err)}
		return f
	case p.expired:
		return expiredFault("cannot log in at " + c.Place())
	case len(p.asked)+len(p.passed) > 0:
		return c.secondFactor(p)
	case offered("publickey") && tried("publickey"):
		return c.keyRefused()
	case c.Login.Key != "" && !offered("publickey") && c.Login.Password == "":
		return connectFault(c.Place(), fault.Unauthorized, "PublicKeyDisabled", "the server takes no keys, only "+strings.Join(p.methods, ", "),
			"set PubkeyAuthentication yes in its sshd_config, or give a password; run: zaffre compute update NAME --password-file FILE")
	case tried("password"), tried("keyboard-interactive"):
		return connectFault(c.Place(), fault.Unauthorized, "PasswordRefused",
			fmt.Sprintf("the password for user %q is not accepted: it is wrong, or there is no such user, or the account is locked", c.User),
			"try it with: ssh "+c.command()+"; then run: zaffre compute update NAME --password-file FILE")
	case c.Login.Password != "":
		return connectFault(c.Place(), fault.Unauthorized, "PasswordDisabled", "the server takes no passwords, only "+strings.Join(p.methods, ", "),
			"give a private key instead; run: zaffre compute update NAME --key-file FILE")
	}
	return connectFault(c.Place(), fault.Unauthorized, "LoginRefused", fmt.Sprintf("the server does not let user %q in", c.User),
		"look into the log of sshd on that machine: journalctl -u ssh")
}

// hungUp is for a server that hangs up instead of saying no.
func hungUp(err error) bool {
	if errors.Is(err, io.EOF) {
		return true
	}
	return slices.ContainsFunc([]string{"connection reset", "disconnect", "broken pipe"}, func(s string) bool { return strings.Contains(err.Error(), s) })
}

// secondFactor is for a server that wants more than there is.
func (c Config) secondFactor(p *progress) *fault.Error {
	const exempt = "exempt this user from it: Match User %s with AuthenticationMethods publickey in its sshd_config"
	if len(p.asked) > 0 {
		return connectFault(c.Place(), fault.Unauthorized, "SecondFactor",
			"the server asks "+strings.Join(p.asked, ", ")+", a second factor that nobody can give while no one is there",
			fmt.Sprintf(exempt, c.User)+", and give a key")
	}
	also := "give a password too; run: zaffre compute update NAME --password-file FILE"
	if c.Login.Key == "" {
		also = "give a key too; run: zaffre compute update NAME --key-file FILE"
	}
	return connectFault(c.Place(), fault.Unauthorized, "SecondFactor",
		"the server accepted "+strings.Join(p.passed, ", ")+" and wants "+strings.Join(p.methods, " or ")+" as well",
		also+"; or "+fmt.Sprintf(exempt, c.User))
}

func (c Config) keyRefused() *fault.Error {
	print, keyType := "", ""
	if s, err := c.Login.signer(); err == nil && s != nil {
		print, keyType = ssh.FingerprintSHA256(s.PublicKey()), s.PublicKey().Type()
	}
	return connectFault(c.Place(), fault.Unauthorized, "KeyRefused",
		fmt.Sprintf("the key %s is not accepted for user %q: it is not in authorized_keys, its type %s is disabled, there is no such user, or the account is locked", print, c.User, keyType),
		"put its public part there: ssh-copy-id -f -i KEY.pub "+c.command()+
			"; the home folder and ~/.ssh may be writable by their owner only; the log of sshd says which it was; or give another user or another key; run: zaffre compute update NAME --user USER, or --key-file FILE")
}
