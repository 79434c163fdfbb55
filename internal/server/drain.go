package server

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// retryStopping is what callers are told to wait while the server stops: another may be there by then.
const retryStopping = 2 * time.Second

// gate counts the requests that are being answered, until it is shut. The zero value is open.
type gate struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // of a gate that is shut: closed when nobody is inside; nil: it is open
}

// enter reports whether one more may come in; who did leaves.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.idle != nil {
		return false
	}
	g.n++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.idle != nil {
		close(g.idle)
	}
}

// shut lets nobody in from now on, and returns a channel that is closed when all have left. It is called once.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = make(chan struct{})
	if g.n == 0 {
		close(g.idle)
	}
	return g.idle
}

// probes ask how the server is, and get their answer as long as there is one.
var probes = []string{"/healthz", "/readyz", "/metrics"}

// admit answers requests that come while the server stops with a fault. They have not been begun, so they may be made
// again.
func (s *server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(probes, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		if !s.requests.enter() {
			w.Header().Set("Connection", "close") // the next server has others
			writeFault(w, r, stoppingFault())
			return
		}
		defer s.requests.leave()
		next.ServeHTTP(w, r)
	})
}

func stoppingFault() error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "ServerStopping", What: "the server takes no more requests",
		Why: "it stops, and answers only those that it has begun", Fix: "start it again, if nobody else does; run: zaffre status --wait 30s",
		RetryAfter: retryStopping,
	}
}

// drain ends the streams, whose readers come again, and gives other requests their grace. New ones are answered with a
// fault meanwhile.
func (s *server) drain(servers ...*http.Server) {
	close(s.stopping)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Grace)
	defer cancel()
	s.log.InfoContext(ctx, "server stops", "grace", s.cfg.Grace)
	select {
	case <-s.requests.shut():
	case <-ctx.Done():
	}
	for _, h := range servers {
		if err := h.Shutdown(ctx); err != nil {
			s.log.WarnContext(ctx, "requests were cut off", "err", err)
			h.Close()
		}
	}
}
