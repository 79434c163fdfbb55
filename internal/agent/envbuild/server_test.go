package envbuild_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// giver is a server that gives a program as uv, and connects to index.example alone.
type giver struct {
	program string
	hash    string // "" is the right one
}

func (g giver) Tool(context.Context, string) (wire.ToolFile, io.ReadCloser, error) {
	sum := sha256.Sum256([]byte(g.program))
	f := wire.ToolFile{Hash: hex.EncodeToString(sum[:]), Size: int64(len(g.program))}
	if g.hash != "" {
		f.Hash = g.hash
	}
	return f, io.NopCloser(strings.NewReader(g.program)), nil
}

func (giver) Index(context.Context) (wire.Index, error) {
	return wire.Index{Default: "https://mirror.example/simple", CA: []byte("PEM")}, nil
}

func (giver) Dial(_ context.Context, addr string) (net.Conn, error) {
	if addr != "index.example:443" {
		return nil, &fault.Error{Code: fault.Denied, Reason: "RouteRefused", What: "the server does not connect to " + addr, Why: "w", Fix: "name it"}
	}
	ours, theirs := net.Pipe()
	go func() { _, _ = io.Copy(theirs, theirs) }()
	return ours, nil
}

// alone makes this a machine without uv and without a word about indexes.
func alone(t *testing.T) string {
	t.Helper()
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv("HOME", t.TempDir())
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_OFFLINE", "UV_NO_INDEX", "PIP_INDEX_URL", "PIP_NO_INDEX"} {
		t.Setenv(name, "")
	}
	root := t.TempDir()
	if envbuild.FindUV(root) != "" {
		t.Skip("this machine has uv in a system folder")
	}
	return root
}

// carriedUV is a uv whose index nobody reaches. It installs when the file "go" is there, and notes its variables.
const carriedUV = `#!/bin/sh
case "$1 $2" in
"--version ") exit 0;;
"venv "*) for last; do :; done; mkdir -p "$last/bin"; ln -s %s "$last/bin/python"; exit 0;;
"pip compile") echo "--index-url https://127.0.0.1:1/simple"; exit 0;;
"pip install") env >variables.new; mv variables.new variables; n=0; while [ ! -e go ] && [ $n -lt 1500 ]; do n=$((n+1)); sleep 0.02; done
  [ ! -e fail ] || { echo "error: Failed to fetch: client error (Connect)"; exit 1; }; exit 0;;
esac
exit 9
`

func TestServerGives(t *testing.T) {
	py, root := anyPython(t), alone(t)
	g := giver{program: fmt.Sprintf(carriedUV, py.Path)}
	var log bytes.Buffer
	done := make(chan wire.BuildResult, 1)
	go func() {
		done <- envbuild.RunWith(t.Context(), root, wire.Build{Digest: "d", Interpreters: []string{py.Path}, PipOnly: []string{"x"}}, &log, g)
	}()
	env := variables(t, filepath.Join(root, "variables"))
	proxy, err := url.Parse(env["HTTPS_PROXY"])
	if err != nil || proxy.User == nil || !strings.HasPrefix(proxy.Host, "127.0.0.1:") {
		t.Fatalf("the proxy is %q, %v", env["HTTPS_PROXY"], err)
	}
	password, _ := proxy.User.Password()
	if env["UV_DEFAULT_INDEX"] != "https://mirror.example/simple" {
		t.Errorf("the index is %q, want the server's", env["UV_DEFAULT_INDEX"])
	}
	for _, tt := range []struct {
		method, host, password string
		want                   int
	}{
		{http.MethodConnect, "index.example:443", "", http.StatusProxyAuthRequired},
		{http.MethodConnect, "index.example:443", "guess", http.StatusProxyAuthRequired},
		{http.MethodConnect, "elsewhere.example:443", password, http.StatusForbidden},
		{http.MethodGet, "index.example", password, http.StatusMethodNotAllowed},
		{http.MethodConnect, "index.example:443", password, http.StatusOK},
	} {
		if got := through(t, proxy.Host, tt.method, tt.host, tt.password); got != tt.want {
			t.Errorf("%s %s with the password %q: %d, want %d", tt.method, tt.host, tt.password, got, tt.want)
		}
	}
	write(t, filepath.Join(root, "fail"), "")
	write(t, filepath.Join(root, "go"), "")
	r := <-done
	wantFailure(t, r, log.String(), "NetworkUnreachable", "the server does not connect to elsewhere.example:443")
	if r.Fix != "name it" {
		t.Errorf("fix %q, want the server's", r.Fix)
	}
	if strings.Contains(log.String(), password) || strings.Count(log.String(), "by way of the server") != 1 {
		t.Errorf("log:\n%s", log.String())
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", proxy.Host); err == nil {
		t.Error("the way is open after the build")
	}
	if err := os.Remove(filepath.Join(root, "fail")); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	r = envbuild.RunWith(t.Context(), root, wire.Build{Digest: "e", Interpreters: []string{py.Path}, PipOnly: []string{"x"}}, &log, giver{program: "#!/bin/sh\nexit 1\n"})
	if r.State != wire.BuildDone || strings.Contains(log.String(), "uv is not on this machine") {
		t.Errorf("it was given uv again: %+v\n%s", r, log.String())
	}
}

// through makes a request to a proxy, and where it makes a connection, hears itself by it.
func through(t *testing.T, proxy, method, host, password string) int {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req := &http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: host, Path: "/"}, Host: host, Header: http.Header{}}
	if method == http.MethodConnect {
		req.URL = &url.URL{Opaque: host}
	}
	if password != "" {
		auth := http.Request{Header: http.Header{}}
		auth.SetBasicAuth("build", password)
		req.Header.Set("Proxy-Authorization", auth.Header.Get("Authorization"))
	}
	if err := req.WriteProxy(conn); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		_, _ = io.WriteString(conn, "ping\n")
		if line, err := in.ReadString('\n'); line != "ping\n" {
			t.Errorf("heard %q, %v", line, err)
		}
	}
	return resp.StatusCode
}

// variables waits for a file with an environment.
func variables(t *testing.T, name string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for {
		if text, err := os.ReadFile(name); err == nil {
			env := map[string]string{}
			for line := range strings.Lines(string(text)) {
				k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
				env[k] = v
			}
			return env
		}
		select {
		case <-ctx.Done():
			t.Fatal("nothing is installed")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestServerGivesBroken: what does not arrive whole is not kept.
func TestServerGivesBroken(t *testing.T) {
	py, root := anyPython(t), alone(t)
	g := giver{program: fmt.Sprintf(carriedUV, py.Path), hash: strings.Repeat("0", 64)}
	var log bytes.Buffer
	r := envbuild.RunWith(t.Context(), root, wire.Build{Digest: "d", Interpreters: []string{py.Path}, PipOnly: []string{"x"}}, &log, g)
	wantFailure(t, r, log.String(), "EnvironmentUnwritable", "instead of "+g.hash)
	if left, _ := filepath.Glob(filepath.Join(root, "tools", "*-*")); len(left) > 0 || envbuild.FindUV(root) != "" {
		t.Errorf("it left %v", left)
	}
}
