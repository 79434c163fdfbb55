// Package v1 is the data plane of Azure Machine Learning as the SDK v1 (azureml-core) knows it: run history,
// metrics, artifacts, snapshots, execution, environments, secrets, models. ARM and blobs are faces of their
// own.
//
// Each service is a package below this one, and Calls is the list of all that they answer.
package v1

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// Deps is what the face stands on.
type Deps struct {
	Authenticate func(ctx context.Context, bearer string) (identity.Caller, error)
	Workspaces   *workspace.Service
	Subscription string // of all workspaces
	Group        string // and their resource group
	BodyLimit    int64  // bytes of a JSON body
	Parts        [][]face.Call
}

// services are the first segments of the paths that this face owns.
var services = []string{
	"history", "content", "execution", "artifact", "metric", "environment", "credential", "modelmanagement", "datastore",
	"dataset", "data", "datacache", "pipelines",
}

// Owns reports whether a path belongs to this face.
func Owns(path string) bool {
	first, rest, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	return slices.Contains(services, strings.ToLower(first)) && strings.HasPrefix(strings.TrimLeft(rest, "/"), "v")
}

// New returns the handler of everything that Owns reports.
func New(d Deps) http.Handler {
	mux := face.Mux(slices.Concat(d.Parts...), d.enter, d.BodyLimit, WriteFault)
	closed := httpx.Chain(httpx.Route(mux, http.HandlerFunc(notFound)), httpx.Authenticate(d.Authenticate, WriteFault))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r2 := *r
		r2.URL = canonical(r.URL)
		w.Header().Set("X-Ms-Request-Id", httpx.InfoOf(r.Context()).ID)
		w.Header().Set("Cache-Control", "no-cache")
		closed.ServeHTTP(w, &r2)
	})
}

// enter checks what a path names, from the outside in.
func (d Deps) enter(r *http.Request) (string, error) {
	ws := r.PathValue("ws")
	if !strings.EqualFold(r.PathValue("sub"), d.Subscription) || !strings.EqualFold(r.PathValue("rg"), d.Group) {
		return "", &fault.Error{
			Code: fault.NotFound, Reason: "WorkspaceNotFound", What: "there is no workspace " + ws + " at this path",
			Why: "its subscription or resource group is not this server's", Fix: "write config.json anew; run: zaffre workspace config > config.json",
		}
	}
	return ws, d.Workspaces.Enter(r.Context(), ws)
}

// prefixWords are the words of a workspace's resource ID, as routes spell them; clients mix their case.
var prefixWords = []string{"subscriptions", "resourceGroups", "providers", "Microsoft.MachineLearningServices", "workspaces"}

// canonical returns u with one slash between segments, and the words of the workspace's ID in their case.
// What comes after the workspace's name stays as it is but for doubled slashes.
func canonical(u *url.URL) *url.URL {
	parts := strings.FieldsFunc(u.EscapedPath(), func(r rune) bool { return r == '/' })
	for i, p := range parts[:min(len(parts), 10)] {
		if i == 0 || i == 1 {
			parts[i] = strings.ToLower(p)
			continue
		}
		for _, w := range prefixWords {
			if strings.EqualFold(w, p) {
				parts[i] = w
			}
		}
	}
	path := "/" + strings.Join(parts, "/")
	if strings.HasSuffix(u.Path, "/environments/") { // the list of environments has a slash at its end
		path += "/"
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return u
	}
	out := *u
	out.Path, out.RawPath = plain, path
	return &out
}
