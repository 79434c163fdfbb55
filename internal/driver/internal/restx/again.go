package restx

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	maxTries  = 5
	firstWait = 500 * time.Millisecond
	maxWait   = 20 * time.Second // what asks for more is told to whoever called
)

// Delay returns how long to wait before the next try: what the service asks for, else ever longer.
func Delay(h http.Header, try int) time.Duration {
	text := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(text, 64); err == nil && s >= 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return firstWait << try
}

// sleep waits, unless the caller would have no time left afterwards.
func (c *Client) sleep(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); d > maxWait || ok && time.Until(end) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// refused is the fault of an answer that was 429 or 503 to the last.
func (c *Client) refused(a *Answer, wait time.Duration) error {
	said := evidence(a.Said())
	if a.Status == http.StatusTooManyRequests {
		return &fault.Error{
			Code: fault.Exhausted, Reason: "RateLimited", What: "cannot ask " + c.Base.Host, Why: "it answers that there were too many requests (429)",
			Fix: "nothing: it is tried again; if it stays so, start fewer runs at once", RetryAfter: wait, Evidence: said,
		}
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "ServiceUnavailable", What: "cannot ask " + c.Base.Host, Why: "it answers that it is unavailable (503)",
		Fix: "nothing: it is tried again; if it stays so, run: zaffre compute check NAME", RetryAfter: wait, Evidence: said,
	}
}

func evidence(said []byte) []string {
	if len(said) == 0 {
		return nil
	}
	return []string{string(said)}
}
