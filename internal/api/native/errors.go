package native

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

var statuses = map[fault.Code]int{
	fault.Invalid:      http.StatusBadRequest,
	fault.NotFound:     http.StatusNotFound,
	fault.Exists:       http.StatusConflict,
	fault.Conflict:     http.StatusConflict,
	fault.Precondition: http.StatusConflict, // 412 is for If-Match
	fault.Denied:       http.StatusForbidden,
	fault.Unauthorized: http.StatusUnauthorized,
	fault.Unsupported:  http.StatusNotImplemented,
	fault.Exhausted:    http.StatusTooManyRequests,
	fault.Unavailable:  http.StatusServiceUnavailable,
	fault.Internal:     http.StatusInternalServerError,
}

// StatusOf returns the HTTP status of a fault. BodyTooLarge alone has one of its own.
func StatusOf(f *fault.Error) int {
	if f.Reason == "BodyTooLarge" {
		return http.StatusRequestEntityTooLarge
	}
	return cmp.Or(statuses[f.Code], http.StatusInternalServerError)
}

// problem is a client.Fault as huma wants it.
type problem struct {
	client.Fault
	retry time.Duration
}

func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) Error() string             { return p.Fault.Error() }
func (p *problem) ContentType(string) string { return "application/problem+json" }
func (p *problem) retryAfter() string {
	return strconv.Itoa(int((p.retry + time.Second - 1) / time.Second))
}

// Schema makes the description say Fault.
func (p problem) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[client.Fault](), true, "")
}

func problemOf(ctx context.Context, err error) *problem {
	httpx.Failed(ctx, err)
	f := fault.From(err)
	p := &problem{Fault: *toFault(f), retry: f.RetryAfter}
	p.RequestID = httpx.InfoOf(ctx).ID
	return p
}

// WriteFault answers with a fault.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(r.Context(), err)
	if p.retry > 0 {
		w.Header().Set("Retry-After", p.retryAfter())
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p.Fault) // the caller may have gone
}

// NotFound answers what no route takes.
func NotFound(w http.ResponseWriter, r *http.Request) {
	if allow := w.Header().Get("Allow"); allow != "" {
		p := problemOf(r.Context(), &fault.Error{
			Code: fault.Invalid, Reason: "MethodNotAllowed", What: "the server does not do " + r.Method + " here",
			Why: "this route takes " + allow, Fix: "look into /openapi.yaml",
		})
		p.Status = http.StatusMethodNotAllowed
		w.Header().Set("Content-Type", p.ContentType(""))
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p.Fault)
		return
	}
	WriteFault(w, r, &fault.Error{
		Code: fault.NotFound, Reason: "RouteNotFound", What: "there is nothing at this path",
		Why: "the server has no route for it", Fix: "look into /openapi.yaml; names with a slash are percent-encoded",
	})
}

// newProblem makes a fault of what huma found, or passes on a handler's.
func newProblem(ctx context.Context, status int, msg string, errs []error) *problem {
	var details []*huma.ErrorDetail
	for _, err := range errs {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			details = append(details, d)
			continue
		}
		if status == http.StatusInternalServerError && msg != bodyUnread {
			return problemOf(ctx, err)
		}
	}
	f, own := requestFault(status, msg, details)
	p := problemOf(ctx, f)
	if own {
		p.Status = status
	}
	return p
}

// bodyUnread is what huma says when the body broke off.
const bodyUnread = "cannot read request body"

// requestFault is a fault of a request that reached no handler. own says that huma's status stays.
func requestFault(status int, msg string, details []*huma.ErrorDetail) (f *fault.Error, own bool) {
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return TooLarge(msg), true
	case status == http.StatusRequestTimeout:
		return &fault.Error{
			Code: fault.Invalid, Reason: "BodyTimeout", What: "the request did not arrive",
			Why: "its body took longer than " + bodyWithin.String(), Fix: "send it again, and faster",
		}, true
	case status == http.StatusUnsupportedMediaType || status == http.StatusNotAcceptable:
		return &fault.Error{
			Code: fault.Invalid, Reason: "MediaTypeUnsupported", What: "the server does not speak this format",
			Why: "it reads and writes application/json", Fix: "set the headers Content-Type and Accept to application/json",
		}, true
	case msg == bodyUnread:
		return &fault.Error{
			Code: fault.Invalid, Reason: "BodyBroken", What: "the request did not arrive",
			Why: "its body broke off", Fix: "send it again",
		}, false
	case len(details) == 0:
		return &fault.Error{
			Code: fault.Invalid, Reason: "RequestInvalid", What: "the request cannot be understood",
			Why: msg, Fix: "compare it with /openapi.yaml",
		}, false
	}
	return fieldFault(details), false
}

// TooLarge is the fault of a body that is over its limit.
func TooLarge(why string) *fault.Error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "BodyTooLarge", What: "the request is too large",
		Why: why, Fix: "send less, or raise limits.body or limits.snapshot; run: zaffre config show",
	}
}

// fieldFault names the first field that is wrong, and the others in its evidence. Values are left out:
// they may be secrets.
func fieldFault(details []*huma.ErrorDetail) *fault.Error {
	slices.SortStableFunc(details, func(a, b *huma.ErrorDetail) int { return cmp.Compare(a.Location, b.Location) })
	first := details[0]
	f := &fault.Error{
		Code: fault.Invalid, Reason: "FieldInvalid", What: "the request cannot be accepted",
		Why: first.Message, Fix: "compare it with /openapi.yaml", Field: fieldOf(first.Location),
	}
	switch {
	case strings.Contains(first.Message, "unexpected property"):
		f.Reason, f.Why = "FieldUnknown", "there is no field "+f.Field
	case strings.Contains(first.Message, "unknown query parameter"):
		f.Reason, f.Why = "FieldUnknown", "there is no query parameter "+f.Field
	case missingProperty(first.Message) != "":
		name := missingProperty(first.Message)
		f.Reason, f.Why, f.Field = "FieldMissing", "the field "+name+" is missing", strings.TrimPrefix(f.Field+"."+name, ".")
	case first.Location == "body":
		f.Reason, f.Why = "BodyMalformed", "its body is not the JSON that is expected: "+first.Message
	}
	for _, d := range details[1:] {
		f.Evidence = append(f.Evidence, fieldOf(d.Location)+": "+d.Message)
	}
	return f
}

// missingProperty returns the name in huma's message about a field that is not there.
func missingProperty(msg string) string {
	name, ok := strings.CutPrefix(msg, "expected required property ")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(name, " to be present")
}

func fieldOf(location string) string {
	for _, place := range []string{"body.", "query.", "path.", "header."} {
		if rest, ok := strings.CutPrefix(location, place); ok {
			return rest
		}
	}
	return strings.TrimPrefix(location, "body")
}
