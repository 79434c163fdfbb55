// Package mlflow is the face of MLflow: the REST API of its tracking server and model registry, so that
// MLflow's own clients, 2.x and 3.x, and azureml-mlflow log to zaffre.
//
// It is reached at the server's root, at /workspaces/NAME, and at the path by which azureml-mlflow knows
// a workspace. Table says what of the API works, and why the rest is refused.
package mlflow

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// Deps is what the face stands on.
type Deps struct {
	Authenticate func(ctx context.Context, bearer string) (identity.Caller, error)
	Workspaces   *workspace.Service
	Runs         *run.Service
	Metrics      metric.Store
	Models       *model.Service
	Subscription string // of all workspaces, in the paths of azureml-mlflow
	Group        string // and their resource group
	Key          []byte // signs the addresses of files; secret
	BodyLimit    int64  // bytes of a JSON body
	FileLimit    int64  // bytes of a file
}

// Version is the one of MLflow whose API this is: clients ask for it to know what a server can do.
const Version = "3.17.2"

type api struct {
	Deps
	experiments sync.Map // experimentKey -> name or ID: neither ever changes
}

// workspacePath is how azureml-mlflow names a workspace.
var workspacePath = regexp.MustCompile(`(?i)^/mlflow/v[12]\.0/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.MachineLearningServices/workspaces/([^/]+)(/.*)$`)

// place is where a request goes: which workspace, and the path below it.
type place struct {
	prefix       string // as it was sent, to build addresses
	subscription string // "" unless the prefix names one
	group        string
	workspace    string // "" unless the prefix names one
	path         string
}

func placeOf(escaped string) (p place, ok bool) {
	p.path = escaped
	if m := workspacePath.FindStringSubmatch(escaped); m != nil {
		p.subscription, p.group, p.workspace, p.path = m[1], m[2], m[3], m[4]
	} else if rest, found := strings.CutPrefix(escaped, "/workspaces/"); found {
		name, below, _ := strings.Cut(rest, "/")
		p.workspace, p.path = name, "/"+below
	}
	p.prefix = strings.TrimSuffix(escaped, p.path)
	if name, err := url.PathUnescape(p.workspace); err == nil {
		p.workspace = name
	}
	if rest, ok := strings.CutPrefix(p.path, "/ajax-api/"); ok { // as MLflow's own pages call it
		p.path = "/api/" + rest
	}
	p.path = strings.Replace(p.path, "/api/2.0/preview/mlflow/", "/api/2.0/mlflow/", 1)
	return p, owned(p.path)
}

func owned(path string) bool {
	switch path {
	case "/version", "/health":
		return true
	}
	for _, root := range []string{"/api/2.0/mlflow/", "/api/3.0/mlflow/", "/api/2.0/mlflow-artifacts/"} {
		if strings.HasPrefix(path, root) {
			return true
		}
	}
	return false
}

// Owns reports whether a path belongs to this face.
func Owns(path string) bool {
	_, ok := placeOf(path)
	return ok || strings.HasPrefix(strings.ToLower(path), "/mlflow/v")
}

// New returns the handler of everything that Owns reports.
func New(d Deps) http.Handler {
	a := &api{Deps: d}
	mux := http.NewServeMux()
	for _, e := range Table() {
		mux.HandleFunc(e.Method+" "+e.Path, a.endpoint(e))
	}
	routes := httpx.Route(mux, http.HandlerFunc(notFound))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		p, ok := placeOf(r.URL.EscapedPath())
		if !ok {
			notFound(w, r)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), placeKey{}, p))
		if rest, ok := strings.CutPrefix(p.path, filesPath); ok {
			httpx.InfoOf(r.Context()).Route = r.Method + " " + filesPath + "{path...}"
			a.serveFiles(w, r, rest)
			return
		}
		u, err := url.Parse(p.path)
		if err != nil {
			notFound(w, r)
			return
		}
		u.RawQuery = r.URL.RawQuery
		r.URL = u
		routes.ServeHTTP(w, r)
	})
}

type placeKey struct{}

func placeIn(r *http.Request) place {
	p, _ := r.Context().Value(placeKey{}).(place)
	return p
}

// call is a request that was let in.
type call struct {
	*http.Request
	ws string // workspace
}

// endpoint is the handler of a row of the table.
func (a *api) endpoint(e Endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if e.open != nil {
			e.open(a, w, r)
			return
		}
		c, err := a.enter(w, r)
		switch {
		case err != nil:
		case e.Refused != "":
			err = refuse(e)
		case e.stream != nil:
			err = e.stream(a, w, c)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, a.BodyLimit)
			var v any
			if v, err = e.handle(a, c); err == nil {
				writeJSON(w, v)
				return
			}
		}
		if err != nil {
			WriteFault(w, r, err)
		}
	}
}

// enter finds out who calls, and for which workspace.
func (a *api) enter(w http.ResponseWriter, r *http.Request) (call, error) {
	caller, err := a.caller(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="zaffre"`)
		return call{}, err
	}
	httpx.InfoOf(r.Context()).Caller = caller.Name
	p := placeIn(r)
	if p.subscription != "" && (!strings.EqualFold(p.subscription, a.Subscription) || !strings.EqualFold(p.group, a.Group)) {
		return call{}, noWorkspace(p.workspace)
	}
	ctx, err := httpx.Origin(r, caller)
	if err != nil {
		return call{}, err
	}
	ctx = identity.With(ctx, caller)
	ws := workspaceOf(r, p, caller)
	if caller.RoleIn(ws) == "" {
		return call{}, identity.Require(ctx, ws, identity.Reader)
	}
	return call{r.WithContext(ctx), ws}, nil
}

// workspaceOf returns which workspace is meant: the one in the path, else in MLflow's header, else the
// only one that the token is good for, else "default".
func workspaceOf(r *http.Request, p place, c identity.Caller) string {
	if p.workspace != "" {
		return p.workspace
	}
	if name := strings.TrimSpace(r.Header.Get("X-Mlflow-Workspace")); name != "" {
		return name
	}
	if len(c.Roles) == 1 {
		for name := range c.Roles {
			if name != identity.AllWorkspaces {
				return name
			}
		}
	}
	return workspace.Default
}

// caller returns whose token the request has: as a bearer token, or as the password of basic
// authentication with any user name.
func (a *api) caller(r *http.Request) (identity.Caller, error) {
	if _, password, ok := r.BasicAuth(); ok && password != "" {
		return a.Authenticate(r.Context(), password)
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return identity.Caller{}, &fault.Error{
			Code: fault.Unauthorized, Reason: "TokenMissing", What: "the server does not know who calls",
			Why: "the request has no token", Fix: "set MLFLOW_TRACKING_TOKEN to one; run: zaffre token create NAME",
		}
	}
	return a.Authenticate(r.Context(), token)
}

func noWorkspace(name string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "WorkspaceNotFound", What: "there is no workspace " + name + " at this path",
		Why: "its subscription or resource group is not this server's", Fix: "take the address that this prints; run: zaffre workspace config",
	}
}

func notFound(w http.ResponseWriter, r *http.Request) {
	why := "MLflow " + Version + " has no such endpoint"
	if allow := w.Header().Get("Allow"); allow != "" {
		why = "this endpoint takes " + allow
	}
	WriteFault(w, r, &fault.Error{
		Code: fault.NotFound, Reason: "RouteNotFound", What: "there is nothing to " + r.Method + " at " + r.URL.Path,
		Why: why, Fix: "compare MLFLOW_TRACKING_URI with the server's address: it ends before /api",
	})
}
