package httpx

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/relay"
)

// Done is told of each request when it has been served.
type Done func(r *http.Request, i *Info, status int, took time.Duration)

// Requests gives each request an ID and an Info, writes the access log, and turns a panic into a fault.
// It is the outermost middleware. done may be nil.
func Requests(log *slog.Logger, fail Fail, done Done) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start, info := time.Now(), &Info{ID: requestID(r)}
			w.Header().Set("X-Request-Id", info.ID)
			rec := &recorder{ResponseWriter: w}
			if r.Header.Get(relay.Attempt) != "" {
				rec.tell = info
			}
			r = r.WithContext(withInfo(r.Context(), info))
			defer func() {
				took := time.Since(start)
				access(r.Context(), log, r, info, rec, took)
				if done != nil {
					done(r, info, rec.status(), took)
				}
			}()
			defer recoverPanic(rec, r, fail)
			next.ServeHTTP(rec, r)
		})
	}
}

// requestID takes over the caller's ID if it is short and plain, so that a chain of services shares it.
func requestID(r *http.Request) string {
	v := r.Header.Get("X-Request-Id")
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:", c)
	}
	if v == "" || len(v) > 128 || strings.ContainsFunc(v, func(c rune) bool { return !plain(c) }) {
		return id.New()
	}
	return v
}

func recoverPanic(rec *recorder, r *http.Request, fail Fail) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	err := &panicError{value: p, stack: debug.Stack()}
	if rec.code != 0 {
		Failed(r.Context(), err)
		panic(http.ErrAbortHandler) // the answer has begun: its reader must see that it is cut off
	}
	fail(rec, r, err)
}

type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return "panic in a handler" }

func access(ctx context.Context, log *slog.Logger, r *http.Request, i *Info, rec *recorder, took time.Duration) {
	level := slog.LevelInfo
	if quiet(r) && rec.status() < 400 {
		level = slog.LevelDebug
	}
	err := i.failure()
	if fault.CodeOf(err) == fault.Internal {
		level = slog.LevelError
	}
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.EscapedPath()), slog.Int("status", rec.status()),
		slog.Int64("bytes", rec.bytes), slog.Duration("took", took.Round(time.Microsecond)),
		slog.String("remote", r.RemoteAddr), slog.String("request_id", i.ID), slog.String("caller", i.Caller),
	}
	if err != nil {
		attrs = append(attrs, slog.String("reason", fault.From(err).Reason), slog.Any("err", err))
	}
	if p, ok := err.(*panicError); ok {
		attrs = append(attrs, slog.Any("panic", p.value), slog.String("stack", string(p.stack)))
	}
	log.LogAttrs(ctx, level, "request", attrs...)
}

// quiet requests change nothing: they are logged for those who look closely.
func quiet(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	code  int
	bytes int64
	tell  *Info // whose fault's reason a relay is told; nil: somebody else asks
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) status() int {
	if w.code == 0 {
		return http.StatusOK
	}
	return w.code
}

func (w *recorder) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
		if w.tell != nil && w.tell.failure() != nil {
			w.Header().Set(relay.Reason, fault.From(w.tell.failure()).Reason)
		}
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}
