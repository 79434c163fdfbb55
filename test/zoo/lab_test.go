// Package zoo_test attaches machines that are wrong in every way that users meet, and machines that are odd
// and must work all the same. The sshd are real ones: vm1 of test/engines/sshd.sh.
package zoo_test

import (
	"bytes"
	"context"
	_ "embed"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/sshvm"
)

//go:embed testdata/machine.sh
var machineScript string

//go:embed testdata/sshd.sh
var sshdScript string

const (
	address    = "address"
	port       = "sshPort"
	user       = "administratorAccount.username"
	password   = "administratorAccount.password"
	key        = "administratorAccount.privateKeyData"
	passphrase = "administratorAccount.passphrase"
	hostKey    = "hostKey"
	work       = "workDirectory"
	timeout    = "connectTimeout"
	via        = "via"
)

// lab is vm1, where one may be root.
type lab struct {
	*testing.T
	host, hostPort string
	here           string // this machine's address, as vm1 sees it
	key            string // the private key that is let in
	root           driver.Host

	leaps sync.Map // driver.Target by the driver.Conn to it
	odd   sync.Map // *stranger by its port

	mu   sync.Mutex
	next int // port
}

// open prepares vm1.
func open(t *testing.T) *lab {
	t.Helper()
	if os.Getenv("TEST_SSHD") == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "sshd") {
			t.Fatal(`TEST_SSHD is not set; run: eval "$(test/engines/sshd.sh env)"`)
		}
		t.Skip(`needs real sshd: test/engines/sshd.sh up; eval "$(test/engines/sshd.sh env)"`)
	}
	l := &lab{T: t, hostPort: os.Getenv("ENGINES_VM1"), key: read(t, os.Getenv("ENGINES_VM_KEY")), next: 2200}
	l.host, _, _ = net.SplitHostPort(l.hostPort)
	way, err := net.Dial("udp", l.hostPort)
	if err != nil {
		t.Fatal(err)
	}
	l.here = way.LocalAddr().(*net.UDPAddr).IP.String()
	way.Close()
	c := connect(t, l.target(t, nil))
	l.root = c.(driver.Host)
	s, err := ssh.ParsePrivateKey([]byte(l.key))
	if err != nil {
		t.Fatal(err)
	}
	keys := string(ssh.MarshalAuthorizedKey(s.PublicKey())) + read(t, os.Getenv("ENGINES_VM_KEY_ENCRYPTED")+".pub")
	l.sudo(t, machineScript, strings.TrimSpace(keys), os.Getenv("ENGINES_VM_PASSWORD"))
	t.Cleanup(func() {
		l.sudo(t, `for f in /run/zoo-*.pid; do kill "$(cat "$f")" 2>/dev/null; rm -f "$f"; done; iptables -F INPUT`)
	})
	return l
}

func read(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func connect(t testing.TB, target driver.Target) driver.Conn {
	t.Helper()
	c, err := sshvm.Kind().Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// jump is a target as a jump host.
func (l *lab) jump(t testing.TB, target driver.Target) driver.Conn {
	t.Helper()
	c := connect(t, target)
	l.leaps.Store(c, target)
	return c
}

// sudo runs a script as root on vm1 and returns what it printed.
func (l *lab) sudo(t testing.TB, script string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	argv := append([]string{"sudo", "sh", "-c", script, "sh"}, args...)
	exit, err := l.root.Exec(ctx, argv, driver.Stdio{Out: &out, Err: &errs})
	if err != nil || exit != 0 {
		t.Fatalf("on vm1: exit %d, %v: %s%s", exit, err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String())
}

// settings are options and secrets by path; nil takes one away.
type settings map[string]any

// target returns vm1 with other settings.
func (l *lab) target(t testing.TB, s settings) driver.Target {
	t.Helper()
	host, p, err := net.SplitHostPort(l.hostPort)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(p, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	out := driver.Target{
		ID: "zoo", On: map[string][]driver.Conn{}, Secrets: map[string]string{key: l.key},
		Options: map[string]any{address: host, port: n, user: os.Getenv("ENGINES_VM_USER"), timeout: 2 * time.Second},
	}
	for path, v := range s {
		switch {
		case path == via:
			out.On[via] = v.([]driver.Conn)
		case v == nil:
			delete(out.Options, path)
			delete(out.Secrets, path)
		case path == key || path == password || path == passphrase:
			out.Secrets[path] = v.(string)
		default:
			out.Options[path] = v
		}
	}
	return out
}

// sshd starts one more sshd on vm1, with lines of its own in its configuration, and programs that it sees
// otherwise. It returns its port.
func (l *lab) sshd(t testing.TB, config string, programs ...string) int64 {
	t.Helper()
	l.mu.Lock()
	l.next++
	p := l.next
	l.mu.Unlock()
	l.restart(t, int64(p), config, programs...)
	return int64(p)
}

// restart starts an sshd on a port anew, otherwise.
func (l *lab) restart(t testing.TB, port int64, config string, programs ...string) {
	t.Helper()
	l.sudo(t, sshdScript, strconv.FormatInt(port, 10), config, strings.Join(programs, "\n"))
}

// stranger answers on this machine.
type stranger struct {
	serve  func(net.Conn)
	healed atomic.Pointer[func(net.Conn)] // how it answers since it is well
}

// listen answers each connection on this machine with serve, until it is healed.
func (l *lab) listen(t testing.TB, serve func(net.Conn)) settings {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(l.here, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	s := &stranger{serve: serve}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if well := s.healed.Load(); well != nil {
					(*well)(c)
					return
				}
				s.serve(c)
			}()
		}
	}()
	n := int64(ln.Addr().(*net.TCPAddr).Port)
	l.odd.Store(n, s)
	return settings{address: l.here, port: n}
}

// heal has a stranger be vm1 from now on, each connection after a while.
func (l *lab) heal(t testing.TB, target driver.Target, after time.Duration) {
	t.Helper()
	s, ok := l.odd.Load(target.Options[port])
	if !ok {
		t.Fatal("it is no stranger")
	}
	well := func(c net.Conn) {
		<-time.After(after)
		forward(c, l.hostPort, 0)
	}
	s.(*stranger).healed.Store(&well)
}

// forwarded is a port of this machine that leads to vm1.
func (l *lab) forwarded(t testing.TB, delay time.Duration) settings {
	t.Helper()
	return l.listen(t, func(c net.Conn) { forward(c, l.hostPort, delay) })
}
