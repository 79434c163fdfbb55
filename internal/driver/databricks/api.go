package databricks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Paths of the Jobs API 2.2. Source: databricks-sdk-go v0.60.0, service/jobs/impl.go.
const (
	runsSubmit = "/api/2.2/jobs/runs/submit"
	runsGet    = "/api/2.2/jobs/runs/get"
	runsOutput = "/api/2.2/jobs/runs/get-output"
	runsCancel = "/api/2.2/jobs/runs/cancel"
	runsDelete = "/api/2.2/jobs/runs/delete"
	runsList   = "/api/2.2/jobs/runs/list"
	clusterGet = "/api/2.1/clusters/get"
	// me is what the official clients ask for the workspace's ID: it stands in the header orgHeader.
	me        = "/api/2.0/preview/scim/v2/Me"
	orgHeader = "X-Databricks-Org-Id"
)

func (c *conn) post(ctx context.Context, path string, in, out any) error {
	return c.ask(ctx, restx.Call{Method: http.MethodPost, Path: path, JSON: in}, out)
}

func (c *conn) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.ask(ctx, restx.Call{Method: http.MethodGet, Path: path, Query: query}, out)
}

// ask sends a request and reads its answer into out.
func (c *conn) ask(ctx context.Context, q restx.Call, out any) error {
	a, err := c.answer(ctx, q)
	if err != nil {
		return err
	}
	return a.Decode(out)
}

// answer sends a request; an answer that is no success is a fault.
func (c *conn) answer(ctx context.Context, q restx.Call) (*restx.Answer, error) {
	if c.rest == nil {
		return nil, addressUnknown()
	}
	a, err := c.rest.Do(ctx, q)
	if err != nil {
		return nil, err
	}
	if !a.OK() {
		return nil, c.said(a)
	}
	return a, nil
}

func addressUnknown() error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "AddressUnknown", What: "the Databricks workspace cannot be found",
		Why: "no URL was given, and nothing says which one stands behind its resource ID",
		Fix: "give it; run: zaffre compute update NAME --url URL; or add it to the inventory; run: zaffre inventory add RESOURCE-ID databricks=URL", Field: "options." + optURL,
	}
}

// said reads an answer that is no success as a fault. Codes are those of databricks-sdk-go v0.60.0, apierr.
func (c *conn) said(a *restx.Answer) error {
	body := a.Said()
	var e struct {
		ErrorCode any    `json:"error_code"`
		Message   string `json:"message"`
		Detail    string `json:"detail"` // SCIM's
	}
	if json.Unmarshal(body, &e) != nil || e.ErrorCode == nil && e.Message == "" && e.Detail == "" {
		if a.Status != http.StatusUnauthorized && a.Status < 500 && a.Status != http.StatusNotFound { // some answers have no body
			return c.notDatabricks(a.Status)
		}
	}
	code := fmt.Sprint(e.ErrorCode)
	words := []string{strings.TrimSpace(code + ": " + e.Message + e.Detail)}
	switch {
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden && strings.Contains(strings.ToLower(e.Message), "access token"):
		return refusal(fault.Unauthorized, "TokenRefused", "the access token is wrong, was revoked or has expired",
			"make one in the workspace, under Settings, Developer, Access tokens; run: zaffre compute update NAME --access-token-file FILE", words)
	case a.Status == http.StatusForbidden || code == "PERMISSION_DENIED":
		return refusal(fault.Denied, "PermissionMissing", "the user of the access token may not do this: "+e.Message,
			"have an administrator of the workspace allow it, or give another user's token; run: zaffre compute update NAME --access-token-file FILE", words)
	case a.Status == http.StatusNotFound, code == "RESOURCE_DOES_NOT_EXIST", strings.Contains(e.Message, "does not exist"):
		return refusal(fault.NotFound, "NotInWorkspace", "it is not there: "+e.Message, "see what the workspace has; run: zaffre compute check NAME", words)
	case code == "QUOTA_EXCEEDED", code == "RESOURCE_EXHAUSTED", code == "REQUEST_LIMIT_EXCEEDED":
		return refusal(fault.Exhausted, "QuotaExceeded", "a limit of the workspace is reached: "+e.Message, "wait until runs have ended, or have the limit raised", words)
	case a.Status >= http.StatusInternalServerError, code == "PARTIAL_DELETE":
		return refusal(fault.Unavailable, "ServiceFailed", "the workspace failed ("+strconv.Itoa(a.Status)+")", "nothing: it is tried again; if it stays so, ask whoever runs the workspace", words)
	}
	return refusal(fault.Invalid, "RequestRefused", "the workspace refuses the request: "+e.Message, "correct what it names; run: zaffre compute kinds databricks", words)
}

func refusal(code fault.Code, reason, why, fix string, words []string) error {
	return &fault.Error{Code: code, Reason: reason, What: "the Databricks workspace refused", Why: why, Fix: fix, Evidence: words}
}

func (c *conn) notDatabricks(status int) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "NotDatabricks", What: "the Databricks workspace cannot be used",
		Why: fmt.Sprintf("what answers at %s (%d) is no Databricks workspace", c.rest.Base.Host, status),
		Fix: "give the URL of its start page; run: zaffre compute update NAME --url URL",
	}
}

func missing(err error) bool { return fault.CodeOf(err) == fault.NotFound }
