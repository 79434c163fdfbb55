package azbatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// apiVersion is of the Batch service's REST interface, which azure-batch 15.1.0 speaks.
const apiVersion = "2025-06-01"

// contentType is of every body that is sent; it is signed.
const contentType = "application/json; odata=minimalmetadata"

// task is what Batch says of one.
type task struct {
	ID    string `json:"id"`
	State string `json:"state"` // active, preparing, running, completed
	Exec  struct {
		Start   time.Time `json:"startTime"`
		End     time.Time `json:"endTime"`
		Exit    *int      `json:"exitCode"`
		Result  string    `json:"result"`
		Failure *failure  `json:"failureInfo"`
	} `json:"executionInfo"`
	Node struct {
		ID string `json:"nodeId"`
	} `json:"nodeInfo"`
}

// failure is why a task, a job or a pool failed.
type failure struct {
	Category string `json:"category"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

const stateCompleted = "completed"

func jobPath(job string) string        { return "/jobs/" + job }
func taskPath(job, task string) string { return jobPath(job) + "/tasks/" + task }

// ask sends a request and reads its answer into out; nil: it is not read.
func (c *Conn) ask(ctx context.Context, method, path string, body, out any) error {
	a, err := c.answer(ctx, restx.Call{Method: method, Path: path, JSON: body})
	if err != nil {
		return err
	}
	return a.Decode(out)
}

// answer sends a request; an answer that is no success is a fault.
func (c *Conn) answer(ctx context.Context, q restx.Call) (*restx.Answer, error) {
	if q.Query == nil {
		q.Query = url.Values{}
	}
	q.Query.Set("api-version", apiVersion)
	if q.Header == nil {
		q.Header = http.Header{}
	}
	q.Header.Set("Accept", "application/json")
	if q.JSON != nil {
		q.Header.Set("Content-Type", contentType)
	}
	a, err := c.rest.Do(ctx, q)
	if err != nil {
		return nil, err
	}
	if !a.OK() {
		return nil, c.refusal(a)
	}
	return a, nil
}

// pages calls visit for each page of a list.
func (c *Conn) pages(ctx context.Context, path string, q url.Values, visit func(json.RawMessage) error) error {
	call := restx.Call{Method: http.MethodGet, Path: path, Query: q}
	for {
		a, err := c.answer(ctx, call)
		if err != nil {
			return err
		}
		var page struct {
			Value json.RawMessage `json:"value"`
			Next  string          `json:"odata.nextLink"`
		}
		if err := a.Decode(&page); err != nil {
			return err
		}
		if err := visit(page.Value); err != nil || page.Next == "" {
			return err
		}
		next, err := url.Parse(page.Next)
		if err != nil || next.Path != path { // only its query counts: credentials go nowhere else
			return c.notBatch(a.Status)
		}
		call.Query = next.Query()
	}
}

// code is what Batch calls a refusal.
type code string

func (c code) Error() string { return string(c) }

// is reports whether err is the refusal that Batch calls so.
func is(err error, name string) bool {
	c, ok := errors.AsType[code](err)
	return ok && string(c) == name
}

// refusal reads an answer that is no success as a fault. Codes: Batch Status and Error Codes.
func (c *Conn) refusal(a *restx.Answer) error {
	var e struct {
		Code    string `json:"code"`
		Message struct {
			Value string `json:"value"`
		} `json:"message"`
		Values []struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		} `json:"values"`
	}
	isBatch := json.Unmarshal(a.Said(), &e) == nil && e.Code != ""
	said, _, _ := strings.Cut(e.Message.Value, "\n") // the next line is the request's ID
	words := []string{strings.TrimSpace(fmt.Sprintf("%d %s: %s", a.Status, e.Code, said))}
	for _, v := range e.Values {
		words = append(words, v.Key+": "+v.Value)
	}
	const login = "run: zaffre compute update NAME --account-key-file FILE, or: zaffre compute update NAME --bearer-token-file FILE"
	switch {
	case a.Status == http.StatusUnauthorized:
		return batchFault(fault.Unauthorized, "LoginRefused", "the token is wrong, or has expired", "give another; "+login, words)
	case e.Code == "AuthenticationFailed":
		return batchFault(fault.Unauthorized, "LoginRefused", fmt.Sprintf("the key is none of account %q, or the server's clock is wrong", c.account), "give another; "+login, words)
	case e.Code == "AccountIsDisabled":
		return batchFault(fault.Denied, "AccountDisabled", "the account is disabled", "ask who pays for the subscription", words)
	case a.Status == http.StatusForbidden:
		return batchFault(fault.Denied, "PermissionMissing", "the login may not do this: "+said, "have it given the role Azure Batch Data Contributor, or give another; "+login, words)
	case a.Status >= http.StatusInternalServerError:
		return batchFault(fault.Unavailable, "ServiceFailed", fmt.Sprintf("it failed (%d)", a.Status), "nothing: it is tried again; if it stays so, look at the account's page", words)
	case !isBatch:
		return c.notBatch(a.Status)
	case a.Status == http.StatusNotFound:
		f := batchFault(fault.NotFound, "NotInAccount", "it is not there: "+said, "see what the account has; run: zaffre compute check NAME", words)
		f.Err = code(e.Code)
		return f
	case strings.HasSuffix(e.Code, "QuotaReached"):
		return batchFault(fault.Exhausted, "QuotaReached", "a limit of the account is reached: "+said, "wait until jobs have ended, or have the limit raised", words)
	case e.Code == "JobBeingDeleted", e.Code == "JobBeingTerminated":
		return batchFault(fault.Unavailable, "JobEnding", "the job of the target is being ended: "+said, "nothing: it is tried again; if it stays so, run: az batch job show --job-id JOB", words)
	case a.Status == http.StatusConflict:
		f := batchFault(fault.Conflict, "StateConflict", "it is not in a state for that: "+said, "see its state; run: az batch job list", words)
		f.Err = code(e.Code)
		return f
	}
	return batchFault(fault.Invalid, "RequestRefused", "it refuses the request: "+said, "correct what it names; run: zaffre compute kinds batch", words)
}

func batchFault(code fault.Code, reason, why, fix string, words []string) *fault.Error {
	return &fault.Error{Code: code, Reason: reason, What: "the Azure Batch account refused", Why: why, Fix: fix, Evidence: words}
}

func (c *Conn) notBatch(status int) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "NotBatch", What: "the Azure Batch account cannot be used",
		Why: fmt.Sprintf("what answers at %s (%d) is no Batch service", c.rest.Base.Host, status), Fix: "correct the URL; run: zaffre compute update NAME --batch URL",
	}
}
