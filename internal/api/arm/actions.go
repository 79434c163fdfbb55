package arm

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

// listKeys gives the user name, and says why it gives no secret.
func (a *api) listKeys(r *http.Request) (any, error) {
	k := keyOf(r)
	if err := identity.Require(r.Context(), k.Workspace, identity.Contributor); err != nil {
		return nil, err
	}
	t, err := a.target(r.Context(), k)
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"computeType": wireType(t, a.kind(t), foreignOf(t)),
		"reason":      "Secrets that a target was attached with do not leave the server again.",
	}
	for path, v := range t.Options() {
		if last := path[strings.LastIndexByte(path, '.')+1:]; strings.EqualFold(last, "username") || strings.EqualFold(last, "user") {
			out["administratorAccount"] = map[string]any{"username": v, "password": nil, "publicKeyData": nil, "privateKeyData": nil}
		}
	}
	return out, nil
}

func (a *api) listNodes(r *http.Request) (any, error) {
	t, err := a.target(r.Context(), keyOf(r))
	if err != nil {
		return nil, err
	}
	nodes := []any{}
	for _, m := range t.Status.Seen.Machines {
		nodes = append(nodes, map[string]any{
			"nodeId": m.Name, "privateIpAddress": nil, "publicIpAddress": nil, "port": nil, "nodeState": "idle", "runId": nil,
		})
	}
	return map[string]any{"nodes": nodes}, nil
}

// power answers start, stop and restart: no kind of this build has machines of its own to switch.
func (a *api) power(r *http.Request) (any, error) {
	t, err := a.target(r.Context(), keyOf(r))
	if err != nil {
		return nil, err
	}
	return nil, &fault.Error{
		Code: fault.Unsupported, Reason: "PowerUnsupported", What: fmt.Sprintf("cannot switch compute target %q", t.Name),
		Why: "its machine is not zaffre's to start and stop", Fix: "start and stop it where it is managed; then run: zaffre compute check " + t.Name,
	}
}

// nameAvailable answers before a compute instance is made.
func (a *api) nameAvailable(r *http.Request) (any, error) {
	body, err := a.body(nopWriter{}, r)
	if err != nil {
		return nil, err
	}
	name := text(body, "Name")
	if name == "" {
		name = text(body, "name")
	}
	no := func(reason, message string) (any, error) {
		return map[string]any{"nameAvailable": false, "reason": reason, "message": message}, nil
	}
	if err := id.CheckSlug("name", name); err != nil {
		return no("Invalid", fault.From(err).Why)
	}
	k := keyOf(r)
	k.Name = name
	switch _, err := a.Computes.Get(r.Context(), k); {
	case err == nil:
		return no("AlreadyExists", fmt.Sprintf("the workspace has a compute target %q", name))
	case fault.CodeOf(err) != fault.NotFound:
		return nil, err
	}
	return map[string]any{"nameAvailable": true, "reason": nil, "message": nil}, nil
}

// nopWriter is for bodies that are read where no answer is written yet.
type nopWriter struct{}

func (nopWriter) Header() http.Header         { return http.Header{} }
func (nopWriter) Write(p []byte) (int, error) { return len(p), nil }
func (nopWriter) WriteHeader(int)             {}
