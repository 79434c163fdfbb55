package zoo_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/sshvm"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

//go:embed testdata/faults.txt
var expectations string

// expectation is a line of faults.txt.
type expectation struct {
	name, check, reason, words string
	required                   bool
}

func expected(t *testing.T) []expectation {
	t.Helper()
	var list []expectation
	for line := range strings.Lines(expectations) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if strings.HasPrefix(line, "#") || len(f) != 4 {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		check, soft := strings.CutPrefix(f[1], "? ")
		list = append(list, expectation{f[0], check, f[2], f[3], !soft})
	}
	return list
}

// TestFaults attaches each wrong machine: the check that fails, its Reason and Fix are the expected ones, the
// first line names the cause, no secret is said, and the verdict comes in time.
func TestFaults(t *testing.T) {
	l := open(t)
	made := arrangements(l)
	list := expected(t)
	if len(list) < 35 || len(list) != len(made) {
		t.Errorf("%d faults are expected, %d arranged", len(list), len(made))
	}
	for _, e := range list {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			arrange, ok := made[e.name]
			if !ok {
				t.Fatal("nobody arranges it")
			}
			target := arrange(t)
			c := connect(t, target)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			begin := time.Now()
			o, err := c.Observe(ctx)
			took := time.Since(begin)
			if e.required {
				e.checkError(t, err)
				if limit := target.Options[timeout].(time.Duration) + slow*3*time.Second; took > limit {
					t.Errorf("the verdict took %v, over %v", took, limit)
				}
			} else if err != nil || !o.Exists {
				t.Fatalf("exists %v, %v", o.Exists, err)
			}
			e.checkChecks(t, o.Checks)
			for path, secret := range target.Secrets {
				if text := allWords(o, err); len(secret) > 3 && strings.Contains(text, secret) {
					t.Errorf("the secret %s stands in %q", path, text)
				}
			}
		})
	}
}

func (e expectation) checkError(t *testing.T, err error) {
	t.Helper()
	f := fault.From(err)
	if f == nil {
		t.Fatal("no error")
	}
	if f.Reason != e.reason || f.Why == "" || f.Fix == "" || f.What == "" {
		t.Errorf("fault %+v, want the reason %s", f, e.reason)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	if !strings.Contains(first, e.words) {
		t.Errorf("the first line is %q, want in it %q (evidence %q)", first, e.words, f.Evidence)
	}
}

// checkChecks looks for the check that fails: all before it are well, and none that is required follows.
func (e expectation) checkChecks(t *testing.T, checks []driver.Check) {
	t.Helper()
	for i, c := range checks {
		if c.OK {
			continue
		}
		if c.Name == e.check && c.Reason == e.reason && c.Fix != "" && len(c.Evidence) > 0 && (!e.required || i == len(checks)-1) {
			return
		}
		if e.required || c.Name == e.check {
			t.Errorf("check %+v failed, want %s with %s", c, e.check, e.reason)
			return
		}
	}
	t.Errorf("the check %s did not fail: %+v", e.check, checks)
}

func allWords(o driver.Observation, err error) string {
	var b strings.Builder
	if f := fault.From(err); f != nil {
		b.WriteString(f.Error() + f.Fix + strings.Join(f.Evidence, " "))
	}
	for _, c := range o.Checks {
		b.WriteString(c.Fix + strings.Join(c.Evidence, " "))
	}
	for k, v := range o.Facts {
		b.WriteString(k + v)
	}
	return b.String()
}

type arrange func(*testing.T) driver.Target

// arrangements are the wrong machines by the names of the expectations.
func arrangements(l *lab) map[string]arrange {
	all := map[string]arrange{}
	for _, group := range []map[string]arrange{l.networks(), l.strangers(), l.keys(), l.logins(), l.shells(), l.jumps(), l.machines()} {
		for name, a := range group {
			all[name] = a
		}
	}
	return all
}

// with is vm1 with settings.
func (l *lab) with(s settings) arrange {
	return func(t *testing.T) driver.Target { return l.target(t, s) }
}

// served is one more sshd on vm1, with settings for who comes.
func (l *lab) served(s settings, config string, programs ...string) arrange {
	return func(t *testing.T) driver.Target {
		all := settings{port: l.sshd(t, config, programs...)}
		for k, v := range s {
			all[k] = v
		}
		return l.target(t, all)
	}
}

func (l *lab) networks() map[string]arrange {
	far, farPort, _ := net.SplitHostPort(os.Getenv("ENGINES_VM2"))
	n, _ := strconv.ParseInt(farPort, 10, 64)
	return map[string]arrange{
		"refused-port": l.with(settings{port: int64(1)}),
		"black-hole":   l.with(settings{port: int64(2999)}),
		"no-dns":       l.with(settings{address: "no-such-host.invalid"}),
		"no-route":     l.with(settings{address: far, port: n}),
		"no-address":   l.with(settings{address: nil}),
	}
}

// strangers are servers that do not speak SSH as they should.
func (l *lab) strangers() map[string]arrange {
	say := func(lines string, then func(net.Conn)) arrange {
		return func(t *testing.T) driver.Target {
			return l.target(t, l.listen(t, func(c net.Conn) {
				if _, err := io.WriteString(c, lines); err == nil {
					then(c)
				}
			}))
		}
	}
	wait := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	web := func(secure bool) arrange {
		return func(t *testing.T) driver.Target {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.Listener.Close()
			var err error
			if s.Listener, err = net.Listen("tcp", net.JoinHostPort(l.here, "0")); err != nil {
				t.Fatal(err)
			}
			start := s.Start
			if secure {
				start = s.StartTLS
			}
			start()
			t.Cleanup(s.Close)
			return l.target(t, settings{address: l.here, port: int64(s.Listener.Addr().(*net.TCPAddr).Port)})
		}
	}
	return map[string]arrange{ // OpenSSL answers with an alert, Go's TLS with nothing
		"http":           web(false),
		"tls":            web(true),
		"tls-alert":      say("\x15\x03\x01\x00\x02\x02\x46", func(net.Conn) {}),
		"mail":           say("220 mail.example ESMTP\r\n", wait),
		"banner-flood":   say(strings.Repeat("all work and no play makes jack a dull boy\r\n", 10000), wait),
		"slow-banner":    say("", wait),
		"closed-at-once": say("", func(c net.Conn) { _, _ = bufio.NewReader(c).ReadString('\n') }),
		"old-protocol":   say("SSH-1.5-OpenSSH_2.1\r\n", wait),
		"kex-stalls":     say("SSH-2.0-OpenSSH_9.9\r\n", wait),
		"kex-closed":     say("SSH-2.0-OpenSSH_9.9\r\n", func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 100)) }),
		"auth-stalls":    l.stalls,
	}
}

// stalls is a server that says nothing once somebody logs in.
func (l *lab) stalls(t *testing.T) driver.Target {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		<-release
		return nil, errors.New("no")
	}}
	config.AddHostKey(hostSigner(t))
	return l.target(t, l.listen(t, func(c net.Conn) { _, _, _, _ = ssh.NewServerConn(c, config) }))
}

// oneTime is a server that takes the key, and then asks for a code.
func (l *lab) oneTime(t *testing.T) driver.Target {
	ask := func(_ ssh.ConnMetadata, answer ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		_, err := answer("", "", []string{"One-time password (OATH) for `ada': "}, []bool{false})
		return nil, errors.Join(err, errors.New("no"))
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: ask}}
	}}
	config.AddHostKey(hostSigner(t))
	all := l.listen(t, func(c net.Conn) { _, _, _, _ = ssh.NewServerConn(c, config) })
	all[password] = os.Getenv("ENGINES_VM_PASSWORD")
	return l.target(t, all)
}

func hostSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// keys are wrong host keys, and credentials that cannot be used.
func (l *lab) keys() map[string]arrange {
	encrypted := read(l, os.Getenv("ENGINES_VM_KEY_ENCRYPTED"))
	ca := l.sudo(l, "cat /etc/zoo/ca.pub")
	certificate := func(name string) arrange {
		return l.served(settings{hostKey: ca}, "HostKey /etc/zoo/"+name+"\nHostCertificate /etc/zoo/"+name+"-cert.pub")
	}
	changed := func(t *testing.T) driver.Target {
		target := l.target(t, nil)
		target.Pinned = map[string]string{sshvm.PinHostKey: ca}
		return target
	}
	return map[string]arrange{
		"host-key-changed":   changed,
		"host-key-other":     l.with(settings{hostKey: "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"}),
		"certificate-name":   certificate("name"),
		"certificate-ended":  certificate("ended"),
		"certificate-signer": certificate("signer"),
		"kex-unsafe":         l.served(nil, "KexAlgorithms diffie-hellman-group18-sha512"),
		"no-credentials":     l.with(settings{key: nil}),
		"passphrase-wrong":   l.with(settings{key: encrypted, passphrase: "not this one"}),
		"passphrase-missing": l.with(settings{key: encrypted}),
		"key-public":         l.with(settings{key: read(l, os.Getenv("ENGINES_VM_KEY")+".pub")}),
		"key-putty":          l.with(settings{key: "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"}),
		"key-cut":            l.with(settings{key: l.key[:len(l.key)/2] + "\n-----END OPENSSH PRIVATE KEY-----\n"}),
		"key-filename":       l.with(settings{key: "/home/me/.ssh/id_ed25519"}),
	}
}

// stranger is a key that nobody lets in.
func strangerKey(t testing.TB) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// pam has sshd ask PAM, and nothing else, for the password.
const pam = "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\nAuthenticationMethods keyboard-interactive:pam"

func (l *lab) logins() map[string]arrange {
	pw := os.Getenv("ENGINES_VM_PASSWORD")
	return map[string]arrange{
		"wrong-user":        l.with(settings{user: "nobody-here"}),
		"wrong-password":    l.with(settings{key: nil, password: "wrong-canary-9a1"}),
		"wrong-key":         l.with(settings{key: strangerKey(l), user: "z-copy"}),
		"key-type-disabled": l.served(nil, "PubkeyAcceptedAlgorithms rsa-sha2-512"),
		"keys-disabled":     l.served(nil, "PubkeyAuthentication no"),
		"password-disabled": l.served(settings{key: nil, password: pw}, "PasswordAuthentication no\nKbdInteractiveAuthentication no"),
		"locked-account":    l.served(settings{user: "z-locked"}, ""),
		"second-factor":     l.served(nil, "AuthenticationMethods publickey,password"),
		"too-many-tries":    l.served(settings{key: strangerKey(l), password: pw}, "MaxAuthTries 1"),
		"one-time-password": l.oneTime,
		"password-ended":    l.served(settings{user: "z-old", key: nil, password: pw}, pam),
	}
}

func (l *lab) shells() map[string]arrange {
	return map[string]arrange{
		"shell-false":      l.served(settings{user: "z-false"}, ""),
		"shell-nologin":    l.served(settings{user: "z-nologin"}, ""),
		"forced-command":   l.served(nil, "ForceCommand echo only this"),
		"no-sessions":      l.served(nil, "MaxSessions 0"),
		"password-expired": l.served(settings{user: "z-stale", key: nil, password: os.Getenv("ENGINES_VM_PASSWORD")}, ""),
		"home-missing":     l.served(settings{user: "z-gone"}, ""),
		"work-noexec":      l.with(settings{work: "/srv/zoo/noexec/w"}),
		"work-full":        l.with(settings{work: "/srv/zoo/full/w"}),
		"work-read-only":   l.with(settings{work: "/srv/zoo/ro/w"}),
		"work-denied":      l.with(settings{work: "/srv/zoo/denied/w"}),
		"work-closed":      l.with(settings{work: "/root/w"}),
		"work-file":        l.with(settings{work: "/srv/zoo/file"}),
	}
}

func (l *lab) jumps() map[string]arrange {
	through := func(jump settings, there settings) arrange {
		return func(t *testing.T) driver.Target {
			all := settings{via: []driver.Conn{l.jump(t, l.target(t, jump))}}
			for k, v := range there {
				all[k] = v
			}
			return l.target(t, all)
		}
	}
	closed := func(t *testing.T) driver.Target {
		p := l.sshd(t, "AllowTcpForwarding no",
			"/usr/bin/python3*=none", "/usr/bin/perl=none", "/usr/bin/socat*=none", "/usr/bin/nc*=none", "/usr/bin/bash=none")
		return through(settings{port: p, user: "z-dash"}, nil)(t)
	}
	changed := func(t *testing.T) driver.Target {
		jump := l.target(t, nil)
		jump.Pinned = map[string]string{sshvm.PinHostKey: l.sudo(t, "cat /etc/zoo/ca.pub")}
		return l.target(t, settings{via: []driver.Conn{l.jump(t, jump)}})
	}
	return map[string]arrange{
		"jump-down":           through(settings{port: int64(1)}, nil),
		"jump-refuses":        closed,
		"jump-key-changed":    changed,
		"beyond-jump-refused": through(nil, settings{address: "127.0.0.1", port: int64(1)}),
		"beyond-jump-unknown": through(nil, settings{address: "no-such-host.invalid"}),
	}
}

// machines let us in, and something on them is wrong.
func (l *lab) machines() map[string]arrange {
	return map[string]arrange{
		"not-linux":          l.served(nil, "", `/usr/bin/uname=echo FreeBSD`),
		"wrong-architecture": l.served(nil, "", `/usr/bin/uname=case $1 in -m) echo armv7l ;; -s) echo Linux ;; *) echo x ;; esac`),
		"no-python":          l.served(nil, "", "/usr/bin/python3*=none"),
		"clock-ahead":        l.served(nil, "", `/usr/bin/date=exec perl -e 'printf "%d.000000000\n", time + 3600'`),
		"left-overs-killed":  l.served(nil, "", `/usr/bin/busctl=echo b true`),
		"docker-denied":      l.served(nil, "", `/usr/bin/docker=[ "$(id -u)" = 0 ] && echo 29.1.0 && exit; id -nG | grep -qw docker && echo 29.1.0 && exit; echo permission denied while trying to connect to the docker API at unix:///var/run/docker.sock >&2; exit 1`),
		"docker-down":        l.served(nil, "", `/usr/bin/docker=[ -e /run/zoo-docker ] && echo 29.1.0 && exit; echo Cannot connect to the Docker daemon. Is the docker daemon running? >&2; exit 1`),
		"gpu-broken":         l.served(nil, "", `/usr/bin/nvidia-smi=echo NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.; exit 9`),
	}
}
