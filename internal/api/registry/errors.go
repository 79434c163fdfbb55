package registry

import (
	"encoding/json"
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// WriteFault answers as registries do: {"errors":[{"code":…,"message":…}]}.
// Source: OCI Distribution Specification 1.1, Error Codes.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	httpx.Failed(r.Context(), err)
	f := fault.From(err)
	status, word := http.StatusInternalServerError, "UNKNOWN"
	switch f.Code {
	case fault.Unauthorized:
		status, word = http.StatusUnauthorized, "UNAUTHORIZED"
	case fault.Denied:
		status, word = http.StatusForbidden, "DENIED"
	case fault.NotFound:
		status, word = http.StatusNotFound, "NAME_UNKNOWN"
	case fault.Invalid, fault.Precondition, fault.Unsupported, fault.Exists:
		status, word = http.StatusBadRequest, "UNSUPPORTED"
	case fault.Conflict:
		status, word = http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID"
	case fault.Unavailable, fault.Exhausted:
		status, word = http.StatusServiceUnavailable, "TOOMANYREQUESTS"
	}
	if code, known := codes[f.Reason]; known {
		word = code
	}
	httpx.RetryAfter(w.Header(), f)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"code": word, "message": httpx.Tell(f, ": ")}}}) // the caller may have gone
}
