package e2e_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// TestSecondSignalEndsAtOnce: the first signal leaves a slow request its grace, which is an hour here; the second does not.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s, gone := slowServer(t)
			slow := slowRequest(t, s)
			if err := syscall.Kill(s.PID, sig); err != nil {
				t.Fatal(err)
			}
			stopping(t, s)
			select {
			case <-gone:
				t.Fatal("the server did not wait for the request")
			case err := <-slow:
				t.Fatalf("the request was cut off: %v", err)
			default:
			}
			begun := time.Now()
			if err := syscall.Kill(s.PID, sig); err != nil {
				t.Fatal(err)
			}
			select {
			case <-gone:
				t.Logf("gone after %v", time.Since(begun))
			case <-time.After(3 * time.Minute):
				t.Fatal("the server is still there")
			}
		})
	}
}

// slowServer starts a server with a long grace, and returns a channel that is closed when its process is gone.
func slowServer(t *testing.T) (*rig.Server, <-chan struct{}) {
	t.Helper()
	bin, err := exec.LookPath("zaffre")
	if err != nil {
		t.Fatal(err)
	}
	port, err := rig.Port()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := rig.Start(t.Context(), rig.Options{
		Bin: bin, Data: filepath.Join(dir, "data"), Port: port, Env: []string{"ZAFFRE_GRACE=1h", "ZAFFRE_LOCAL_USER=same"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Kill(); empty(dir) })
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
			if _, there := rig.Look(s.PID); !there {
				return
			}
		}
	}()
	return s, gone
}

// empty waits, for a while, until no process works in a folder.
func empty(dir string) {
	works := func(p rig.Process) bool { return strings.Contains(strings.Join(p.Args, " "), dir) }
	for deadline := time.Now().Add(3 * time.Minute); slices.ContainsFunc(rig.Processes(), works) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
}

// plain is a client that asks each time by a connection of its own.
func plain() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, ExpectContinueTimeout: time.Minute, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // this machine's own server
	}}
}

// slowRequest begins a request whose body never comes, and returns how it ends.
func slowRequest(t *testing.T, s *rig.Server) <-chan error {
	t.Helper()
	profile, err := client.Load(s.Data)
	if err != nil {
		t.Fatal(err)
	}
	body, write := io.Pipe()
	t.Cleanup(func() { write.Close() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, profile.URL+"/api/v1/workspaces", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+profile.Token)
	req.Header.Set("Expect", "100-continue")
	ended := make(chan error, 1)
	go func() {
		resp, err := plain().Do(req)
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	if _, err := write.Write([]byte("{")); err != nil { // it is taken when the server asks for the body
		t.Fatal(err)
	}
	return ended
}

// stopping waits until the server says that it takes no more.
func stopping(t *testing.T, s *rig.Server) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		resp, err := plain().Get(fmt.Sprintf("https://127.0.0.1:%d/api/v1/server", s.Port))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it answers %d", resp.StatusCode)
		}
	}
}
