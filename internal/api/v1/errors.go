package v1

import (
	"encoding/json"
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// statuses say a class of faults. azureml-core retries 5xx: only what may pass by itself is one.
var statuses = map[fault.Code]struct {
	status int
	code   string
}{
	fault.Invalid:      {http.StatusBadRequest, "UserError"},
	fault.NotFound:     {http.StatusNotFound, "UserError"},
	fault.Exists:       {http.StatusConflict, "UserError"},
	fault.Conflict:     {http.StatusConflict, "UserError"},
	fault.Precondition: {http.StatusPreconditionFailed, "UserError"},
	fault.Denied:       {http.StatusForbidden, "UserError"},
	fault.Unauthorized: {http.StatusUnauthorized, "UserError"},
	fault.Unsupported:  {http.StatusBadRequest, "UserError"},
	fault.Exhausted:    {http.StatusTooManyRequests, "TransientError"},
	fault.Unavailable:  {http.StatusServiceUnavailable, "TransientError"},
}

// WriteFault answers with a fault. The body is good for both families of clients: those of run history look
// for error.details and crash without it, those of the model management for code, statusCode and message
// beside it.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	httpx.Failed(r.Context(), err)
	f := fault.From(err)
	s, ok := statuses[f.Code]
	if !ok {
		s.status, s.code = http.StatusInternalServerError, "ServiceError"
	}
	httpx.RetryAfter(w.Header(), f)
	text := httpx.Tell(f, ": ")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(s.status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the caller may have gone
		"error": map[string]any{"code": s.code, "message": text, "target": f.Field, "details": []any{}, "innerError": map[string]any{"code": f.Reason}},
		"code":  f.Reason, "statusCode": s.status, "message": text, "details": []any{},
	})
}

func notFound(w http.ResponseWriter, r *http.Request) {
	why := "azureml-core calls it, and this server does not know it"
	if allow := w.Header().Get("Allow"); allow != "" {
		why = "this route takes " + allow
	}
	WriteFault(w, r, &fault.Error{
		Code: fault.NotFound, Reason: "RouteNotFound", What: "there is nothing to " + r.Method + " at this path",
		Why: why, Fix: "see which calls of the SDK work; run: zaffre scan SCRIPT",
	})
}
