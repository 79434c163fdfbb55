package httpx

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Tell says a whole fault in one text, for clients that show nothing else. between stands after what happened.
func Tell(f *fault.Error, between string) string {
	var b strings.Builder
	b.WriteString(f.What)
	if f.Why != "" {
		b.WriteString(between + f.Why)
	}
	b.WriteString(" [" + f.Reason + "]")
	if f.Fix != "" {
		b.WriteString(". Fix: " + f.Fix)
	}
	if len(f.Evidence) > 0 {
		b.WriteString(". Evidence: " + strings.Join(f.Evidence, " | "))
	}
	return b.String()
}

// RetryAfter advises when to ask again, where the fault does.
func RetryAfter(h http.Header, f *fault.Error) {
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
}
