package arm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func keyOf(r *http.Request) store.Key {
	return store.Key{Workspace: r.PathValue("ws"), Name: r.PathValue("name")}
}

// target returns the target that a path names. The implicit one is none to this face, nor is one of a
// kind that has no name on this wire.
func (a *api) target(ctx context.Context, k store.Key) (compute.Target, error) {
	t, err := a.Computes.Get(ctx, k)
	if err == nil && !a.shows(t) {
		err = &fault.Error{
			Code: fault.NotFound, Reason: "ComputeNotFound", What: fmt.Sprintf("there is no compute target %q", k.Name),
			Why: "it is of kind " + t.Kind + ", which these clients do not know", Fix: "run: zaffre compute list", Field: "compute",
		}
	}
	return t, err
}

func (a *api) getCompute(r *http.Request) (any, error) {
	t, err := a.target(r.Context(), keyOf(r))
	if err != nil {
		return nil, err
	}
	return a.show(t, a.computeID(t.Workspace, t.Name)), nil
}

func (a *api) listComputes(r *http.Request) (any, error) {
	ws := r.PathValue("ws")
	root := a.computeID(ws, "")
	return listed(r, func(p store.Page) ([]compute.Target, string, error) {
		return a.Computes.List(r.Context(), compute.Filter{Workspace: ws}, p)
	}, func(t compute.Target) any {
		if shown := a.show(t, root+url.PathEscape(t.Name)); shown != nil {
			return shown
		}
		return nil // not a nil pointer
	})
}

// putCompute attaches. What cannot be accepted is accepted all the same, and fails as an operation:
// azureml-core prints a refused PUT as raw bytes, and the cause of a failed operation as text.
func (a *api) putCompute(w http.ResponseWriter, r *http.Request) error {
	body, err := a.body(w, r)
	if err != nil {
		return err
	}
	k := keyOf(r)
	if err := identity.Require(r.Context(), k.Workspace, identity.Contributor); err != nil {
		return fault.Doing(fmt.Sprintf("cannot attach compute target %q", k.Name), err)
	}
	q, cause := a.decode(k, body)
	var t compute.Target
	created := false
	if cause == nil {
		t, created, cause = a.Computes.Attach(r.Context(), q)
	}
	if cause != nil {
		if q.Foreign == nil || !refusable(cause) {
			return cause
		}
		t, created, err = a.refuse(r.Context(), q, cause)
		if err != nil {
			return err
		}
	}
	a.accept(w, r, t, operationOf(t, verbAttach, cause))
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	writeJSON(w, status, a.show(t, a.computeID(t.Workspace, t.Name)))
	return nil
}

// refusable reports whether the cause is the request's, so that asking again changes nothing.
func refusable(cause error) bool {
	switch fault.CodeOf(cause) {
	case fault.Denied, fault.Unauthorized, fault.Internal, fault.Unavailable, fault.Exhausted, fault.Conflict:
		return false
	}
	return fault.ReasonOf(cause) != "NameInvalid"
}

// refuse records the refusal. A target that has the name already stays as it is.
func (a *api) refuse(ctx context.Context, q compute.AttachRequest, cause error) (compute.Target, bool, error) {
	t, err := a.Computes.Refuse(ctx, q, cause)
	if fault.ReasonOf(err) == "ComputeExists" {
		return t, false, nil
	}
	return t, err == nil, err
}

// decode makes a request to attach of a body. Beside a fault it returns what can be recorded of it.
func (a *api) decode(k store.Key, body map[string]any) (compute.AttachRequest, error) {
	q, outer, inner := read(body)
	out := compute.AttachRequest{Workspace: k.Workspace, Name: k.Name}
	kind, err := a.kindOf(q)
	if err != nil {
		known, ok := typeOf(q.typ)
		if !ok {
			return out, err
		}
		out.Foreign = q.keep(known.name, outer, inner)
		return out, err
	}
	q.take(kind, outer, inner)
	out.Made = q.makes(kind)
	out.Kind, out.Options, out.Foreign = kind.Name, q.options, q.keep(typeName(kind, q.typ), outer, inner)
	return out, nil
}

// makes reports whether the body asks for something new: it names nothing that is there, or what we make things in.
func (q request) makes(kind driver.Kind) bool {
	p := kind.Provision
	if p == nil || !slices.ContainsFunc(p.ComputeTypes, func(s string) bool { return strings.EqualFold(s, q.typ) }) {
		return false
	}
	return !q.namesOther || q.unattached || inventory.Same(q.resource, p.Resource)
}

// kindOf returns the kind that has the type; of several, the one that attaches, or makes, as the body
// asks.
func (a *api) kindOf(q request) (driver.Kind, error) {
	var found []driver.Kind
	for _, k := range a.Computes.Kinds {
		if typeName(k, q.typ) != "" {
			found = append(found, k)
		}
	}
	for _, k := range found {
		if k.Attached == q.namesOther {
			return k, nil
		}
	}
	if len(found) > 0 {
		return found[0], nil
	}
	if t, ok := typeOf(q.typ); ok {
		return driver.Kind{}, &fault.Error{
			Code: fault.Unsupported, Reason: "ComputeTypeUnsupported", What: "the compute target cannot be attached",
			Why: "compute targets of type " + t.name + " are not supported by this server yet",
			Fix: "use one of the kinds that it has; run: zaffre compute kinds", Field: "properties.computeType",
		}
	}
	return driver.Kind{}, &fault.Error{
		Code: fault.Invalid, Reason: "ComputeTypeUnknown", What: "the compute target cannot be attached",
		Why: fmt.Sprintf("there is no computeType %q", shorten(q.typ)), Fix: "run: zaffre compute kinds", Field: "properties.computeType",
	}
}

func shorten(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// typeName returns the type as the kind spells it, "" if it has it not.
func typeName(k driver.Kind, typ string) string {
	i := slices.IndexFunc(k.ComputeTypes, func(s string) bool { return strings.EqualFold(s, typ) })
	if i < 0 {
		return ""
	}
	return k.ComputeTypes[i]
}

// patchCompute changes options; what the body does not name stays.
func (a *api) patchCompute(w http.ResponseWriter, r *http.Request) error {
	body, err := a.body(w, r)
	if err != nil {
		return err
	}
	old, err := a.target(r.Context(), keyOf(r))
	if err != nil {
		return err
	}
	q, outer, inner := read(body)
	options := map[string]any(nil)
	if kind, err := a.Computes.Kind(old.Kind); err == nil {
		q.take(kind, outer, inner)
		options = q.options
	}
	now := foreignOf(old)
	q.keep(now.Type, outer, inner)
	merge(&now, q.foreign)
	raw, err := json.Marshal(now)
	if err != nil {
		return err
	}
	t, err := a.Computes.UpdateForeign(r.Context(), keyOf(r), options, raw)
	if err != nil {
		return err
	}
	a.accept(w, r, t, operationOf(t, verbUpdate, nil))
	writeJSON(w, http.StatusOK, a.show(t, a.computeID(t.Workspace, t.Name)))
	return nil
}

// deleteCompute detaches, or deletes what zaffre made, and says at once if that is refused: azureml-core's
// detach() never looks at the operation.
func (a *api) deleteCompute(w http.ResponseWriter, r *http.Request) error {
	k := keyOf(r)
	t, err := a.target(r.Context(), k)
	if fault.CodeOf(err) == fault.NotFound {
		a.accept(w, r, compute.Target{Workspace: k.Workspace, Name: k.Name, ID: "gone"}, "gone.0."+verbDetach) // azureml-core insists
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	action := r.URL.Query().Get("underlyingResourceAction")
	if strings.EqualFold(action, "Delete") && (t.Spec.Made || isAttached(a.kind(t), "")) {
		_, err = a.Computes.Delete(r.Context(), k, compute.DetachOptions{})
	} else {
		_, err = a.Computes.Detach(r.Context(), k, compute.DetachOptions{Leave: true})
	}
	if err != nil {
		return err
	}
	a.accept(w, r, t, operationOf(t, verbDetach, nil))
	w.WriteHeader(http.StatusAccepted)
	return nil
}
