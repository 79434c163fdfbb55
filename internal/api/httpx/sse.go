package httpx

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"
)

// Events writes server-sent events.
// The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
type Events struct{ s *Stream }

// NewEvents starts the answer.
func NewEvents(w http.ResponseWriter) (*Events, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect the events
	w.WriteHeader(http.StatusOK)
	e := &Events{NewStream(w)}
	return e, e.s.Flush()
}

// Send writes one event. id and name may be "". data must hold no line break, as JSON does not.
func (e *Events) Send(id, name string, data []byte) error {
	var b bytes.Buffer
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	b.Write(data)
	b.WriteString("\n\n")
	_, err := e.s.Write(b.Bytes())
	return err
}

// Ping writes a comment, so that proxies and the other side see that the stream lives.
func (e *Events) Ping() error {
	_, err := e.s.Write([]byte(": ping\n\n"))
	return err
}

// PingEvery is how often a silent stream is to be pinged.
const PingEvery = 15 * time.Second

// WantsEvents reports whether the caller asks for server-sent events.
func WantsEvents(accept string) bool {
	return strings.Contains(strings.ToLower(accept), "text/event-stream")
}

// Until returns a context that also ends when stop is closed: streams end when the server stops.
func Until(ctx context.Context, stop <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
