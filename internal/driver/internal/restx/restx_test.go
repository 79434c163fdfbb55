package restx_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// script answers with one status after another, and counts. 0 breaks the connection after reading the body.
type script struct {
	statuses []int
	after    string

	mu  sync.Mutex
	got []string
}

func (s *script) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, string(b))
	status := s.statuses[min(len(s.got), len(s.statuses))-1]
	if status == 0 {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			c.Close()
		}
		return
	}
	if s.after != "" && status != http.StatusOK {
		w.Header().Set("Retry-After", s.after)
	}
	w.WriteHeader(status)
	io.WriteString(w, `{"status": "said"}`)
}

func client(t *testing.T, s *script) *restx.Client {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	u, why := restx.ParseURL(srv.URL, true)
	if why != "" {
		t.Fatal(why)
	}
	c := restx.New(u, "url", func(h http.Header) { h.Set("Authorization", "Bearer canary") })
	t.Cleanup(c.Close)
	return c
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		statuses []int
		after    string
		once     bool
		status   int
		reason   string
		tries    int
	}{
		{"fine", []int{200}, "", false, 200, "", 1},
		{"refused, then taken", []int{429, 503, 200}, "0", false, 200, "", 3},
		{"once: 429 had no effect", []int{429, 200}, "0", true, 200, "", 2},
		{"once: 503 may have had one", []int{503, 200}, "0", true, 503, "", 1},
		{"answer lost", []int{0, 200}, "", false, 200, "", 2},
		{"answer lost again", []int{0, 0, 200}, "", false, 0, "ConnectionLost", 2},
		{"once: answer lost", []int{0, 200}, "", true, 0, "ConnectionLost", 1},
		{"asked to wait for long", []int{429}, "3600", false, 0, "RateLimited", 1},
		{"away for ever", []int{503}, "0", false, 0, "ServiceUnavailable", 6},
		{"other statuses are answers", []int{500}, "", false, 500, "", 1},
		{"redirects too", []int{302}, "", false, 302, "", 1},
	} {
		s := &script{statuses: tt.statuses, after: tt.after}
		a, err := client(t, s).Do(t.Context(), restx.Call{Method: http.MethodPost, Path: "/x", JSON: map[string]string{"a": "b"}, Once: tt.once})
		if fault.ReasonOf(err) != tt.reason || len(s.bodies()) != tt.tries {
			t.Errorf("%s: %v (%s) after %d tries, want %s after %d", tt.name, err, fault.ReasonOf(err), len(s.bodies()), tt.reason, tt.tries)
		}
		if err == nil && a.Status != tt.status {
			t.Errorf("%s: the status is %d, want %d", tt.name, a.Status, tt.status)
		}
		if a != nil {
			a.Body.Close()
		}
		for _, body := range s.bodies() { // each try sends the whole body
			if body != `{"a":"b"}` {
				t.Errorf("%s: a try sent %q", tt.name, body)
			}
		}
		if f := fault.From(err); f != nil && (f.Fix == "" || strings.Contains(f.Error()+strings.Join(f.Evidence, ""), "canary")) {
			t.Errorf("%s: the fault is %+v", tt.name, f)
		}
	}
}

func TestTheDeadlineHolds(t *testing.T) {
	t.Parallel()
	c := client(t, &script{statuses: []int{503}, after: "18"})
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	begin := time.Now()
	_, err := c.Do(ctx, restx.Call{Method: http.MethodGet, Path: "/x"})
	if fault.ReasonOf(err) != "ServiceUnavailable" || time.Since(begin) > 15*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}

// TestRetryAfterADate: the header may be a time of day.
func TestRetryAfterADate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := http.Header{"Retry-After": {time.Now().Add(3 * time.Second).UTC().Format(http.TimeFormat)}}
		if got := restx.Delay(h, 0); got != 3*time.Second {
			t.Errorf("it waits for %s", got)
		}
		if first, third := restx.Delay(nil, 0), restx.Delay(http.Header{"Retry-After": {"soon"}}, 2); first <= 0 || third != 4*first {
			t.Errorf("unasked it waits for %s, and then %s", first, third)
		}
	})
}

// TestABodyThatBreaksOff: what is read late fails as a fault too.
func TestABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
	}))
	t.Cleanup(srv.Close)
	u, _ := url.Parse(srv.URL)
	a, err := restx.New(u, "url", nil).Do(t.Context(), restx.Call{Method: http.MethodGet, Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if string(b) != "half" || fault.CodeOf(err) != fault.Unavailable || fault.ReasonOf(err) != "ConnectionLost" || errors.Is(err, io.EOF) {
		t.Errorf("it read %q, %v", b, err)
	}
}

// TestWhatIsSigned is what is sent: with a length, though it be 0.
func TestWhatIsSigned(t *testing.T) {
	t.Parallel()
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.Header.Get("Content-Length")+" "+strings.Join(r.TransferEncoding, ",")+" "+r.Header.Get("Signed")+" "+r.Header.Get("Content-Type"))
	}))
	t.Cleanup(srv.Close)
	u, _ := url.Parse(srv.URL)
	c := restx.NewSigned(u, "url", func(r *http.Request) { r.Header.Set("Signed", r.URL.RawQuery) })
	t.Cleanup(c.Close)
	empty := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
	for _, q := range []restx.Call{
		{Method: "GET"},
		{Method: "DELETE", Query: url.Values{"a": {"b"}}},
		{Method: "POST"},
		{Method: "PUT", Body: empty},
		{Method: "POST", JSON: 1, Header: http.Header{"Content-Type": {"application/json; odata=x"}}},
	} {
		a, err := c.Do(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
	}
	want := []string{"GET    ", "DELETE 0  a=b ", "POST 0   ", "PUT 0   ", "POST 1   application/json; odata=x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestATokenInAURL is not told where nobody answers.
func TestATokenInAURL(t *testing.T) {
	t.Parallel()
	u, _ := url.Parse("http://127.0.0.1:1")
	_, err := restx.New(u, "url-file", nil).Do(t.Context(), restx.Call{Method: http.MethodGet, Path: "/", Query: url.Values{"sig": {"canary"}}})
	if f := fault.From(err); f == nil || f.Reason != "ConnectionRefused" || strings.Contains(err.Error(), "canary") || !strings.HasSuffix(f.Fix, "--url-file FILE") {
		t.Errorf("the fault is %+v", f)
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, text := range []string{"adb-1.2.azuredatabricks.net", "https://h/path/", "http://h", "http://127.0.0.1:1", "http://localhost", "ftp://h", "https://u:canary@h", "https://h/?o=1", "https://", "::"} {
		u, why := restx.ParseURL(text, true)
		if u != nil {
			why = u.String()
		}
		got[text] = why
	}
	want := map[string]string{
		"adb-1.2.azuredatabricks.net": "https://adb-1.2.azuredatabricks.net", "https://h/path/": "https://h/path",
		"http://h":           "the credentials would cross the network in the clear: it is http, not https",
		"http://127.0.0.1:1": "http://127.0.0.1:1", "http://localhost": "http://localhost", "ftp://h": "it is neither http nor https",
		"https://u:canary@h": "it has more than a host and a path", "https://h/?o=1": "it has more than a host and a path",
		"https://": "it is no URL", "::": "it is no URL",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
