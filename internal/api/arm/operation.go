package arm

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Verbs of operations.
const (
	verbAttach  = "attach"
	verbUpdate  = "update"
	verbDetach  = "detach"
	verbRefused = "refused"
)

// An operation has no record of its own: its ID says what to look for in the target's, so that it
// survives whatever the target survives.
//
//	<target ID>.<revision>.<verb>
//	<target ID>.<revision>.refused.<fault>    the target is another's, and stays as it is
func operationOf(t compute.Target, verb string, cause error) string {
	id := t.ID + "." + strconv.FormatInt(t.Revision, 10) + "."
	if cause == nil || t.Spec.Refused {
		return id + verb
	}
	f := fault.From(cause)
	raw, _ := json.Marshal(refusal{f.Code, f.Reason, f.Why, f.Fix, f.Field}) // texts always encode
	return id + verbRefused + "." + base64.RawURLEncoding.EncodeToString(raw)
}

// refusal is a fault in an operation's ID. It is told to none but who holds the URL.
type refusal struct {
	Code   fault.Code `json:"c"`
	Reason string     `json:"r"`
	Why    string     `json:"w"`
	Fix    string     `json:"f"`
	Field  string     `json:"p,omitempty"`
}

// accept sends the client to an operation. Without Retry-After azure-ai-ml waits for 30 s.
func (a *api) accept(w http.ResponseWriter, r *http.Request, t compute.Target, operation string) {
	at := follow(r, a.computeID(t.Workspace, t.Name)+"/operations/"+operation, nil)
	w.Header().Set("Azure-AsyncOperation", at)
	w.Header().Set("Retry-After", "1")
}

// status is ARM's answer about an operation.
type status struct {
	ID     string     `json:"id"`
	Name   string     `json:"name"`
	Status string     `json:"status"`
	Error  *errorBody `json:"error,omitempty"`
}

func (a *api) operation(r *http.Request) (any, error) {
	k, name := keyOf(r), r.PathValue("operation")
	id, revision, verb, ok := parseOperation(name)
	if !ok {
		return nil, &fault.Error{
			Code: fault.NotFound, Reason: "OperationNotFound", What: "there is no such operation",
			Why: "no URL of this server has such an ID", Fix: "use the URL of the header Azure-AsyncOperation as it came",
		}
	}
	out := status{ID: r.URL.EscapedPath(), Name: name, Status: "InProgress"}
	if after, refused := strings.CutPrefix(verb, verbRefused+"."); refused {
		return out.failed(refusedFault(k.Name, after)), nil
	}
	t, err := a.Computes.Get(r.Context(), k)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, err
	}
	gone := err != nil || t.ID != id
	switch {
	case verb == verbDetach && gone:
		out.Status = "Succeeded"
	case verb == verbDetach:
		if t.Status.State != compute.Deleting {
			return out.failed(stays(t)), nil
		}
	case gone:
		return out.failed(detached(k.Name)), nil
	default:
		return out.of(t, revision), nil
	}
	return out, nil
}

// of says how far an attach or update of a revision is. A later revision speaks for it.
func (s status) of(t compute.Target, revision int64) status {
	if t.Status.Revision < revision {
		return s
	}
	switch t.Status.State {
	case compute.Succeeded:
		s.Status = "Succeeded"
	case compute.Failed:
		return s.failed(t.Status.Error)
	case compute.Deleting:
		return s.failed(detached(t.Name))
	}
	return s
}

func (s status) failed(f *fault.Error) status {
	if f == nil {
		f = fault.From(detached(""))
	}
	e := toOutcome(f)
	s.Status, s.Error = "Failed", &e
	return s
}

func parseOperation(s string) (id string, revision int64, verb string, ok bool) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) < 3 {
		return "", 0, "", false
	}
	revision, err := strconv.ParseInt(parts[1], 10, 64)
	switch {
	case err != nil:
		return "", 0, "", false
	case parts[2] == verbAttach, parts[2] == verbUpdate, parts[2] == verbDetach, strings.HasPrefix(parts[2], verbRefused+"."):
		return parts[0], revision, parts[2], true
	}
	return "", 0, "", false
}

func refusedFault(name, encoded string) *fault.Error {
	var v refusal
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(raw, &v) != nil {
		v = refusal{Code: fault.Invalid}
	}
	f := &fault.Error{
		Code: fault.Invalid, Reason: "AttachRefused", What: fmt.Sprintf("cannot attach compute target %q", name),
		Why: "the request was refused", Fix: "attach it again to see why",
	}
	if v.Reason != "" {
		f.Code, f.Reason, f.Why, f.Fix, f.Field = v.Code, v.Reason, v.Why, v.Fix, v.Field
	}
	return f
}

func detached(name string) *fault.Error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "ComputeDetached", What: fmt.Sprintf("the operation on compute target %q did not finish", name),
		Why: "somebody detached the target meanwhile", Fix: "attach it again; run: zaffre compute list",
	}
}

func stays(t compute.Target) *fault.Error {
	verb := "detach"
	if t.Spec.Made {
		verb = "delete"
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "DetachRefused", What: fmt.Sprintf("cannot %s compute target %q", verb, t.Name),
		Why: "it could not be cleaned, or was attached again", Fix: "run: zaffre compute " + verb + " --force " + t.Name,
	}
}
