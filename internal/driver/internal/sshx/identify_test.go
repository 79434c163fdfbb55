package sshx_test

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// TestIdentify: the machine shows its key, and nobody logs in, whatever the key is held against.
func TestIdentify(t *testing.T) {
	t.Parallel()
	other, _ := newKey(t)
	for name, c := range map[string]struct {
		demand, pinned func(own string) string
		reason         string
	}{
		"nothing known":  {},
		"demanded":       {demand: func(own string) string { return own }},
		"pinned":         {pinned: func(own string) string { return own }},
		"another wanted": {demand: func(string) string { return sshx.Pin(other.PublicKey()) }, reason: "HostKeyRefused"},
		"another pinned": {pinned: func(string) string { return sshx.Pin(other.PublicKey()) }, reason: "HostKeyChanged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t)
			config := p.config(t)
			own := sshx.Pin(p.key.PublicKey())
			var demand, pinned string
			if c.demand != nil {
				demand = c.demand(own)
			}
			if c.pinned != nil {
				pinned = c.pinned(own)
			}
			var err error
			if config.Trust, err = sshx.ParseTrust(demand, pinned); err != nil {
				t.Fatal(err)
			}
			conn := sshx.New(config)
			t.Cleanup(func() { conn.Close() })
			seen, checks, err := conn.Identify(t.Context())
			if fault.ReasonOf(err) != c.reason {
				t.Fatalf("%v, want %q", err, c.reason)
			}
			if seen.Key == nil || ssh.FingerprintSHA256(seen.Key) != sshx.Fingerprint(p.key.PublicKey()) {
				t.Errorf("it showed %v", seen.Key)
			}
			var names []string
			for _, c := range checks {
				names = append(names, c.Name)
			}
			if got := strings.Join(names, " "); got != "dns tcp banner key-exchange host-key" {
				t.Errorf("checks %s", got)
			}
			if n := p.conns.Load(); n != 0 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

// TestIdentifyNobody: who is no SSH server is told, without a login.
func TestIdentifyNobody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	config := serve(t).config(t)
	config.Port = l.Addr().(*net.TCPAddr).Port
	conn := sshx.New(config)
	t.Cleanup(func() { conn.Close() })
	if seen, _, err := conn.Identify(t.Context()); fault.ReasonOf(err) != "NotSSH" || seen.Key != nil {
		t.Errorf("%v, %v", seen, err)
	}
}
