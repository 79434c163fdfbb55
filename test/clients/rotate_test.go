package clients_test

import (
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
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	firstSecret  = "f1rst-canary"
	secondSecret = "s3cond-canary"
)

// credential is a target whose credential somebody changes, while it is used.
type credential struct {
	targets []client.Compute // the last one has the runs
	options map[string]any   // of the runs
	change  func(testing.TB) // from now on the second is taken, and the first is not; connections break
	reason  string           // why the first is refused then
	update  []string         // of the second, which is in the file "secret"
	second  string           // its content
}

// TestCredentialsChange: a credential is changed in place while a run goes on. Until zaffre has the new one, the run is
// neither lost nor failed, and afterwards it ends as if nothing had been.
func TestCredentialsChange(t *testing.T) {
	t.Parallel()
	for kind, credentialOf := range map[string]func(testing.TB) credential{
		"hdinsight": passwordOfHead, "batch": keyOfLogin, "databricks": tokenOfWorkspace, "synapse": passwordOfPool,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := credentialOf(t)
			b := serve(t, sameUser)
			for _, target := range c.targets {
				if got, err := b.AttachCompute(t.Context(), "default", target); err != nil {
					t.Fatal(err)
				} else if got = b.attached(t, got.Name); got.State != "Succeeded" {
					t.Fatalf("%s is %s: %v", got.Name, got.State, got.Error)
				}
			}
			changed, last := c.targets[0].Name, c.targets[len(c.targets)-1].Name
			gate := filepath.Join(os.TempDir(), "zaffre-"+client.NewName()) // a run makes it, perhaps on another machine
			t.Cleanup(func() { os.Remove(gate) })
			run := b.python(t, last, c.options, fmt.Sprintf("import os, time\nprint('begun', flush=True)\nwhile not os.path.exists(%q): time.sleep(.1)\nprint('ended')", gate))
			eventually(t, "the run to begin", func() bool { return b.state(t, run) == "Running" })
			c.change(t)
			if reason := b.unready(t, changed); reason != c.reason {
				t.Errorf("with the credential of before it is unready for %q, want %s", reason, c.reason)
			}
			if out, err := b.zaffre(t, "secret", c.second, append([]string{"compute", "update", changed}, c.update...)...); err != nil {
				t.Fatalf("the new credential is not taken:\n%s", out)
			}
			b.finished(t, b.python(t, last, c.options, fmt.Sprintf("import os\nopen(%q, 'w').close()", gate)), "Completed")
			if log := b.finished(t, run, "Completed"); log != "begun\nended\n" {
				t.Errorf("the run that saw the change says %q", log)
			}
			if r, err := b.Run(t.Context(), "default", run); err != nil || len(r.Attempts) != 1 {
				t.Errorf("it took %d attempts, %v", len(r.Attempts), err)
			}
			for _, secret := range []string{firstSecret, secondSecret} {
				if strings.Contains(b.log.String(), secret) || b.stored(t, secret) {
					t.Error("a secret was logged or stored")
				}
			}
		})
	}
}

// attached waits until a target was looked at.
func (b *box) attached(t testing.TB, name string) (c client.Compute) {
	t.Helper()
	eventually(t, "the look at "+name, func() bool {
		var err error
		c, err = b.Compute(t.Context(), "default", name)
		return err == nil && (c.State == "Succeeded" || c.State == "Failed")
	})
	return c
}

// unready checks a target and returns why it cannot be used; "": it can.
func (b *box) unready(t testing.TB, name string) string {
	t.Helper()
	c, err := b.CheckCompute(t.Context(), "default", name)
	if err != nil {
		t.Fatal(err)
	}
	for _, is := range c.Conditions {
		if is.Type == "Ready" && !is.OK {
			return is.Reason
		}
	}
	return ""
}

// python submits a script.
func (b *box) python(t testing.TB, target string, options map[string]any, text string) string {
	t.Helper()
	run, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: target, Command: []string{"python", "-c", text}, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	return run.ID
}

func (b *box) state(t testing.TB, id string) string {
	t.Helper()
	r, err := b.Run(t.Context(), "default", id)
	if err != nil {
		t.Fatal(err)
	}
	return r.State
}

// passwordOfHead is a head node whose user gets another password.
func passwordOfHead(t testing.TB) credential {
	c := realMachine(t)
	need(t, "ENGINES_VM_SPARK", "spark")
	user := "u" + strings.ToLower(client.NewName())[:8]
	sudo := func(text string) {
		t.Helper()
		out, err := exec.Command("ssh", "-F", "/dev/null", "-o", "UserKnownHostsFile="+os.Getenv("ENGINES_VM_KNOWN_HOSTS"), "-o", "BatchMode=yes",
			"-i", c.key, c.user+"@"+c.address, "sudo sh -ec '"+text+"'").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	password := func(is string) { sudo("echo " + user + ":" + is + " | chpasswd") }
	sudo("useradd -m -s /bin/bash " + user)
	password(firstSecret)
	w := newWire(t, net.JoinHostPort(c.address, c.port))
	return credential{
		targets: []client.Compute{{Name: "spark", Kind: "hdinsight", Shared: true, Options: map[string]any{
			"address": "127.0.0.1", "sshPort": w.port, "administratorAccount.username": user, "administratorAccount.password": firstSecret, "master": "local[1]",
		}}},
		change: func(testing.TB) { password(secondSecret); w.cut() },
		reason: "PasswordRefused", update: []string{"--password-file", "secret"}, second: secondSecret,
	}
}

// keyOfLogin is a login node of Slurm that takes another key.
func keyOfLogin(t testing.TB) credential {
	conf := need(t, "TEST_SLURM", "slurm")
	dir := t.TempDir()
	for _, name := range []string{"host", "first", "second"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	port, err := rig.Port()
	if err != nil {
		t.Fatal(err)
	}
	take := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, "keys"), []byte(content(t, filepath.Join(dir, name+".pub"))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	take("first")
	sshd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", filepath.Join(dir, "host"), "-p", strconv.Itoa(port), "-o", "ListenAddress=127.0.0.1",
		"-o", "AuthorizedKeysFile="+filepath.Join(dir, "keys"), "-o", "StrictModes=no", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "PermitRootLogin=prohibit-password")
	if err := sshd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sshd.Process.Kill(); _ = sshd.Wait() })
	w := newWire(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return credential{
		targets: []client.Compute{
			{Name: "login", Kind: "sshvm", Options: map[string]any{
				"address": "127.0.0.1", "sshPort": w.port, "administratorAccount.username": os.Getenv("ENGINES_SPARK_USER"),
				"administratorAccount.privateKeyData": content(t, filepath.Join(dir, "first")), "workDirectory": t.TempDir(),
			}},
			{Name: "hpc", Kind: "batch", Options: map[string]any{"slurm": "login", "slurmConf": conf, "workDirectory": t.TempDir()}},
		},
		change: func(testing.TB) { take("second"); w.cut() },
		reason: "KeyRefused", update: []string{"--key-file", "secret"}, second: content(t, filepath.Join(dir, "second")),
	}
}

// tokenOfWorkspace is a workspace whose token is replaced.
func tokenOfWorkspace(t testing.TB) credential {
	d := workspace(t)
	g := newGate(t, d.URL, "Bearer "+firstSecret, "Bearer "+d.Token)
	return credential{
		targets: []client.Compute{{Name: "dbx", Kind: "databricks", Options: map[string]any{"databricks": g.url, "databricksAccessToken": firstSecret}}},
		options: map[string]any{"cluster": "0101-000000-running"},
		change:  func(testing.TB) { g.take("Bearer " + secondSecret) },
		reason:  "TokenRefused", update: []string{"--access-token-file", "secret"}, second: secondSecret,
	}
}

// passwordOfPool is a pool behind a login whose password is replaced.
func passwordOfPool(t testing.TB) credential {
	endpoint, folder := livy(t)
	basic := func(password string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth("ada", password)
		return r.Header.Get("Authorization")
	}
	g := newGate(t, endpoint, basic(firstSecret), "")
	return credential{
		targets: []client.Compute{{Name: "pool", Kind: "synapse", Options: map[string]any{"livy": g.url, "store": folder, "administratorAccount.username": "ada", "administratorAccount.password": firstSecret}}},
		change:  func(testing.TB) { g.take(basic(secondSecret)) },
		reason:  "LoginRefused", update: []string{"--password-file", "secret"}, second: secondSecret,
	}
}

func content(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// gate is a server before another one: it takes one login, and shows another.
type gate struct {
	url   string
	mu    sync.Mutex
	taken string
}

func newGate(t testing.TB, behind, taken, shown string) *gate {
	t.Helper()
	to, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{taken: taken}
	proxy := rig.Proxy(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Header.Del("Authorization")
		if shown != "" {
			p.Out.Header.Set("Authorization", shown)
		}
	}})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		ok := r.Header.Get("Authorization") == g.taken
		g.mu.Unlock()
		if !ok {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error_code": "401", "message": "Credential was not sent or was of an unsupported type for this API."}`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

func (g *gate) take(login string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken = login
}

// wire leads to a port, and can be cut.
type wire struct {
	port  int
	mu    sync.Mutex
	conns []net.Conn
}

func newWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &wire{port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, near, far)
			w.mu.Unlock()
			go func() { _, _ = io.Copy(near, far); near.Close() }()
			go func() { _, _ = io.Copy(far, near); far.Close() }()
		}
	}()
	return w
}

// cut ends all connections that there are.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}
