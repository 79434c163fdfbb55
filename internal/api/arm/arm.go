// Package arm is the part of Azure Resource Manager that machine-learning clients use: subscriptions,
// groups, workspaces, compute targets, and the operations that they wait for.
//
// It knows no kind of compute target: a kind's Options and Document say what its bodies hold. The
// api-version is not looked at, and comes back in the URLs that a client follows.
package arm

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// Deps is what the face stands on.
type Deps struct {
	Authenticate func(ctx context.Context, bearer string) (identity.Caller, error)
	Workspaces   *workspace.Service
	Computes     *compute.Service
	Installation string // UUID of the installation
	Tenant       string // UUID
	BodyLimit    int64  // bytes of a JSON body
}

// Group is the resource group in which all workspaces are.
const Group = "zaffre"

// Location is where everything is.
const Location = "local"

// Provider is the namespace of our resources.
const Provider = "Microsoft.MachineLearningServices"

// Subscription returns the ID of the one subscription of an installation.
func Subscription(installation string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("zaffre/subscription/"+installation)).String()
}

type api struct {
	Deps
	subscription string
}

const (
	subPath = "/subscriptions/{sub}"
	rgPath  = subPath + "/resourceGroups/{rg}"
	mlPath  = "/providers/" + Provider
	wsPath  = rgPath + mlPath + "/workspaces/{ws}"
	onePath = wsPath + "/computes/{name}"
)

// New returns the handler of everything that Owns reports.
func New(d Deps) http.Handler {
	a := &api{Deps: d, subscription: Subscription(d.Installation)}
	open := http.NewServeMux()
	open.HandleFunc("GET /discovery/{ws}", a.discovery)
	mux := http.NewServeMux()
	a.routes(mux)
	closed := httpx.Chain(httpx.Route(mux, http.HandlerFunc(notFound)), httpx.Authenticate(d.Authenticate, WriteFault))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r2 := *r
		r2.URL = canonicalURL(r.URL)
		trace(w, r)
		if _, pattern := open.Handler(&r2); pattern != "" {
			httpx.Route(open, nil).ServeHTTP(w, &r2)
			return
		}
		closed.ServeHTTP(w, &r2)
	})
}

func (a *api) routes(mux *http.ServeMux) {
	get := func(path string, h func(r *http.Request) (any, error)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			v, err := h(r)
			answer(w, r, http.StatusOK, v, err)
		})
	}
	get("/tenants", a.tenants)
	get("/subscriptions", a.subscriptions)
	get(subPath, a.within(a.getSubscription))
	get(subPath+"/locations", a.within(a.locations))
	get(subPath+"/providers", a.within(a.providers))
	get(subPath+mlPath, a.within(a.provider))
	get(subPath+"/resources", a.within(a.resources))
	get(subPath+"/resourceGroups", a.within(a.groups))
	get(subPath+mlPath+"/workspaces", a.within(a.listWorkspaces))
	get(subPath+mlPath+"/locations/{location}/vmSizes", a.within(vmSizes))
	get(subPath+mlPath+"/locations/{location}/usages", a.within(usages))
	get(rgPath, a.within(a.group))
	get(rgPath+"/resources", a.within(a.resources))
	get(rgPath+mlPath+"/workspaces", a.within(a.listWorkspaces))
	get(wsPath, a.within(a.getWorkspace))
	get(wsPath+"/computes", a.within(a.listComputes))
	get(onePath, a.within(a.getCompute))
	mux.HandleFunc("GET "+onePath+"/operations/{operation}", func(w http.ResponseWriter, r *http.Request) {
		v, err := a.within(a.operation)(r)
		w.Header().Set("Retry-After", "1") // azure-core looks at that of the latest answer, and else waits for 30 s
		answer(w, r, http.StatusOK, v, err)
	})
	get(wsPath+"/linkedServices", a.within(a.listLinked))
	get(wsPath+"/linkedServices/{name}", a.within(a.getLinked))

	mux.HandleFunc("PUT "+onePath, a.guard(a.putCompute))
	mux.HandleFunc("PATCH "+onePath, a.guard(a.patchCompute))
	mux.HandleFunc("DELETE "+onePath, a.guard(a.deleteCompute))
	post := func(path string, h func(r *http.Request) (any, error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			v, err := a.within(h)(r)
			answer(w, r, http.StatusOK, v, err)
		})
	}
	post(onePath+"/listKeys", a.listKeys)
	post(onePath+"/listNodes", a.listNodes)
	for _, verb := range []string{"start", "stop", "restart"} {
		post(onePath+"/"+verb, a.power)
	}
	post(wsPath+"/checkComputeNameAvailability", a.nameAvailable)
	post(wsPath+"/listKeys", a.workspaceKeys)
	mux.HandleFunc("PUT "+wsPath+"/linkedServices/{name}", a.guard(a.putLinked))
	mux.HandleFunc("DELETE "+wsPath+"/linkedServices/{name}", a.guard(a.deleteLinked))
}

// within lets a request pass that names our subscription and group, and a workspace that the caller sees.
func (a *api) within(h func(r *http.Request) (any, error)) func(r *http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		if err := a.enter(r); err != nil {
			return nil, err
		}
		return h(r)
	}
}

func (a *api) guard(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := a.enter(r)
		if err == nil {
			err = h(w, r)
		}
		if err != nil {
			WriteFault(w, r, err)
		}
	}
}

func answer(w http.ResponseWriter, r *http.Request, status int, v any, err error) {
	if err != nil {
		WriteFault(w, r, err)
		return
	}
	writeJSON(w, status, v)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if v != nil {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(v) // the caller may have gone
	}
}

// trace gives the request's IDs back as ARM does.
func trace(w http.ResponseWriter, r *http.Request) {
	id := httpx.InfoOf(r.Context()).ID
	w.Header().Set("X-Ms-Request-Id", id)
	w.Header().Set("X-Ms-Correlation-Request-Id", id)
	if c := r.Header.Get("X-Ms-Client-Request-Id"); c != "" && len(c) <= 128 {
		w.Header().Set("X-Ms-Client-Request-Id", c)
	}
	w.Header().Set("Cache-Control", "no-cache")
}

// baseURL is how the caller reached the server. It is never stored.
func baseURL(r *http.Request) string { return "https://" + r.Host }

// follow returns the URL of a path on this server that keeps the caller's api-version.
func follow(r *http.Request, path string, query url.Values) string {
	if query == nil {
		query = url.Values{}
	}
	if v := r.URL.Query().Get("api-version"); v != "" {
		query.Set("api-version", v)
	}
	if len(query) == 0 {
		return baseURL(r) + path
	}
	return baseURL(r) + path + "?" + query.Encode()
}

func notFound(w http.ResponseWriter, r *http.Request) {
	if allow := w.Header().Get("Allow"); allow != "" {
		WriteFault(w, r, &fault.Error{
			Code: fault.Invalid, Reason: "MethodNotAllowed", What: "the server does not do " + r.Method + " here",
			Why: "this route takes " + allow, Fix: "use another verb",
		})
		return
	}
	WriteFault(w, r, &fault.Error{
		Code: fault.NotFound, Reason: "RouteNotFound", What: "there is nothing at this path",
		Why: "this server has no such resource", Fix: "compare the ID with those of the workspace; run: zaffre workspace config",
	})
}
