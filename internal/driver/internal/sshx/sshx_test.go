package sshx_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// TestWrap: every shell that is here reads a wrapped script alike.
func TestWrap(t *testing.T) {
	t.Parallel()
	odd := "a'b \"c\" $HOME `id` \\ \\' \\\\ ! !! * \t\n# % %s é {x,y} ~ ;"
	for _, shell := range []string{"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip("it is not here; the zoo has it")
			}
			out, err := exec.CommandContext(t.Context(), shell, "-c", sshx.Wrap("printf '%s|' "+sshx.Quote(odd))).Output()
			if err != nil || string(out) != odd+"|" {
				t.Errorf("%q, %v; want %q", out, err, odd)
			}
		})
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("it's \\ \"odd\" $(id) `id`\n!")
	f.Add("\xff\xfe%s\\n")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) || len(s) > 1000 {
			t.Skip("no argument can be that")
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", sshx.Wrap("printf %s "+sshx.Quote(s))).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q became %q, %v", s, out, err)
		}
	})
}

func newKey(t testing.TB) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

func TestParseTrust(t *testing.T) {
	t.Parallel()
	s, _ := newKey(t)
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
	for demand, ok := range map[string]bool{
		"":                                  true,
		sshx.Fingerprint(s.PublicKey()):     true,
		line:                                true,
		line + " comment":                   true,
		"10.0.0.4 " + line:                  true,
		"[10.0.0.4]:2222,gpu " + line:       true,
		"@cert-authority *.example " + line: true,
		"# from ssh-keyscan\n10.0.0.4 " + line + "\n": true,
		"SHA256:tooshort":          false,
		"MD5:16:27:ac:a5":          false,
		"10.0.0.4":                 false,
		"@revoked * " + line:       false,
		strings.Repeat("x", 1<<20): false,
	} {
		if _, err := sshx.ParseTrust(demand, sshx.Pin(s.PublicKey())); (err == nil) != ok {
			t.Errorf("%.60q: %v", demand, err)
		} else if err != nil && fault.ReasonOf(err) != "HostKeyUnreadable" {
			t.Errorf("%.60q: %v", demand, err)
		}
	}
}

func FuzzParseTrust(f *testing.F) {
	f.Add("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "")
	f.Add("@cert-authority * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", "ssh-rsa AAAA")
	f.Add("|1|abc=|def= ssh-ed25519 AAAA\n\n#", "")
	f.Fuzz(func(t *testing.T, demand, pinned string) {
		if _, err := sshx.ParseTrust(demand, pinned); err != nil && fault.ReasonOf(err) != "HostKeyUnreadable" {
			t.Error(err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	_, text := newKey(f)
	f.Add(text, "")
	f.Add(text[:100], "x")
	f.Add("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "x")
	f.Fuzz(func(t *testing.T, text, passphrase string) {
		s, err := sshx.ParseKey(text, passphrase)
		if (s == nil) == (err == nil) {
			t.Errorf("key %v, %v", s, err)
		}
		if e := fault.From(err); e != nil && (e.Code != fault.Invalid || len(text) > 40 && strings.Contains(e.Error()+e.Fix, text)) {
			t.Errorf("%+v", e)
		}
	})
}

// peer is a SSH server in this process.
type peer struct {
	net.Listener
	key    ssh.Signer
	conns  atomic.Int32 // that logged in
	silent atomic.Bool  // takes everything and answers nothing
}

// serve lets everybody in, and answers each command with its own text.
func serve(t testing.TB) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Listener: l}
	p.key, _ = newKey(t)
	t.Cleanup(func() { l.Close() })
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(p.key)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.talk(c, config)
		}
	}()
	return p
}

func (p *peer) talk(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close()
	p.conns.Add(1)
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		if p.silent.Load() {
			continue
		}
		go func() {
			c, requests, err := ch.Accept()
			if err != nil {
				return
			}
			for r := range requests {
				if r.Type != "exec" {
					_ = r.Reply(false, nil)
					continue
				}
				_ = r.Reply(true, nil)
				cmd := exec.Command("sh", "-c", string(r.Payload[4:]))
				cmd.Stdout, cmd.Stderr = c, c.Stderr()
				_ = cmd.Run()
				_, _ = c.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(cmd.ProcessState.ExitCode())}))
				c.Close()
			}
		}()
	}
}

func (p *peer) config(t testing.TB) sshx.Config {
	t.Helper()
	_, key := newKey(t)
	return sshx.Config{
		Address: "127.0.0.1", Port: p.Addr().(*net.TCPAddr).Port, User: "u", Login: sshx.Login{Key: key}, Timeout: time.Minute,
	}
}

// TestKept: one connection serves many calls, and a new one is made after it broke.
func TestKept(t *testing.T) {
	t.Parallel()
	p := serve(t)
	c := open(t, p.config(t))
	echo := func() error {
		var out strings.Builder
		exit, err := c.Exec(within(t, 2*time.Minute), []string{"echo", "hi"}, driver.Stdio{Out: &out})
		if err == nil && (exit != 0 || out.String() != "hi\n") {
			t.Errorf("exit %d, %q", exit, out.String())
		}
		return err
	}
	for range 5 {
		if err := echo(); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if _, _, err := c.Probe(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := echo(); err != nil || p.conns.Load() != 2 {
		t.Errorf("after a probe: %d connections, %v; want 2", p.conns.Load(), err)
	}
	c.Close()
	if err := echo(); fault.ReasonOf(err) != "ConnectionLost" {
		t.Errorf("after Close: %v", err)
	}
}

// TestFirstKeyIsKept: who answers in the place of the first machine is not spoken to.
func TestFirstKeyIsKept(t *testing.T) {
	t.Parallel()
	one, two := serve(t), serve(t)
	to := atomic.Pointer[peer]{}
	to.Store(one)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	go func() {
		for {
			a, err := front.Accept()
			if err != nil {
				return
			}
			go func() {
				defer a.Close()
				b, err := net.Dial("tcp", to.Load().Addr().String())
				if err != nil {
					return
				}
				defer b.Close()
				go func() { _, _ = io.Copy(b, a) }()
				_, _ = io.Copy(a, b)
			}()
		}
	}()
	config := one.config(t)
	config.Port = front.Addr().(*net.TCPAddr).Port
	c := open(t, config)
	if _, _, err := c.Probe(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	to.Store(two)
	seen, _, err := c.Probe(within(t, 2*time.Minute))
	if fault.ReasonOf(err) != "HostKeyChanged" || seen.Key == nil || sshx.Fingerprint(seen.Key) != sshx.Fingerprint(two.key.PublicKey()) {
		t.Errorf("%v, seen %+v", err, seen)
	}
	// The connection to the first machine would still do.
	if _, err := c.Exec(within(t, 2*time.Minute), []string{"true"}, driver.Stdio{}); fault.ReasonOf(err) != "HostKeyChanged" {
		t.Errorf("a command after the key changed: %v", err)
	}
}

// TestBlackHoles: each call ends with its context, whatever the server leaves unanswered.
func TestBlackHoles(t *testing.T) {
	t.Parallel()
	p := serve(t)
	c := open(t, p.config(t))
	if _, _, err := c.Probe(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	p.silent.Store(true)
	for name, call := range map[string]func(context.Context) error{
		"exec": func(ctx context.Context) error {
			_, err := c.Exec(ctx, []string{"true"}, driver.Stdio{})
			return err
		},
		"dial": func(ctx context.Context) error { _, err := c.Dial(ctx, "tcp", "127.0.0.1:1"); return err },
		"open": func(ctx context.Context) error { _, err := c.FS().OpenFile(ctx, "/etc/hosts", 0); return err },
		"write": func(ctx context.Context) error {
			return c.FS().WriteFile(ctx, "/tmp/x", 0o600, strings.NewReader("x"))
		},
		"list": func(ctx context.Context) error { _, err := c.FS().ReadDir(ctx, "/"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			begin := time.Now()
			if err := call(ctx); fault.CodeOf(err) != fault.Unavailable || time.Since(begin) > time.Minute {
				t.Errorf("after %v: %v", time.Since(begin), err)
			}
		})
	}
}

// TestBackoff: a machine that is away costs callers nothing for a while, but a probe tries anew.
func TestBackoff(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var tries atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tries.Add(1)
			_, _ = io.WriteString(c, "Exceeded MaxStartups\r\n")
			_, _ = io.ReadFull(c, make([]byte, len("SSH-2.0-zaffre\r\n")))
			c.Close()
		}
	}()
	_, key := newKey(t)
	c := open(t, sshx.Config{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "u", Login: sshx.Login{Key: key}, Timeout: time.Minute})
	for range 10 { // the pause is 15 s at least by then
		if _, _, err := c.Probe(within(t, 2*time.Minute)); fault.ReasonOf(err) != "ClosedBeforeBanner" {
			t.Fatal(err)
		}
	}
	if n := tries.Load(); n != 10 {
		t.Errorf("10 probes made %d connections", n)
	}
	for range 10 {
		if _, err := c.Dial(within(t, time.Minute), "tcp", "127.0.0.1:1"); fault.ReasonOf(err) != "ClosedBeforeBanner" {
			t.Error(err)
		}
	}
	if n := tries.Load(); n != 10 {
		t.Errorf("calls right after a failure made %d connections", n-10)
	}
}

// TestNobodyWaitsForTheDead: while a machine that did not answer is tried again, other calls hear so at once.
func TestNobodyWaitsForTheDead(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	trying, end := make(chan struct{}), make(chan struct{})
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "Exceeded MaxStartups\r\n")
		_, _ = io.ReadFull(c, make([]byte, len("SSH-2.0-zaffre\r\n")))
		c.Close()
		if c, err = l.Accept(); err == nil {
			close(trying)
			<-end
			c.Close()
		}
	}()
	_, key := newKey(t)
	c := open(t, sshx.Config{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "u", Login: sshx.Login{Key: key}, Timeout: 20 * time.Second})
	_, _, first := c.Probe(within(t, 2*time.Minute))
	if first == nil {
		t.Fatal("a machine that turns us away was probed")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _, _ = c.Probe(within(t, 2*time.Minute))
	}()
	<-trying
	if _, err := c.Dial(within(t, 2*time.Minute), "tcp", "127.0.0.1:1"); fault.ReasonOf(err) != fault.ReasonOf(first) {
		t.Errorf("beside a try a call returned %v, not at once why the last one failed: %v", err, first)
	}
	close(end)
	<-ended
}

// BenchmarkKept measures what 200 kept connections to servers with host keys of their own cost: memory of
// both ends, since the servers are in this process too, in less than twice what a client has.
func BenchmarkKept(b *testing.B) {
	const hosts = 200
	for b.Loop() {
		peers := make([]*peer, hosts)
		for i := range peers {
			peers[i] = serve(b)
		}
		before := memory()
		conns := make([]*sshx.Conn, hosts)
		for i, p := range peers {
			conns[i] = sshx.New(p.config(b))
			if _, err := conns[i].Exec(b.Context(), []string{"true"}, driver.Stdio{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(memory()-before)/hosts, "B/conn(both-ends)")
		for _, c := range conns {
			c.Close()
		}
	}
}

// memory is what lives on the heap and the stacks.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
