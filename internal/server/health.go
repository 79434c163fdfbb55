package server

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/api/native"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const checkWithin = 2 * time.Second

// healthz says that the process lives. Restarting it would not help what readyz finds.
func (s *server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]string{"status": "ok"})
}

// readyz says whether the server can take work.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkWithin)
	defer cancel()
	for _, check := range []struct {
		name string
		run  func(context.Context) error
	}{{"database", s.db.Ping}, {"keys", s.checkKeys}, {"reconciler", s.checkLoop}} {
		if err := check.run(ctx); err != nil {
			native.WriteFault(w, r, notReady(check.name, err))
			return
		}
	}
	writeJSON(w, map[string]string{"status": "ready"})
}

func notReady(check string, err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "NotReady", What: "the server is not ready",
		Why: "its check " + check + " failed: " + fault.From(err).Why, Fix: "wait, then look into its log; run: zaffre status --wait 30s", Err: err,
	}
}

func (s *server) checkKeys(ctx context.Context) error {
	sealed, err := s.keys.Seal(ctx, []byte("ready"), "readyz")
	if err != nil {
		return err
	}
	_, err = s.keys.Open(ctx, sealed, "readyz")
	return err
}

func (s *server) checkLoop(context.Context) error {
	stopped := false
	select {
	case <-s.stopping:
		stopped = true
	default:
	}
	if s.looping.Load() && !stopped {
		return nil
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "ReconcilerStopped", What: "nothing moves runs and compute targets",
		Why: "the server starts or stops", Fix: "wait; run: zaffre status --wait 30s",
	}
}

// guardMetrics asks callers from other machines for a token that reads everywhere.
func (s *server) guardMetrics(next http.Handler) http.Handler {
	guarded := httpx.Authenticate(s.identity.Authenticate, native.WriteFault)(readsAll(next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsLoopback() {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}
