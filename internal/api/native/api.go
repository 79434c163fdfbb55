// Package native is zaffre's own API (OpenAPI 3.1), which the CLI and package client use.
//
// Handlers decode, call one service, encode. The wire's types are those of package client; what they
// stand for is said in convert.go. Unknown fields are refused with their path.
package native

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/event"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// Prefix is where the API lies.
const Prefix = "/api/v1"

// Deps is what the API stands on.
type Deps struct {
	Identity     *identity.Service
	Workspaces   *workspace.Service
	Vault        *workspace.Vault
	Inventory    *inventory.Service
	Computes     *compute.Service
	Environments *environment.Service
	Runs         *run.Service
	Models       *model.Service
	Images       *image.Service
	Hosts        []string // by which clients may know the server's registry
	Events       *event.Service
	Snapshots    Snapshots
	Server       client.Server // what GET /server answers, but for the caller
	BodyLimit    int64         // bytes of a JSON body
	SnapshotMax  int64         // bytes of a snapshot
	Stopping     <-chan struct{}
	Azure        Azure
}

// Snapshots is the store of code that the API fills.
type Snapshots interface {
	snapshot.Store
	// Receive stores the files of a tar stream, whose entries are named by their hash.
	Receive(ctx context.Context, r io.Reader) (files int, err error)
}

type api struct {
	Deps
	huma huma.API
}

// New returns the handler of everything below Prefix and of /openapi.json and /openapi.yaml.
func New(d Deps) http.Handler {
	a, mux := build(d)
	api := httpx.Chain(httpx.Route(mux, http.HandlerFunc(NotFound)),
		httpx.Authenticate(d.Identity.Authenticate, WriteFault), a.enter)
	open := httpx.Route(mux, http.HandlerFunc(NotFound))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, Prefix+"/") {
			api.ServeHTTP(w, r)
			return
		}
		open.ServeHTTP(w, r)
	})
}

// OpenAPI returns the description of the API, in YAML.
func OpenAPI() ([]byte, error) {
	a, _ := build(Deps{BodyLimit: 4 << 20})
	return a.huma.OpenAPI().YAML()
}

func build(d Deps) (*api, *http.ServeMux) {
	spellFaults()
	mux := http.NewServeMux()
	a := &api{Deps: d, huma: humago.New(mux, humaConfig())}
	a.routesServer()
	a.routesAzure()
	a.routesInventory()
	a.routesSecrets()
	a.routesComputes()
	a.routesShell()
	a.routesSessions()
	a.routesEnvironments()
	a.routesSnapshots()
	a.routesRuns()
	a.routesArtifacts()
	a.routesModels()
	a.routesImages()
	a.routesExperiments()
	a.routesMetrics()
	a.routesStreams()
	a.nameWildcards()
	return a, mux
}

func humaConfig() huma.Config {
	c := huma.DefaultConfig("zaffre", "1")
	c.CreateHooks = nil // no $schema in bodies
	c.DocsPath, c.SchemasPath = "", ""
	c.RejectUnknownQueryParameters = true
	c.NoFormatFallback = false
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decode}
	c.Formats = map[string]huma.Format{"application/json": format, "json": format} // the second is for +json
	c.Info.Description = "The native API of zaffre. Errors are application/problem+json with members of ours; programs act on code and reason. " +
		"Names may hold slashes: percent-encode them into one path segment."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	c.Security = []map[string][]string{{"bearer": {}}}
	return c
}

// decode is strict where encoding/json would put U+FFFD: a name must not change on its way.
func decode(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("the body is not valid UTF-8")
	}
	return json.Unmarshal(data, v)
}

// spellFaults sets huma's hooks, which are its package's variables: its errors become client.Fault,
// property names are compared exactly, and null is no list.
var spellFaults = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return newProblem(context.Background(), status, msg, errs)
	}
	huma.NewErrorWithContext = func(c huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := newProblem(c.Context(), status, msg, errs)
		if p.retry > 0 {
			c.SetHeader("Retry-After", p.retryAfter())
		}
		return p
	}
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
})

// enter keeps callers out of workspaces that are not there or not theirs, before any handler.
func (a *api) enter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, ok := workspaceOf(r); ok {
			if err := a.Workspaces.Enter(r.Context(), ws); err != nil {
				WriteFault(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// workspaceOf returns the workspace in the path. The events of what belongs to no workspace are read
// under the name store.Global.
func workspaceOf(r *http.Request) (string, bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix+"/workspaces/")
	if !ok {
		return "", false
	}
	segment, below, _ := strings.Cut(rest, "/")
	ws, err := url.PathUnescape(segment)
	return ws, err == nil && ws != "" && !(ws == store.Global && below == "events")
}

const bodyWithin = 30 * time.Second // for a JSON body to arrive

// op describes a route. The first word of id is its verb.
func (a *api) op(method, path, id, summary string) huma.Operation {
	tag, _, _ := strings.Cut(strings.TrimPrefix(path, "/workspaces/{ws}/"), "/")
	if strings.HasPrefix(path, "/workspaces") && tag == "" || tag == "workspaces" {
		tag = "workspaces"
	}
	if tag == "" {
		tag, _, _ = strings.Cut(path[1:], "/")
	}
	return huma.Operation{
		Method: method, Path: Prefix + path, OperationID: id, Summary: summary, Tags: []string{tag},
		MaxBodyBytes: a.BodyLimit, BodyReadTimeout: bodyWithin,
	}
}

// nameWildcards gives the paths in the description the form that OpenAPI has: {path}, not {path...}.
func (a *api) nameWildcards() {
	paths := a.huma.OpenAPI().Paths
	for p, item := range paths {
		if clean := strings.ReplaceAll(p, "...}", "}"); clean != p {
			delete(paths, p)
			paths[clean] = item
		}
	}
}

// WorkspacePath and the other exported inputs are parts of the routes' inputs: huma finds parameters in
// exported fields only.
type WorkspacePath struct {
	Workspace string `path:"ws" doc:"Name of the workspace"`
}

// PageQuery selects a page of a list.
type PageQuery struct {
	Cursor string `query:"cursor" doc:"Page.next of the page before"`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"At most so many; 0 is 100"`
}

// Outputs that many routes share.
type (
	out[T any] struct{ Body T }
	// outStatus answers 201 for what was made and 200 for what was there.
	outStatus[T any] struct {
		Status int
		Body   T
	}
)

func (p PageQuery) page() store.Page { return store.Page{Limit: p.Limit, Cursor: p.Cursor} }

func made[T any](v T, created bool) *outStatus[T] {
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return &outStatus[T]{status, v}
}

// pageOf converts a page of records.
func pageOf[A, B any](list []A, next string, convert func(A) B) *out[client.Page[B]] {
	items := make([]B, 0, len(list))
	for _, v := range list {
		items = append(items, convert(v))
	}
	return &out[client.Page[B]]{client.Page[B]{Items: items, Next: next}}
}
