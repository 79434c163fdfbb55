// Package canary_test plants secrets wherever users give them, and sees that none comes out anywhere.
package canary_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/sshvm"
	"github.com/zaffre-ml/zaffre/test/rig"

	// What the binary is made of: "go test" runs this anew when any of it changed.
	_ "github.com/zaffre-ml/zaffre/internal/agent"
	_ "github.com/zaffre-ml/zaffre/internal/cli"
	_ "github.com/zaffre-ml/zaffre/internal/server"
)

// stage is a server, a user with a login of his own, and a machine.
type stage struct {
	*testing.T
	*cage
	bin, dir, data string
	server         *exec.Cmd
	log            string
	direct         client.Profile // of the admin, past the proxy
	proxy          string         // records every answer
	http           *http.Client
	url            string // of the server, past the proxy
	machine        driver.Host
}

func open(t *testing.T) *stage {
	t.Helper()
	if os.Getenv("TEST_SSHD") == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "sshd") {
			t.Fatal(`TEST_SSHD is not set; run: eval "$(test/engines/sshd.sh env)"`)
		}
		t.Skip(`needs real sshd: test/engines/sshd.sh up; eval "$(test/engines/sshd.sh env)"`)
	}
	s := &stage{T: t, cage: newCage(), dir: t.TempDir()}
	s.data, s.bin, s.log = filepath.Join(s.dir, "data"), filepath.Join(s.dir, "zaffre"), filepath.Join(s.dir, "server.log")
	if out, err := exec.Command("go", "build", "-o", s.bin, "../../cmd/zaffre").CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v: %s", err, out)
	}
	if err := rig.BlankSSH(s.dir); err != nil {
		t.Fatal(err)
	}
	s.reach()
	s.serve()
	s.record()
	return s
}

// reach logs in to the machine, as one who may be root there.
func (s *stage) reach() {
	host, port, _ := net.SplitHostPort(os.Getenv("ENGINES_VM1"))
	key, err := os.ReadFile(os.Getenv("ENGINES_VM_KEY"))
	if err != nil || port != "22" {
		s.Fatalf("port %s, %v", port, err)
	}
	c, err := sshvm.Kind().Connect(s.Context(), driver.Target{
		ID: "canary", On: map[string][]driver.Conn{}, Secrets: map[string]string{"administratorAccount.privateKeyData": string(key)},
		Options: map[string]any{"address": host, "administratorAccount.username": os.Getenv("ENGINES_VM_USER")},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Close() })
	s.machine = c.(driver.Host)
}

// there runs a script as root on the machine. What it must not show goes in by its input.
func (s *stage) there(script, in string) []byte {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	exit, err := s.machine.Exec(ctx, []string{"sudo", "sh", "-c", script}, driver.Stdio{In: strings.NewReader(in), Out: &out, Err: &errs})
	if err != nil || exit != 0 {
		s.Fatalf("on the machine: exit %d, %v: %s", exit, err, errs.String())
	}
	return out.Bytes()
}

// serve starts the server; all that it says goes to a file.
func (s *stage) serve() {
	port, err := rig.Port()
	if err != nil {
		s.Fatal(err)
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.Fatal(err)
	}
	defer log.Close()
	s.server = exec.Command(s.bin, "serve", "--data", s.data, "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--log-level", "debug", "--local-user", "same")
	s.server.Stdout, s.server.Stderr, s.server.Dir = log, log, s.dir
	s.server.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "GOTRACEBACK=all"}
	if err := s.server.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if s.server.ProcessState == nil {
			_ = s.server.Process.Kill()
			_ = s.server.Wait()
		}
	})
	s.eventually("the server", func() bool {
		s.direct, err = client.Load(s.data)
		if err != nil {
			return false
		}
		c, err := s.direct.Open()
		return err == nil && c.Ready(s.Context()) == nil
	})
	s.url = s.direct.URL
}

func (s *stage) eventually(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			s.Fatalf("waited in vain for %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// crash has the server write down all its goroutines and die.
func (s *stage) crash() {
	if err := s.server.Process.Signal(syscall.SIGQUIT); err != nil {
		s.Fatal(err)
	}
	_ = s.server.Wait()
	b, err := os.ReadFile(s.log)
	if err != nil || !bytes.Contains(b, []byte("SIGQUIT")) || !bytes.Contains(b, []byte("goroutine ")) {
		s.Errorf("the server left no crash output: %v", err)
	}
}

// record starts a proxy before the server that searches every answer, its headers too.
func (s *stage) record() {
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(s.data, "ca.pem"))
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		s.Fatalf("no CA: %v", err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	s.http = &http.Client{Transport: transport, Timeout: time.Minute}
	to, err := url.Parse(s.url)
	if err != nil {
		s.Fatal(err)
	}
	p := httptest.NewServer(rig.Proxy(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport, FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			where := r.Request.Method + " " + r.Request.URL.Path + " " + r.Status
			var head bytes.Buffer
			_ = r.Header.Write(&head)
			s.search("answers", where, head.Bytes())
			if r.StatusCode == http.StatusSwitchingProtocols {
				return nil
			}
			r.Body = &recorder{ReadCloser: r.Body, done: func(b []byte) { s.search("answers", where, b) }}
			return nil
		},
	}))
	s.Cleanup(p.Close)
	s.proxy = p.URL
}

// recorder keeps what is read, for the end.
type recorder struct {
	io.ReadCloser
	all  bytes.Buffer
	done func([]byte)
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.all.Write(b[:n])
	return n, err
}

func (r *recorder) Close() error {
	r.done(r.all.Bytes())
	return r.ReadCloser.Close()
}

// file keeps a text in a file that only its owner can read, outside of all that is searched.
func (s *stage) file(text string) string {
	s.Helper()
	given := filepath.Join(s.dir, "given")
	if err := os.MkdirAll(given, 0o700); err != nil {
		s.Fatal(err)
	}
	f, err := os.CreateTemp(given, "secret")
	if err != nil {
		s.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		s.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.Fatal(err)
	}
	return f.Name()
}

// said is how a command of the CLI ended.
type said struct {
	exit int
	out  string
	all  string
}

// zaffre runs the CLI as the user, through the proxy; processes are looked at while it runs. What it prints is
// searched, unless it is there to hand out a secret.
func (s *stage) zaffre(args ...string) said {
	s.Helper()
	got := s.quietly(args...)
	s.search("CLI", strings.Join(args[:min(3, len(args))], " "), []byte(got.all))
	return got
}

func (s *stage) quietly(args ...string) said {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, s.bin, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = s.dir, &out, &errs, []string{"PATH=" + s.dir + ":" + os.Getenv("PATH"), "HOME=" + filepath.Join(s.dir, "home"), "LANG=C"}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	for running := true; running; {
		s.searchProcesses()
		select {
		case <-done:
			running = false
		case <-time.After(30 * time.Millisecond):
		}
	}
	return said{cmd.ProcessState.ExitCode(), out.String(), out.String() + errs.String()}
}

// want runs the CLI, which must end with a code.
func (s *stage) want(exit int, args ...string) said {
	s.Helper()
	got := s.zaffre(args...)
	if got.exit != exit {
		s.Fatalf("zaffre %s: exit %d, want %d: %s", strings.Join(args, " "), got.exit, exit, got.all)
	}
	return got
}

// send sends a request, through the proxy.
func (s *stage) send(method, path, token, body string, header ...string) (int, map[string]any) {
	s.Helper()
	return s.sendTo(s.proxy, method, path, token, body, header...)
}

// sendTo sends a request; that past the proxy hands out a secret.
func (s *stage) sendTo(base, method, path, token, body string, header ...string) (int, map[string]any) {
	s.Helper()
	code, b := s.raw(base, method, path, token, body, header...)
	var out map[string]any
	_ = json.Unmarshal(b, &out)
	return code, out
}

// raw sends a request and returns the body of the answer.
func (s *stage) raw(base, method, path, token, body string, header ...string) (int, []byte) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.http.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, b
}

// newKey makes a private key, locked by a passphrase if there is one, and its public part.
func newKey(t testing.TB, passphrase string) (text, public string, seed []byte) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), string(ssh.MarshalAuthorizedKey(p)), private.Seed()
}
