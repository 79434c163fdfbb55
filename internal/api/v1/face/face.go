// Package face is what the parts of the v1 data plane share: how a call is taken apart and answered.
//
// The parts are packages of their own beside it, one per service of Azure Machine Learning that the SDK v1
// (azureml-core 1.61) calls. Each has a function Calls that returns what it answers.
package face

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// WS stands in a Call's Path for the resource ID of a workspace.
const WS = "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.MachineLearningServices/workspaces/{ws}"

// Call is one request that the data plane answers.
type Call struct {
	Method string
	Path   string // a pattern of http.ServeMux; names other than sub, rg and ws are the part's own
	What   string // what it does, for the reference: "Starts a run from a snapshot"
	Do     func(r *Request) (any, error)
	// Refuse is why the call is known and not served: its Do is nil, and the answer is fault.Unsupported with
	// this as Why.
	Refuse string
}

// Request is a call being answered. Its context holds the caller, and its workspace is one that he sees.
type Request struct {
	*http.Request
	W         http.ResponseWriter
	Workspace string
	BodyLimit int64 // bytes that Body and Raw take
}

// Key returns the key of a record in the request's workspace.
func (r *Request) Key(name string) store.Key { return store.Key{Workspace: r.Workspace, Name: name} }

// Address returns a path on this server as the caller reached it. It is never stored.
func (r *Request) Address(path string) string { return "https://" + r.Host + path }

// Resource returns the workspace's resource ID as the caller wrote it.
func (r *Request) Resource() string {
	return "/subscriptions/" + r.PathValue("sub") + "/resourceGroups/" + r.PathValue("rg") +
		"/providers/Microsoft.MachineLearningServices/workspaces/" + r.PathValue("ws")
}

// Answered tells the mux that a Do has written its answer itself.
type Answered struct{}

// Status is an answer with another status than 200.
type Status struct {
	Code int
	Body any // nil: none
}

// Raw reads the body, up to the limit.
func (r *Request) Raw() ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(r.W, r.Body, r.BodyLimit))
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "BodyTooLarge", What: "the server does not take this request",
			Why: fmt.Sprintf("its body is larger than %d bytes", large.Limit), Fix: "send less at once",
		}
	}
	if err != nil {
		return nil, &fault.Error{
			Code: fault.Unavailable, Reason: "BodyCutOff", What: "the server could not read the request",
			Why: "its body ended too early", Fix: "send it again", Err: err,
		}
	}
	return raw, nil
}

// Body reads the body as JSON, whatever its content type says; an empty body is the zero value.
func Body[T any](r *Request) (v T, err error) {
	raw, err := r.Raw()
	if err != nil || len(raw) == 0 {
		return v, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, &fault.Error{
			Code: fault.Invalid, Reason: "BodyInvalid", What: "the server does not understand the request",
			Why: "its body is not what azureml-core sends: " + err.Error(), Fix: "send JSON as azureml-core 1.61 does",
		}
	}
	return v, nil
}

// Mux answers calls. enter checks what a path names and returns the workspace's name.
func Mux(calls []Call, enter func(r *http.Request) (string, error), limit int64, fail httpx.Fail) *http.ServeMux {
	mux := http.NewServeMux()
	for _, c := range calls {
		mux.HandleFunc(c.Method+" "+c.Path, func(w http.ResponseWriter, r *http.Request) {
			v, err := c.answer(w, r, enter, limit)
			if err != nil {
				fail(w, r, err)
				return
			}
			write(w, v)
		})
	}
	return mux
}

func (c Call) answer(w http.ResponseWriter, r *http.Request, enter func(r *http.Request) (string, error), limit int64) (any, error) {
	ws, err := enter(r)
	if err != nil {
		return nil, err
	}
	if c.Do == nil {
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "CallUnsupported", What: "this server does not do that: " + c.What,
			Why: c.Refuse, Fix: "see which calls of the SDK work; run: zaffre scan SCRIPT",
		}
	}
	return c.Do(&Request{Request: r, W: w, Workspace: ws, BodyLimit: limit})
}

func write(w http.ResponseWriter, v any) {
	code := http.StatusOK
	switch s := v.(type) {
	case Answered:
		return
	case Status:
		code, v = s.Code, s.Body
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	if v != nil {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(v) // the caller may have gone
	}
}
