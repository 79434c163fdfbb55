package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/server"
)

// box is a running server.
type box struct {
	*client.Client
	profile client.Profile
	data    string
	url     string
	http    *http.Client // trusts the CA, sends no token
	world   *fake.World
	log     *syncBuffer
	out     *syncBuffer
	stop    func() error // and waits
}

// syncBuffer is a log that a test reads while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func configOf(t testing.TB, dir string, flags map[string]string) config.Config {
	t.Helper()
	all := map[string]string{"data": dir, "listen": "127.0.0.1:0", "log.level": "debug", "grace": "5s"}
	for k, v := range flags {
		all[k] = v
	}
	cfg, err := config.Load(config.Sources{Env: map[string]string{"HOME": dir}, Flags: all})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// start runs a server on a fresh folder, with the fake kind.
func start(t testing.TB) *box {
	t.Helper()
	return startIn(t, t.TempDir(), nil, fake.NewWorld())
}

func startIn(t testing.TB, dir string, flags map[string]string, world *fake.World) *box {
	t.Helper()
	return startWith(t, dir, flags, world, fake.Kind(world))
}

// startWith is startIn with kinds of its own.
func startWith(t testing.TB, dir string, flags map[string]string, world *fake.World, kinds ...driver.Kind) *box {
	t.Helper()
	b := &box{data: dir, world: world, log: &syncBuffer{}, out: &syncBuffer{}}
	cfg := configOf(t, dir, flags)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		done <- server.RunWith(ctx, cfg, b.out, log, server.Options{Kinds: kinds})
	}()
	b.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Errorf("the server failed: %v", err)
		}
	})
	eventually(t, func() bool { return strings.Contains(b.out.String(), "zaffre is ready at") })
	b.connect(t)
	return b
}

func (b *box) connect(t testing.TB) {
	t.Helper()
	var err error
	if b.profile, err = client.Load(b.data); err != nil {
		t.Fatal(err)
	}
	cfg, err := b.profile.Config()
	if err != nil {
		t.Fatal(err)
	}
	if b.Client, err = client.New(cfg); err != nil {
		t.Fatal(err)
	}
	b.url = b.profile.URL
	b.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: poolOf(t, b.profile.CA)}, ForceAttemptHTTP2: true}}
	t.Cleanup(b.http.CloseIdleConnections)
	t.Cleanup(b.Client.Close)
	eventually(t, func() bool { return b.Ready(t.Context()) == nil })
}

// as returns a client with another token.
func (b *box) as(t testing.TB, token string) *client.Client {
	t.Helper()
	p := b.profile
	p.Token = token
	c, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// do sends a raw request; the token is the admin's unless a header says otherwise.
func (b *box) do(t testing.TB, method, path string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.profile.Token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// attach attaches a fake target and waits until it takes runs.
func (b *box) attach(t testing.TB, name string, options map[string]any) {
	t.Helper()
	if _, err := b.AttachCompute(t.Context(), "default", client.Compute{Name: name, Kind: "fake", Options: options}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		c, err := b.Compute(t.Context(), "default", name)
		return err == nil && c.State == "Succeeded"
	})
}

// finish waits for a run's end.
func (b *box) finish(t testing.TB, id string) client.Run {
	t.Helper()
	var last client.Run
	if err := b.WatchRun(t.Context(), "default", id, func(r client.Run) error { last = r; return nil }); err != nil {
		t.Fatal(err)
	}
	return last
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(3*time.Minute), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never came true")
		}
	}
}

func TestFirstStart(t *testing.T) {
	t.Parallel()
	b := start(t)
	s, err := b.Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Caller != "admin" || s.ID == "" || s.Database != "sqlite" || s.Ephemeral {
		t.Errorf("server: %+v", s)
	}
	w, err := b.Workspace(t.Context(), "default")
	if err != nil || w.ID == "" {
		t.Errorf("workspace: %+v, %v", w, err)
	}
	for name, want := range map[string]os.FileMode{
		"client.json": 0o600, "keys.json": 0o600, "zaffre.db": 0o600, "tls/ca-with-key.pem": 0o600, "tls/server-with-key.pem": 0o600, "ca.pem": 0o600,
	} {
		info, err := os.Stat(filepath.Join(b.data, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, want)
		}
	}
	if info, err := os.Stat(b.data); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data folder: %v, %v", info, err)
	}
	if !strings.Contains(b.out.String(), b.url) || strings.Contains(b.out.String(), b.profile.Token) {
		t.Errorf("announced:\n%s", b.out)
	}
}

func TestSecondStartKeepsWhatTheFirstMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startIn(t, dir, nil, fake.NewWorld())
	was, err := first.Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := startIn(t, dir, nil, fake.NewWorld())
	is, err := second.Server(t.Context())
	if err != nil || is.ID != was.ID || second.profile.Token != first.profile.Token {
		t.Errorf("second start: %+v, %v; was %+v", is, err, was)
	}
	if again, err := os.ReadFile(filepath.Join(dir, "ca.pem")); err != nil || !bytes.Equal(ca, again) {
		t.Errorf("the CA changed: %v", err)
	}
	list, err := second.Tokens(t.Context(), client.Cursor{})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("tokens: %+v, %v", list, err)
	}
}
