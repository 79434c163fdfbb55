package httpx_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// fail answers with the reason alone.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	httpx.Failed(r.Context(), err)
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, fault.From(err).Reason)
}

func serve(t testing.TB, done httpx.Done, h http.HandlerFunc) (*httptest.Server, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	mux := http.NewServeMux()
	mux.HandleFunc("POST /things/{name}", h)
	s := httptest.NewServer(httpx.Chain(httpx.Route(mux, http.NotFoundHandler()),
		httpx.Requests(slog.New(slog.NewTextHandler(&log, nil)), fail, done)))
	t.Cleanup(s.Close)
	return s, &log
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	s, log := serve(t, func(_ *http.Request, i *httpx.Info, status int, took time.Duration) {
		if status != 201 || took <= 0 {
			t.Errorf("status %d after %v", status, took)
		}
		seen <- i.Route
	}, func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") != "a/b" {
			t.Errorf("name %q", r.PathValue("name"))
		}
		w.WriteHeader(http.StatusCreated)
	})
	resp, err := http.Post(s.URL+"/things/a%2Fb", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if route := <-seen; route != "POST /things/{name}" {
		t.Errorf("route %q", route)
	}
	s.Close()
	for _, want := range []string{"method=POST", "path=/things/a%2Fb", "status=201", "request_id=" + resp.Header.Get("X-Request-Id")} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
}

func TestAPanicIsAFault(t *testing.T) {
	t.Parallel()
	s, log := serve(t, nil, func(http.ResponseWriter, *http.Request) { panic("boom") })
	resp, err := http.Post(s.URL+"/things/x", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 500 || string(body) != "InternalError" {
		t.Errorf("%s %q", resp.Status, body)
	}
	s.Close()
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "panic=boom") || !strings.Contains(log.String(), "request_test.go") {
		t.Errorf("log: %s", log)
	}
}

func TestAPanicInTheMiddleCutsTheAnswerOff(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		panic("boom")
	})
	resp, err := http.Post(s.URL+"/things/x", "", nil)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the answer looks whole")
	}
}

func TestUnderlyingErrorsAreLoggedNotSent(t *testing.T) {
	t.Parallel()
	s, log := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, &fault.Error{Code: fault.Internal, Reason: "Broken", What: "w", Why: "y", Fix: "f", Err: errors.New("inner words")})
	})
	resp, err := http.Post(s.URL+"/things/x", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	s.Close()
	if string(body) != "Broken" || !strings.Contains(log.String(), "inner words") {
		t.Errorf("sent %q, logged %s", body, log)
	}
}

func TestUploadIsBounded(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(httpx.Upload(w, r, 10))
		large, ok := errors.AsType[*http.MaxBytesError](err)
		if !ok || large.Limit != 10 {
			t.Errorf("read: %v", err)
		}
	})
	resp, err := http.Post(s.URL+"/things/x", "", strings.NewReader(strings.Repeat("a", 11)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
