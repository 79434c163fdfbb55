package zoo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/sshvm"
)

// TestWorks attaches machines that are odd, and uses them: the preflight within 5 seconds, a command with its
// exact output, a file there and back, a connection made from there.
func TestWorks(t *testing.T) {
	l := open(t)
	for name, arrange := range l.oddities() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			works(t, arrange(t))
		})
	}
}

// oddities are machines that must work.
func (l *lab) oddities() map[string]arrange {
	pw := os.Getenv("ENGINES_VM_PASSWORD")
	encrypted := read(l, os.Getenv("ENGINES_VM_KEY_ENCRYPTED"))
	as := func(user string) arrange { return l.served(settings{user: user}, "") }
	return map[string]arrange{
		"plain":                     l.with(nil),
		"password":                  l.with(settings{key: nil, password: pw}),
		"encrypted-key":             l.with(settings{key: encrypted, passphrase: os.Getenv("ENGINES_VM_PASSPHRASE")}),
		"windows-line-ends":         l.with(settings{key: strings.ReplaceAll(l.key, "\n", "\r\n")}),
		"wrong-key-password":        l.served(settings{key: strangerKey(l), password: pw}, ""),
		"two-factors":               l.served(settings{password: pw}, "AuthenticationMethods publickey,password"),
		"keyboard-interactive":      l.served(settings{key: nil, password: pw}, pam),
		"key-and-interactive":       l.served(settings{password: pw}, strings.Replace(pam, "AuthenticationMethods ", "AuthenticationMethods publickey,", 1)),
		"fish":                      as("z-fish"),
		"csh":                       as("z-csh"),
		"dash":                      as("z-dash"),
		"zsh":                       as("z-zsh"),
		"noisy-profile":             as("z-loud"),
		"space-in-home":             as("z-space"),
		"sftp-disabled":             l.served(nil, "Subsystem sftp /bin/false"),
		"no-forwarding":             l.served(nil, "AllowTcpForwarding no"),
		"no-forwarding-perl":        l.served(nil, "AllowTcpForwarding no", "/usr/bin/python3*=none"),
		"no-forwarding-nc":          l.served(nil, "AllowTcpForwarding no", "/usr/bin/python3*=none", "/usr/bin/perl=none", "/usr/bin/socat*=none"),
		"no-forwarding-socat":       l.served(nil, "AllowTcpForwarding no", "/usr/bin/python3*=none", "/usr/bin/perl=none"),
		"no-forwarding-bash":        l.served(nil, "AllowTcpForwarding no", "/usr/bin/python3*=none", "/usr/bin/perl=none", "/usr/bin/socat*=none", "/usr/bin/nc*=none"),
		"one-session":               l.served(nil, "MaxSessions 1"),
		"one-session-no-forwarding": l.served(nil, "MaxSessions 1\nAllowTcpForwarding no"),
		"banner":                    l.served(nil, "Banner /etc/ssh/sshd_config\nPrintMotd yes"),
		"no-terminal":               l.served(nil, "PermitTTY no"),
		"certificate":               l.served(settings{hostKey: l.sudo(l, "cat /etc/zoo/ca.pub")}, "HostKey /etc/zoo/good\nHostCertificate /etc/zoo/good-cert.pub"),
		"rsa-demanded":              l.with(settings{hostKey: l.sudo(l, "ssh-keygen -lf /etc/ssh/ssh_host_rsa_key.pub | cut -d' ' -f2")}),
		"known-hosts-line":          l.with(settings{hostKey: l.host + " " + l.sudo(l, "cat /etc/ssh/ssh_host_ed25519_key.pub")}),
		"rekeys":                    l.served(nil, "RekeyLimit 64K"),
		"second-jump-host": func(t *testing.T) driver.Target {
			return l.target(t, settings{via: []driver.Conn{l.jump(t, l.target(t, settings{port: int64(1)})), l.jump(t, l.target(t, nil))}})
		},
		"through-no-forwarding": func(t *testing.T) driver.Target {
			return l.target(t, settings{via: []driver.Conn{l.jump(t, l.target(t, settings{port: l.sshd(t, "AllowTcpForwarding no\nMaxSessions 1")}))}})
		},
		"latency": func(t *testing.T) driver.Target { return l.target(t, l.forwarded(t, 100*time.Millisecond)) },
	}
}

func works(t *testing.T, target driver.Target) {
	t.Helper()
	target.Options[timeout] = slow * 5 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	host := connect(t, target).(driver.Host)
	begin := time.Now()
	o, err := host.Observe(ctx)
	if err != nil || !o.Ready {
		t.Fatalf("%v: %+v", err, o)
	}
	if took := time.Since(begin); took > slow*5*time.Second {
		t.Errorf("the preflight took %v", took)
	}
	if len(o.Machines) != 1 || o.Facts["python.version"] == "" && !strings.Contains(t.Name(), "no-forwarding-") {
		t.Errorf("machines %+v, facts %v", o.Machines, o.Facts)
	}
	exact(ctx, t, host)
	atOnce(ctx, t, host)
	conn, err := host.Dial(ctx, "tcp", "127.0.0.1:9")
	if err == nil {
		conn.Close()
		t.Error("a port on which nothing listens can be dialled")
	}
	if conn, err = host.Dial(ctx, "tcp", os.Getenv("ENGINES_VM2")); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, 8)
	if _, err := io.WriteString(conn, "SSH-2.0-zoo\r\n"); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "SSH-2.0-" {
		t.Errorf("a connection from there said %q, %v", b, err)
	}
}

// exact runs a command whose every byte counts, and writes and reads a file.
func exact(ctx context.Context, t *testing.T, host driver.Host) {
	t.Helper()
	odd := "a'b \"c\" $HOME `id` \\ \\' ! * \t\n# % é {x,y} ~ ;"
	var out, errs bytes.Buffer
	argv := []string{"sh", "-c", `printf '%s|' "$@"; printf end >&2; cat; exit 5`, "sh", odd, "", "!!"}
	exit, err := host.Exec(ctx, argv, driver.Stdio{In: strings.NewReader("in"), Out: &out, Err: &errs})
	if want := odd + "||!!|in"; err != nil || exit != 5 || out.String() != want || errs.String() != "end" {
		t.Errorf("exit %d, %v, out %q, err %q; want %q", exit, err, out.String(), errs.String(), want)
	}
	name := fmt.Sprintf("/tmp/zoo %d/%s", time.Now().UnixNano(), strings.ReplaceAll(odd, "/", ""))
	content := strings.Repeat("0123456789abcde\n", 20_000)
	if err := host.FS().WriteFile(ctx, name, 0o600, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	r, err := host.FS().OpenFile(ctx, name, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != content[1:] {
		t.Errorf("the file came back with %d bytes, %v", len(got), err)
	}
	r.Close()
	if err := host.FS().RemoveAll(ctx, path.Dir(name)); err != nil {
		t.Error(err)
	}
}

// atOnce runs more commands than one server may allow sessions.
func atOnce(ctx context.Context, t *testing.T, host driver.Host) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var out bytes.Buffer
			if _, err := host.Exec(ctx, []string{"echo", fmt.Sprint(i)}, driver.Stdio{Out: &out}); err != nil || out.String() != fmt.Sprintln(i) {
				t.Errorf("of several commands at once, %d said %q, %v", i, out.String(), err)
			}
		})
	}
	wg.Wait()
}

// forward connects c with an address; each packet takes a while, in each direction.
func forward(c net.Conn, to string, delay time.Duration) {
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	go lag(far, c, delay)
	lag(c, far, delay)
}

func lag(to io.WriteCloser, from io.Reader, delay time.Duration) {
	type packet struct {
		at   time.Time
		data []byte
	}
	way := make(chan packet, 1024)
	go func() {
		defer close(way)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				way <- packet{time.Now().Add(delay), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	defer to.Close()
	for p := range way {
		<-time.After(time.Until(p.at))
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
}

// TestIdentity: neither addresses nor host keys deceive about which machine it is.
func TestIdentity(t *testing.T) {
	l := open(t)
	see := func(target driver.Target) driver.Observation {
		t.Helper()
		o, err := connect(t, target).Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	one := see(l.target(t, nil))
	again := see(l.target(t, settings{port: l.sshd(t, "")}))
	inside := see(l.target(t, settings{address: "127.0.0.1", via: []driver.Conn{l.jump(t, l.target(t, nil))}, port: l.sshd(t, "ListenAddress 127.0.0.1")}))
	nat := see(l.target(t, l.forwarded(t, 0)))
	cloned := l.sshd(t, "", "/proc/sys/kernel/random/boot_id=none", "/etc/machine-id=none")
	if _, err := connect(t, l.target(t, settings{port: cloned})).Observe(t.Context()); err == nil {
		t.Error("a machine without a boot ID is taken")
	}
	for name, o := range map[string]driver.Observation{"another port": again, "another address": inside, "behind NAT": nat} {
		if o.Identity != one.Identity || o.Lasting != one.Lasting {
			t.Errorf("%s: %q, %q; want %q, %q", name, o.Identity, o.Lasting, one.Identity, one.Lasting)
		}
	}
	far := os.Getenv("ENGINES_VM2")
	host, _, _ := net.SplitHostPort(far)
	other := see(l.target(t, settings{address: host, via: []driver.Conn{l.jump(t, l.target(t, nil))}}))
	if other.Identity == one.Identity || other.Lasting == one.Lasting {
		t.Errorf("vm2 is taken for vm1: %q", other.Identity)
	}
	clone := see(l.target(t, settings{port: l.clone(t)}))
	if clone.Identity == one.Identity || clone.Pin[sshvm.PinHostKey] != one.Pin[sshvm.PinHostKey] {
		t.Errorf("a cloned machine with the same host key is %q, pinned %v", clone.Identity, clone.Pin)
	}
}

// clone starts a sshd that has the host key of vm1, and another boot ID: a machine from the same image.
func (l *lab) clone(t *testing.T) int64 {
	return l.sshd(t, "HostKey /etc/ssh/ssh_host_ed25519_key\nHostKey /etc/ssh/ssh_host_rsa_key", "/proc/sys/kernel/random/boot_id=raw 11111111-2222-3333-4444-555555555555")
}
