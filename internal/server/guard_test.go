package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/server"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	b := start(t)
	tok, err := b.CreateToken(t.Context(), client.Token{Name: "ci", Workspace: "default", Role: "Contributor"})
	if err != nil {
		t.Fatal(err)
	}
	const password = "canary-of-a-password"
	b.attach(t, "box", map[string]any{"password": password})
	ci := b.as(t, tok.Secret)
	if _, err := ci.Submit(t.Context(), "default", client.RunRequest{Compute: "box", Command: []string{"true"}}); err != nil {
		t.Fatal(err)
	}
	_, _ = b.as(t, tok.Secret+"wrong").Server(t.Context())
	_, metrics := b.do(t, "GET", "/metrics", nil)
	secretOf := func(token string) string { return token[strings.LastIndex(token, "_")+1:] }
	canaries := map[string]string{"token": secretOf(tok.Secret), "admin's token": secretOf(b.profile.Token), "password": password}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"the log": b.log.String(), "the announcement": b.out.String(), "the metrics": metrics}
	err = filepath.WalkDir(b.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "client.json" {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < 6 {
		t.Fatalf("looked at too little: %d", len(texts))
	}
	for place, text := range texts {
		for what, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s holds the %s", place, what)
			}
		}
	}
}

func TestExposure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, listen, user, want string
	}{
		{"all interfaces", "0.0.0.0:0", "same", "ServerExposed"},
		{"all interfaces, short", ":0", "same", "ServerExposed"},
		{"an outer address", "192.0.2.1:0", "same", "ServerExposed"},
		{"a name", "example.com:0", "same", "ServerExposed"},
		{"by its number", "0.0.0.0:0", strconv.Itoa(os.Geteuid()), "ServerExposed"},
		{"no such user", "127.0.0.1:0", "no-such-user-here", "LocalUserUnusable"},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			err := server.RunWith(t.Context(), configOf(t, dir, map[string]string{"listen": tc.listen, "local.user": tc.user}), io.Discard, discard(), server.Options{})
			if fault.ReasonOf(err) != tc.want {
				t.Errorf("Run = %v, want %s", err, tc.want)
			}
		})
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = server.RunWith(t.Context(), configOf(t, t.TempDir(), map[string]string{"listen": l.Addr().String()}), io.Discard, discard(), server.Options{})
	if fault.ReasonOf(err) != "ListenFailed" {
		t.Errorf("Run = %v", err)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.attach(t, "box", nil)
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: "box", Command: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	b.finish(t, r.ID)
	for path, want := range map[string]string{
		"/healthz": `{"status":"ok"}`, "/readyz": `{"status":"ready"}`,
		"/openapi.json": `"openapi":"3.1.0"`, "/openapi.yaml": "openapi: 3.1.0",
		"/metrics": `zaffre_runs{state="Completed"} 1`,
	} {
		resp, body := b.do(t, "GET", path, nil, "Authorization", "")
		if resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %s %.400s", path, resp.Status, body)
		}
	}
	_, body := b.do(t, "GET", "/metrics", nil)
	for _, want := range []string{
		`zaffre_http_request_duration_seconds_count{route="POST /api/v1/workspaces/{ws}/runs",status="201"} 1`,
		`zaffre_reconcile_duration_seconds_count{kind="run"}`, "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	resp, _ := b.do(t, "GET", "/healthz", nil, "X-Request-Id", "mine-1")
	if got := resp.Header.Get("X-Request-Id"); got != "mine-1" {
		t.Errorf("request ID: %q", got)
	}
	resp, _ = b.do(t, "GET", "/healthz", nil, "X-Request-Id", "not mine\x22")
	if got := resp.Header.Get("X-Request-Id"); len(got) != 26 {
		t.Errorf("request ID of a bad one: %q", got)
	}
}

// dial opens a bare HTTP/1.1 connection.
func (b *box) dial(t testing.TB) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(b.url, "https://"), &tls.Config{RootCAs: poolOf(t, b.profile.CA), NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	b := start(t)
	c := b.dial(t)
	go func() { // the server may hang up in the middle
		_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: "+strings.Repeat("a", 200<<10)+"\r\n\r\n")
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("big header: %s", resp.Status)
	}
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	b := start(t)
	c := b.dial(t)
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := c.SetReadDeadline(start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err := io.ReadAll(c)
	if took := time.Since(start); err != nil || took > 50*time.Second {
		t.Errorf("hung up after %v: %v", took, err)
	}
}
