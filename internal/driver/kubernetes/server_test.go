package kubernetes_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
	"github.com/zaffre-ml/zaffre/internal/server"
)

// site is a server with the cluster attached as "k8s".
type site struct {
	*testing.T
	*client.Client
	log *buffer
}

// buffer is written by a server and read by its test.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *buffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *buffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// serve runs a server in this process and attaches a target to it.
func serve(t *testing.T, target driver.Target) site {
	t.Helper()
	s, _ := open(t, t.TempDir())
	s.attach(target)
	return s
}

// open runs a server on a folder, which one before it may have left, until stop is called or the test ends.
func open(t *testing.T, dir string) (s site, stop func()) {
	t.Helper()
	out := &buffer{}
	cfg, err := config.Load(config.Sources{Env: map[string]string{"HOME": dir}, Flags: map[string]string{"data": filepath.Join(dir, "data"), "listen": "127.0.0.1:0", "grace": "2s"}})
	if err != nil {
		t.Fatal(err)
	}
	s = site{T: t, log: &buffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- server.RunWith(ctx, cfg, out, slog.New(slog.NewTextHandler(s.log, nil)), server.Options{Kinds: []driver.Kind{kubernetes.Kind()}})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server failed: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			said := s.log.String()
			t.Logf("the server said:\n%s", said[max(0, len(said)-4000):])
		}
	})
	s.eventually("the server", func() bool { return strings.Contains(out.String(), "zaffre is ready at") })
	profile, err := client.Load(filepath.Join(dir, "data"))
	if err == nil {
		s.Client, err = profile.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, stop
}

// attach attaches a target, or attaches it again with other options, and waits until it can be used.
func (s site) attach(target driver.Target) {
	s.Helper()
	options := maps.Clone(target.Options)
	for name, secret := range target.Secrets {
		options[name] = secret
	}
	_, err := s.AttachCompute(s.Context(), "default", client.Compute{Name: "k8s", Kind: "kubernetes", Shared: true, Options: options})
	if err != nil {
		s.Fatal(err)
	}
	s.eventually("the target", func() bool {
		c, err := s.Compute(s.Context(), "default", "k8s")
		if c.State == "Failed" {
			s.Fatalf("the target cannot be used: %+v", c.Error)
		}
		return err == nil && c.State == "Succeeded"
	})
}

func (s site) eventually(what string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(4 * time.Minute); !ok(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("waited in vain for %s", what)
		}
	}
}

// submit submits a run that may be tried again.
func (s site) submit(retries int, options map[string]any, command ...string) string {
	s.Helper()
	r, err := s.Submit(s.Context(), "default", client.RunRequest{Compute: "k8s", Retries: retries, Options: options, Command: command})
	if err != nil {
		s.Fatal(err)
	}
	return r.ID
}

// until watches a run until it is as wanted. One that ends otherwise fails the test.
func (s site) until(id, what string, ok func(client.Run) bool) (r client.Run) {
	s.Helper()
	s.eventually(what, func() bool {
		var err error
		if r, err = s.Client.Run(s.Context(), "default", id); err != nil {
			s.Fatal(err)
		}
		if r.Final() && !ok(r) {
			s.Fatalf("waiting for %s the run is %s, attempts %+v, error %+v, %+v", what, r.State, r.Attempts, r.Error, r.Conditions)
		}
		return ok(r)
	})
	return r
}

// running waits until an attempt of a run runs.
func (s site) running(id string, attempt int) client.Run {
	s.Helper()
	return s.until(id, "an attempt that runs", func(r client.Run) bool { return r.State == "Running" && len(r.Attempts) == attempt })
}

// ended waits until a run has ended, in a state.
func (s site) ended(id, state string) client.Run {
	s.Helper()
	return s.until(id, state, func(r client.Run) bool { return r.State == state })
}

// silent waits until the server says that it cannot reach the run, for a reason.
func (s site) silent(id string, reasons ...string) {
	s.Helper()
	s.until(id, "the silence", func(r client.Run) bool {
		for _, c := range r.Conditions {
			for _, reason := range reasons {
				if c.Type == "Reachable" && !c.OK && (reason == "" || c.Reason == reason) {
					return true
				}
			}
		}
		return false
	})
}

func (s site) read(id string) string {
	s.Helper()
	body, err := s.RunLog(s.Context(), "default", id, client.LogOptions{})
	if err != nil {
		s.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		s.Error(err)
	}
	return string(b)
}
