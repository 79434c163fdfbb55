package arm

import (
	"cmp"
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// spelling is how ARM says a class of faults. Clients retry 5xx: only what may pass by itself is one.
type spelling struct {
	status int
	code   string
}

var spellings = map[fault.Code]spelling{
	fault.Invalid:      {http.StatusBadRequest, "BadRequest"},
	fault.NotFound:     {http.StatusNotFound, "ResourceNotFound"},
	fault.Exists:       {http.StatusConflict, "Conflict"},
	fault.Conflict:     {http.StatusConflict, "Conflict"},
	fault.Precondition: {http.StatusConflict, "Conflict"},
	fault.Denied:       {http.StatusForbidden, "AuthorizationFailed"},
	fault.Unauthorized: {http.StatusUnauthorized, "InvalidAuthenticationToken"},
	fault.Unsupported:  {http.StatusBadRequest, "NotSupported"},
	fault.Exhausted:    {http.StatusTooManyRequests, "TooManyRequests"},
	fault.Unavailable:  {http.StatusServiceUnavailable, "ServiceUnavailable"},
	fault.Internal:     {http.StatusInternalServerError, "InternalServerError"},
}

func spell(f *fault.Error) spelling {
	if s, ok := spellings[f.Code]; ok {
		return s
	}
	return spellings[fault.Internal]
}

// errorBody is ARM's error object. StatusCode is for azureml-core, which prints status and message only
// where both are there.
type errorBody struct {
	Code       string      `json:"code"`
	StatusCode int         `json:"statusCode,omitempty"`
	Message    string      `json:"message"`
	Target     string      `json:"target,omitempty"`
	Details    []errorBody `json:"details"`
}

// toError says the whole fault: in the message, which every client prints, and taken apart in the
// details.
func toError(f *fault.Error) errorBody {
	s := spell(f)
	out := errorBody{
		Code: s.code, StatusCode: s.status, Message: httpx.Tell(f, ": "), Target: f.Field,
		Details: []errorBody{
			{Code: "Reason", Message: f.Reason, Details: []errorBody{}},
			{Code: "Why", Message: f.Why, Details: []errorBody{}},
			{Code: "Fix", Message: f.Fix, Details: []errorBody{}},
		},
	}
	for _, e := range f.Evidence {
		out.Details = append(out.Details, errorBody{Code: "Evidence", Message: e, Details: []errorBody{}})
	}
	return out
}

// toOutcome is toError of what happened to a target: its code is the reason, and that the target refused
// us does not mean that we refused the caller.
func toOutcome(f *fault.Error) errorBody {
	e := toError(f)
	e.Code, e.StatusCode = f.Reason, http.StatusBadRequest
	return e
}

// WriteFault answers with a fault in ARM's shape.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	httpx.Failed(r.Context(), err)
	f := fault.From(err)
	status := spell(f).status
	switch f.Reason {
	case "MethodNotAllowed":
		status = http.StatusMethodNotAllowed
	case "BodyTooLarge":
		status = http.StatusRequestEntityTooLarge
	}
	httpx.RetryAfter(w.Header(), f)
	e := toError(f)
	w.Header().Set("X-Ms-Failure-Cause", cmp.Or(f.Reason, e.Code))
	writeJSON(w, status, map[string]any{"error": e})
}
