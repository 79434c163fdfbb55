package httpx

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Deadline bounds the time of ordinary requests: the answer must be written by then. Handlers that
// stream call Stream, which moves the bound with each write.
func Deadline(d time.Duration) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d)) // a writer without deadlines is a test's
			next.ServeHTTP(w, r)
		})
	}
}

// patience is how long the other side of a stream may do nothing.
const patience = 60 * time.Second

// Stream is the answer's body for handlers that write for long: each write gets time anew, and what is
// written is flushed.
type Stream struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
}

// NewStream returns a Stream on w.
func NewStream(w http.ResponseWriter) *Stream {
	return &Stream{w, http.NewResponseController(w)}
}

// Write sends p at once.
func (s *Stream) Write(p []byte) (int, error) {
	_ = s.ctl.SetWriteDeadline(time.Now().Add(patience))
	n, err := s.w.Write(p)
	if err == nil {
		err = s.ctl.Flush()
	}
	return n, err
}

// Flush sends the header, if it was not sent yet.
func (s *Stream) Flush() error {
	_ = s.ctl.SetWriteDeadline(time.Now().Add(patience))
	return s.ctl.Flush()
}

// Upload is the request's body for handlers that read for long: as long as bytes come, it goes on; a
// sender that pauses for a minute is cut off. max bounds its size: beyond it reading fails with fault.Invalid,
// Reason "BodyTooLarge".
func Upload(w http.ResponseWriter, r *http.Request, max int64) io.ReadCloser {
	ctl := http.NewResponseController(w)
	_ = ctl.SetWriteDeadline(time.Time{}) // set anew when the body was read
	return &upload{http.MaxBytesReader(w, r.Body, max), ctl}
}

type upload struct {
	io.ReadCloser
	ctl *http.ResponseController
}

func (u *upload) Read(p []byte) (int, error) {
	_ = u.ctl.SetReadDeadline(time.Now().Add(patience))
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		_ = u.ctl.SetReadDeadline(time.Time{})
		_ = u.ctl.SetWriteDeadline(time.Now().Add(patience))
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = &fault.Error{
			Code: fault.Invalid, Reason: "BodyTooLarge", What: "the server does not take this file",
			Why: fmt.Sprintf("it is larger than %d bytes", large.Limit), Fix: "raise the limit; run: zaffre serve --help", Err: err,
		}
	}
	return n, err
}

// Download is w for handlers that write for long: each write gets time anew.
func Download(w http.ResponseWriter) http.ResponseWriter {
	return &download{w, http.NewResponseController(w)}
}

type download struct {
	http.ResponseWriter
	ctl *http.ResponseController
}

func (d *download) Write(p []byte) (int, error) {
	_ = d.ctl.SetWriteDeadline(time.Now().Add(patience))
	return d.ResponseWriter.Write(p)
}
