// Package httpx holds what every HTTP face needs around its handlers: request IDs, the access log,
// panics, authentication, deadlines, streams. It knows no business and no face's way to spell a fault.
package httpx

import (
	"context"
	"net/http"
	"sync/atomic"
)

// Info is what is known of a request while it is served. The middleware fills it in.
type Info struct {
	ID     string // of the request: X-Request-Id
	Route  string // the pattern that took it: "GET /api/v1/server"; "" before, and if none did
	Caller string // name; "" if unknown
	err    atomic.Pointer[error]
}

type infoKey struct{}

// InfoOf returns the request's Info; an empty one outside of a request.
func InfoOf(ctx context.Context) *Info {
	if i, ok := ctx.Value(infoKey{}).(*Info); ok {
		return i
	}
	return &Info{}
}

func withInfo(ctx context.Context, i *Info) context.Context {
	return context.WithValue(ctx, infoKey{}, i)
}

// Failed keeps the error that a request was answered with, for the access log. The first one stays.
func Failed(ctx context.Context, err error) {
	if err != nil {
		InfoOf(ctx).err.CompareAndSwap(nil, &err)
	}
}

func (i *Info) failure() error {
	if p := i.err.Load(); p != nil {
		return *p
	}
	return nil
}

// Fail answers a request with an error. Each face has its own.
type Fail func(w http.ResponseWriter, r *http.Request, err error)

// Middleware wraps a handler.
type Middleware func(http.Handler) http.Handler

// Chain wraps h so that the first middleware is the outermost.
func Chain(h http.Handler, m ...Middleware) http.Handler {
	for i := len(m) - 1; i >= 0; i-- {
		h = m[i](h)
	}
	return h
}

// Route is a mux as a handler that notes which pattern took the request. With notFound set, it answers
// what the mux has no pattern for; the mux's own answers to a wrong method stay.
func Route(mux *http.ServeMux, notFound http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		InfoOf(r.Context()).Route = pattern
		if pattern == "" && notFound != nil {
			status := &statusOnly{header: http.Header{}}
			h.ServeHTTP(status, r)
			if status.code == http.StatusNotFound || status.code == http.StatusMethodNotAllowed {
				if allow := status.header.Get("Allow"); allow != "" {
					w.Header().Set("Allow", allow)
				}
				notFound.ServeHTTP(w, r)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// statusOnly learns how a handler would answer.
type statusOnly struct {
	header http.Header
	code   int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(code int)        { s.code = code }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
