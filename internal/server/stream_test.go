package server_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
)

// events reads a stream to its end, or until enough of it was seen. opened is told that it began.
func (b *box) events(ctx context.Context, t testing.TB, path string, opened func(), enough func(id, event, data string) bool, header ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.profile.Token)
	req.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("%s with %s", resp.Status, got)
	}
	opened()
	field := map[string]string{}
	for in := bufio.NewScanner(resp.Body); in.Scan(); {
		if name, value, ok := strings.Cut(in.Text(), ": "); ok {
			field[name] = value
			continue
		}
		if enough(field["id"], field["event"], field["data"]) {
			return
		}
		clear(field)
	}
}

func TestLogAsEventsResumes(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.attach(t, "box", nil)
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: "box", Command: []string{"echo", "héllo\nsecond"}})
	if err != nil {
		t.Fatal(err)
	}
	var text string
	if err := b.FollowRunLog(t.Context(), "default", r.ID, client.LogOptions{}, func(s string) error { text += s; return nil }); err != nil {
		t.Fatal(err)
	}
	const whole = "héllo\nsecond\n"
	if text != whole {
		t.Errorf("followed %q", text)
	}
	path := "/api/v1/workspaces/default/runs/" + r.ID + "/log"
	collect := func(query string, header ...string) (got []string) {
		b.events(t.Context(), t, path+query, func() {}, func(id, event, data string) bool {
			got = append(got, id+" "+event+" "+data)
			return event == "end"
		}, header...)
		return got
	}
	end := `14 end {"offset":14,"text":""}`
	for _, tc := range []struct {
		query, last string
		want        []string
	}{
		{"", "", []string{`14  {"offset":0,"text":"héllo\nsecond\n"}`, end}},
		{"?offset=7", "", []string{`14  {"offset":7,"text":"second\n"}`, end}},
		{"?offset=0", "7", []string{`14  {"offset":7,"text":"second\n"}`, end}},
		{"", "14", []string{end}},
		{"?offset=14", "", []string{end}},
	} {
		if diff := cmp.Diff(tc.want, collect(tc.query, "Last-Event-ID", tc.last)); diff != "" {
			t.Errorf("%q after %q (-want +got):\n%s", tc.query, tc.last, diff)
		}
	}
	for query, want := range map[string]string{"": whole, "?offset=7": "second\n", "?offset=7&follow=true": "second\n", "?attempt=1": whole, "?offset=99": ""} {
		if resp, got := b.do(t, "GET", path+query, nil); got != want || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("plain %q: %s %q", query, resp.Status, got)
		}
	}
}

func TestEventsAsAStream(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.attach(t, "box", nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan client.Event, 100)
	failed := make(chan error, 1)
	go func() {
		failed <- b.FollowEvents(ctx, "default", client.EventFilter{Subject: "run/"}, func(e client.Event) error { seen <- e; return nil })
	}()
	for _, name := range []string{"one", "two"} {
		if _, err := b.Submit(ctx, "default", client.RunRequest{Name: name, Compute: "box", Command: []string{"true"}}); err != nil {
			t.Fatal(err)
		}
	}
	last, completed := int64(0), map[string]bool{}
	for deadline := time.After(3 * time.Minute); len(completed) < 2; {
		select {
		case e := <-seen:
			if e.Sequence <= last || !strings.HasPrefix(e.Subject, "run/") {
				t.Errorf("after %d: %+v", last, e)
			}
			last = e.Sequence
			if e.Data["state"] == "Completed" {
				completed[e.Subject] = true
			}
		case <-deadline:
			t.Fatalf("saw only %v", completed)
		}
	}
	cancel()
	<-failed
	first, err := b.Events(t.Context(), "default", client.EventFilter{Limit: 2})
	if err != nil || len(first.Items) != 2 || first.Next == "" {
		t.Fatalf("page: %+v, %v", first, err)
	}
}

func TestStopEndsStreamsAndFinishesRequests(t *testing.T) {
	t.Parallel()
	b := startIn(t, t.TempDir(), map[string]string{"grace": "2m"}, fake.NewWorld())
	b.attach(t, "box", nil)
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: "box", Command: []string{"hang"}})
	if err != nil {
		t.Fatal(err)
	}
	b.await(t, r.ID, "Running")
	path := "/api/v1/workspaces/default/runs/" + r.ID
	// A request whose body is still coming when the server is told to stop.
	read, write := io.Pipe()
	answer := make(chan int, 1)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/api/v1/workspaces", read)
		req.Header.Set("Authorization", "Bearer "+b.profile.Token)
		resp, err := b.http.Do(req)
		if err != nil {
			answer <- 0
			return
		}
		resp.Body.Close()
		answer <- resp.StatusCode
	}()
	if _, err := write.Write([]byte(`{"name":`)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool, 2)
	watching := make(chan struct{}, 2)
	for _, stream := range []string{path + "/watch", path + "/log"} {
		go func() {
			end := false
			b.events(t.Context(), t, stream, func() { watching <- struct{}{} }, func(_, event, _ string) bool { end = end || event == "end"; return false })
			ended <- end
		}()
	}
	<-watching
	<-watching
	stopped := make(chan error, 1)
	go func() { stopped <- b.stop() }()
	for range 2 {
		select {
		case end := <-ended:
			if end {
				t.Error("a stream of a run that goes on said end")
			}
		case <-time.After(3 * time.Minute):
			t.Fatal("the streams did not end")
		}
	}
	b.wantsNothingNew(t, path)
	if _, err := write.Write([]byte(`"late"}`)); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if status := <-answer; status != http.StatusCreated {
		t.Errorf("the request that was running: %d", status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	b.world.Finish("z-"+r.ID+"-1", 0)
	startIn(t, b.data, nil, b.world).await(t, r.ID, "Completed")
}

// wantsNothingNew asks a server that stops, by a new connection.
func (b *box) wantsNothingNew(t *testing.T, path string) {
	t.Helper()
	b.http.CloseIdleConnections()
	for _, face := range []string{path, "/api/2.0/mlflow/experiments/search", "/mlflow/nowhere", "/v1.0/nowhere"} {
		resp, text := b.do(t, http.MethodGet, face, nil)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "2" || !strings.Contains(text, "it stops") {
			t.Errorf("%s: %d, Retry-After %q, %s", face, resp.StatusCode, resp.Header.Get("Retry-After"), text)
		}
	}
	if resp, text := b.do(t, http.MethodGet, "/readyz", nil); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "NotReady") {
		t.Errorf("readyz: %d, %s", resp.StatusCode, text)
	}
	if resp, text := b.do(t, http.MethodGet, "/healthz", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("healthz: %d, %s", resp.StatusCode, text)
	}
	if _, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: "box", Command: []string{"true"}}); client.CodeOf(err) != client.CodeUnavailable {
		t.Errorf("a run was submitted: %v", err)
	}
}
