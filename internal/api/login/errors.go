package login

import (
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func infoOf(r *http.Request) *httpx.Info { return httpx.InfoOf(r.Context()) }

// oauthError answers with a fault as OAuth 2 spells it. Clients print error_description.
func oauthError(w http.ResponseWriter, r *http.Request, code string, err error) {
	httpx.Failed(r.Context(), err)
	f := fault.From(err)
	status := http.StatusBadRequest
	switch f.Code {
	case fault.Unauthorized:
		status = http.StatusUnauthorized
	case fault.NotFound:
		status = http.StatusNotFound
	case fault.Unavailable:
		status, code = http.StatusServiceUnavailable, "temporarily_unavailable"
	case fault.Internal:
		status, code = http.StatusInternalServerError, "server_error"
	}
	writeJSON(w, status, map[string]any{
		"error": code, "error_description": f.What + ": " + f.Why + ". " + f.Fix, "suberror": f.Reason,
		"correlation_id": infoOf(r).ID, "error_codes": []int{},
	})
}

// WriteFault answers with a fault that belongs to no grant.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	oauthError(w, r, "invalid_request", err)
}
