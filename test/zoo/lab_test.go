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
	key            string // the private key that is let in
	root           driver.Host

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
	c := connect(t, l.target(t, nil))
	l.root = c.(driver.Host)
	s, err := ssh.ParsePrivateKey([]byte(l.key))
	if err != nil {
		t.Fatal(err)
	}
	l.sudo(t, machineScript, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey()))), os.Getenv("ENGINES_VM_PASSWORD"))
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

// sudo runs a script as root on vm1 and returns what it printed.
func (l *lab) sudo(t testing.TB, script string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
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
	l.sudo(t, sshdScript, strconv.Itoa(p), config, strings.Join(programs, "\n"))
	return int64(p)
}

// listen answers each connection on this machine with serve.
func listen(t testing.TB, serve func(net.Conn)) settings {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return settings{address: "127.0.0.1", port: int64(ln.Addr().(*net.TCPAddr).Port)}
}
