package mlflow

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// spelling is how MLflow says a class of faults. Its clients act on the code, and repeat what has the
// status 408, 429, 500, 502, 503 or 504: only what may pass by itself has one of these.
// Source: mlflow/exceptions.py and mlflow/utils/request_utils.py, 3.17.
type spelling struct {
	status int
	code   string
}

var spellings = map[fault.Code]spelling{
	fault.Invalid:      {http.StatusBadRequest, "INVALID_PARAMETER_VALUE"},
	fault.NotFound:     {http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST"},
	fault.Exists:       {http.StatusBadRequest, "RESOURCE_ALREADY_EXISTS"},
	fault.Conflict:     {http.StatusConflict, "RESOURCE_CONFLICT"},
	fault.Precondition: {http.StatusBadRequest, "INVALID_PARAMETER_VALUE"},
	fault.Denied:       {http.StatusForbidden, "PERMISSION_DENIED"},
	fault.Unauthorized: {http.StatusUnauthorized, "UNAUTHENTICATED"},
	fault.Unsupported:  {http.StatusNotImplemented, "NOT_IMPLEMENTED"},
	fault.Exhausted:    {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	fault.Unavailable:  {http.StatusServiceUnavailable, "TEMPORARILY_UNAVAILABLE"},
	fault.Internal:     {http.StatusInternalServerError, "INTERNAL_ERROR"},
}

func spell(f *fault.Error) spelling {
	switch f.Reason {
	case "RouteNotFound":
		return spelling{http.StatusNotFound, "ENDPOINT_NOT_FOUND"}
	case "BodyTooLarge":
		return spelling{http.StatusRequestEntityTooLarge, "INVALID_PARAMETER_VALUE"}
	case "ExperimentDeleted":
		if f.Code == fault.Exists {
			return spelling{http.StatusBadRequest, "RESOURCE_ALREADY_EXISTS"}
		}
	}
	if s, ok := spellings[f.Code]; ok {
		return s
	}
	return spellings[fault.Internal]
}

type errorBody struct {
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

// WriteFault answers with a fault in MLflow's shape. Its clients print the message, so that the fix is in
// there.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	httpx.Failed(r.Context(), err)
	f := fault.From(err)
	s := spell(f)
	httpx.RetryAfter(w.Header(), f)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(s.status)
	encode(w, errorBody{s.code, httpx.Tell(f, ". ")}) // MLflow's messages end in full stops, and some look for them
}

func refuse(e Endpoint) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "MLflowUnsupported", What: "zaffre does not do " + e.Method + " " + e.Path,
		Why: e.Refused, Fix: e.Fix,
	}
}

// invalid says which parameter is wrong, as MLflow begins to say it.
func invalid(field, value, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ParameterInvalid", What: "Invalid value " + shortened(value) + " for parameter '" + field + "' supplied",
		Why: why, Fix: "correct it and send it again", Field: field,
	}
}

// missing says which parameter is missing, in the words that MLflow's clients know.
func missing(field string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ParameterMissing", What: "Missing value for required parameter '" + field + "'",
		Why: "the request does not have it", Fix: "send it", Field: field,
	}
}

// tooLong says it in the words that MLflow's clients know.
func tooLong(field string, limit int) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ParameterTooLong", What: "'" + field + "' exceeds the maximum length of " + strconv.Itoa(limit) + " characters",
		Why: "MLflow has this limit", Fix: "shorten it, or log it as a file", Field: field,
	}
}

// shortened is a value as a message shows it.
func shortened(v string) string {
	const most = 200
	if len(v) > most {
		return strings.ToValidUTF8(v[:most], "") + "…"
	}
	return v
}
