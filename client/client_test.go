package client_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
)

func open(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{URL: srv.URL, Token: "t0ken"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// broken cuts the connection without an answer.
func broken(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func TestNamesInPaths(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.URL.EscapedPath()
		_, _ = io.WriteString(w, "{}")
	})
	for name, want := range map[string]string{
		"a/b": "a%2Fb", `q"u'o te`: "q%22u%27o%20te", "ü%2F": "%C3%BC%252F", "..": "%2E%2E", "n\nl": "n%0Al", "c:1?x#y": "c:1%3Fx%23y",
	} {
		if _, err := c.Run(t.Context(), "default", name); err != nil {
			t.Fatal(err)
		}
		if path := <-got; path != "/api/v1/workspaces/default/runs/"+want {
			t.Errorf("run %q is asked for at %s, want …/%s", name, path, want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason       string
		status       int
		kind, body   string
		code, wanted string
	}{
		{"a problem", 404, "application/problem+json", `{"title":"no","code":"not_found","reason":"RunNotFound","detail":"gone"}`, "not_found", "RunNotFound"},
		{"a proxy's page", 502, "text/html", "<html>Bad Gateway</html>", "unavailable", "UnexpectedAnswer"},
		{"another's JSON", 403, "application/json", `{"message":"no"}`, "permission_denied", "UnexpectedAnswer"},
		{"nothing", 500, "", "", "internal", "UnexpectedAnswer"},
		{"no JSON with 200", 200, "text/html", "<html>", "internal", "AnswerUnreadable"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			c, err := client.New(client.Config{URL: srv.URL, Retries: -1})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Run(t.Context(), "w", "r")
			if client.CodeOf(err) != tt.code || client.ReasonOf(err) != tt.wanted {
				t.Errorf("%v has code %q and reason %q, want %q and %q", err, client.CodeOf(err), client.ReasonOf(err), tt.code, tt.wanted)
			}
		})
	}
}

// TestRetries checks that what may be repeated is repeated, and what may not is not.
func TestRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason string
		call   func(context.Context, *client.Client) error
		tries  int32
	}{
		{"a read", func(ctx context.Context, c *client.Client) error { _, err := c.Run(ctx, "w", "r"); return err }, 3},
		{"a run with a name", func(ctx context.Context, c *client.Client) error {
			_, err := c.Submit(ctx, "w", client.RunRequest{Name: client.NewName(), Command: []string{"true"}})
			return err
		}, 3},
		{"a run without", func(ctx context.Context, c *client.Client) error {
			_, err := c.Submit(ctx, "w", client.RunRequest{Command: []string{"true"}})
			return err
		}, 1},
		{"a token", func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateToken(ctx, client.Token{})
			return err
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			c := open(t, func(w http.ResponseWriter, r *http.Request) {
				if b, _ := io.ReadAll(r.Body); r.Method == http.MethodPost && !json.Valid(b) {
					t.Errorf("try %d has the body %q", tries.Load(), b)
				}
				if tries.Add(1) < 3 {
					broken(w)
					return
				}
				_, _ = io.WriteString(w, "{}")
			})
			err := tt.call(t.Context(), c)
			if got := tries.Load(); got != tt.tries || (err == nil) != (tt.tries == 3) {
				t.Errorf("%d tries (%v), want %d", got, err, tt.tries)
			}
		})
	}
}

// TestAnswerThatBreaksOff checks that half an answer counts as none.
func TestAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) > 1 {
			_, _ = io.WriteString(w, `{"id":"r"}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	r, err := c.Submit(t.Context(), "w", client.RunRequest{Name: "r", Command: []string{"true"}})
	if err != nil || r.ID != "r" || tries.Load() != 2 {
		t.Errorf("run %q, %v after %d tries, want r after 2", r.ID, err, tries.Load())
	}
}

// TestFollowLog breaks the stream at each event: the log comes whole, and nothing twice.
func TestFollowLog(t *testing.T) {
	t.Parallel()
	const log = "line 1\nline 2\r\nünï \"q\"\n"
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		from := 0
		if _, err := fmt.Sscan(r.URL.Query().Get("offset"), &from); err != nil {
			t.Error(err)
		}
		if from >= len(log) {
			fmt.Fprintf(w, "id: %d\nevent: end\ndata: {\"offset\":%d}\n\n", len(log), len(log))
			return
		}
		to := from + strings.IndexByte(log[from:], '\n') + 1
		b, _ := json.Marshal(client.LogChunk{Offset: int64(from), Text: log[from:to]})
		fmt.Fprintf(w, ": ping\n\nid: %d\ndata: %s\n\nid: 999\ndata: {\"offset\":1,\"te", to, b)
		w.(http.Flusher).Flush()
		if to < len(log) {
			panic(http.ErrAbortHandler) // in the middle of an event
		}
	})
	var got strings.Builder
	err := c.FollowRunLog(t.Context(), "w", "r", client.LogOptions{}, func(s string) error { got.WriteString(s); return nil })
	if diff := cmp.Diff(log, got.String()); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "data: {\"id\":\"r\",\"state\":\"Running\"}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	err := c.WatchRun(ctx, "w", "r", func(client.Run) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("watching with an ended context: %v", err)
	}
	mine := errors.New("mine")
	if err := c.WatchRun(t.Context(), "w", "r", func(client.Run) error { return mine }); err != mine {
		t.Errorf("watching ended with %v, want the caller's error", err)
	}
}

func TestDownloadRefuses(t *testing.T) {
	t.Parallel()
	c := open(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "bytes") })
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../evil", "/etc/evil", "a/../../evil", "link/evil", "", "wrong-hash"} {
		err := c.Download(t.Context(), "w", "r", []client.Artifact{{Path: path, Size: 5, Hash: strings.Repeat("0", 64)}}, dir, nil)
		if err == nil {
			t.Errorf("%q was downloaded", path)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside of the folder there is %v %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "wrong-hash")); err == nil {
		t.Error("a file with the wrong bytes is there")
	}
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFolder checks that a folder's faults are the client's own.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{".amlignore": "*.bin\n", "small": "1", "large.txt": strings.Repeat("x", 5000), "no.bin": ""})
	f, err := client.ReadFolder(t.Context(), dir, client.FolderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range f.Files() {
		paths = append(paths, e.Path)
	}
	if diff := cmp.Diff([]string{".amlignore", "large.txt", "small"}, paths); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = client.ReadFolder(t.Context(), dir, client.FolderOptions{Bytes: 1000})
	if client.ReasonOf(err) != "FolderTooLarge" || !strings.Contains(err.Error(), "large.txt") {
		t.Errorf("a folder above the limit: %v", err)
	}
	put(t, dir, map[string]string{"small": "22"})
	if _, err = f.Open(t.Context(), f.Files()[2]); client.ReasonOf(err) != "FileChanged" {
		t.Errorf("a file that changed: %v", err)
	}
}

// TestUpload breaks the connection in the middle of a pack: what did not arrive travels again.
func TestUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "one", "b": strings.Repeat("two", 300_000), "same": "one"})
	stored := map[string]bool{}
	packs, sent := 0, int64(0)
	var mu sync.Mutex
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch filepath.Base(r.URL.Path) {
		case "missing":
			var in struct{ Hashes []string }
			_ = json.NewDecoder(r.Body).Decode(&in)
			_ = json.NewEncoder(w).Encode(map[string][]string{"missing": slices.DeleteFunc(in.Hashes, func(h string) bool { return stored[h] })})
		case "pack":
			packs++
			for in := tar.NewReader(r.Body); ; {
				h, err := in.Next()
				if err != nil {
					break
				}
				if packs == 1 && h.Size > 1000 {
					broken(w)
					return
				}
				n, _ := io.Copy(io.Discard, in)
				stored[h.Name] = n == h.Size
			}
			if n, _ := io.Copy(io.Discard, r.Body); r.ContentLength < n {
				t.Errorf("the pack is longer than it says: %d", r.ContentLength)
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			if len(stored) < 2 {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, `{"title":"x","code":"failed_precondition","reason":"FilesMissing"}`)
				return
			}
			_, _ = io.WriteString(w, `{"id":"snapshot"}`)
		}
	})
	tr, err := client.ReadFolder(t.Context(), dir, client.FolderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := c.Upload(t.Context(), "w", tr, func(at, _ int64) { sent = max(sent, at) })
	mu.Lock()
	defer mu.Unlock()
	if err != nil || id != "snapshot" || packs != 2 || len(stored) != 2 {
		t.Errorf("upload: %q %v, %d packs, stored %v", id, err, packs, stored)
	}
	if sent < 900_000 {
		t.Errorf("progress ended at %d", sent)
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := client.Load(dir); client.ReasonOf(err) != "ProfileNotFound" {
		t.Errorf("without a profile: %v", err)
	}
	want := client.Profile{URL: "https://localhost:1", CA: "ca.pem", Token: "x", Workspace: "w", Path: filepath.Join(dir, "client.json")}
	if err := want.Save(want.Path); err != nil {
		t.Fatal(err)
	}
	want.CA = filepath.Join(dir, "ca.pem")
	got, err := client.Load(dir)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
