package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
)

// orgID is the workspace's, which stands in a header of every answer.
const orgID = "1234567890123456"

// workspaceSim is a workspace.
type workspaceSim struct {
	dir, token, pip string
	mux             *http.ServeMux
	routes          []string

	mu        sync.Mutex
	calls     map[string]int
	faults    []*fault
	runs      map[int64]*run
	tokens    map[string]int64 // run by idempotency token; of a deleted run too
	clusters  map[string]*compute.ClusterDetails
	notebooks map[string]notebook
	handles   map[int64]*upload
	next      int64
	slow      time.Duration // before a run begins
}

func newWorkspace(dir, token, pip string) *workspaceSim {
	w := &workspaceSim{
		dir: dir, token: token, pip: pip, mux: http.NewServeMux(), calls: map[string]int{}, runs: map[int64]*run{}, tokens: map[string]int64{},
		clusters: map[string]*compute.ClusterDetails{}, notebooks: map[string]notebook{}, handles: map[int64]*upload{}, next: 1000,
	}
	for _, d := range []string{w.dbfs("/"), w.volumes("/Volumes/main/default/zaffre")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			panic(err)
		}
	}
	w.addCluster("0101-000000-running", compute.StateRunning)
	w.addCluster("0101-000000-off", compute.StateTerminated)
	w.route("GET /api/2.0/preview/scim/v2/Me", func(*http.Request) (any, error) {
		return iam.User{Id: "1", UserName: "ada@example.com", Active: true}, nil
	})
	w.jobRoutes()
	w.fileRoutes()
	w.clusterRoutes()
	w.notebookRoutes()
	w.control()
	return w
}

// dbfs and volumes return where a path of the workspace really lies.
func (w *workspaceSim) dbfs(path string) string    { return filepath.Join(w.dir, "dbfs", path) }
func (w *workspaceSim) volumes(path string) string { return filepath.Join(w.dir, path) }

// mounted stands for the mounts of a cluster: a word that begins with /dbfs/ or /Volumes/ is the real path.
func (w *workspaceSim) mounted(word string) string {
	switch {
	case strings.HasPrefix(word, "/dbfs/"):
		return w.dbfs(strings.TrimPrefix(word, "/dbfs"))
	case strings.HasPrefix(word, "dbfs:/"):
		return w.dbfs(strings.TrimPrefix(word, "dbfs:"))
	case strings.HasPrefix(word, "/Volumes/"):
		return w.volumes(word)
	}
	return word
}

// route adds a path that is answered with JSON. Each is one that an official client must have called.
func (w *workspaceSim) route(pattern string, h func(*http.Request) (any, error)) {
	w.raw(pattern, func(rw http.ResponseWriter, r *http.Request) {
		out, err := h(r)
		respond(rw, out, err)
	})
}

func (w *workspaceSim) raw(pattern string, h http.HandlerFunc) {
	w.routes = append(w.routes, pattern)
	w.mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.calls[pattern]++
		w.mu.Unlock()
		h(rw, r)
	})
}

// ServeHTTP checks the token, does the fault that is due, and answers.
func (w *workspaceSim) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("X-Databricks-Org-Id", orgID)
	if strings.HasPrefix(r.URL.Path, "/sim/") {
		w.mux.ServeHTTP(rw, r)
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		http.NotFound(rw, r)
		return
	}
	switch auth := r.Header.Get("Authorization"); {
	case auth == "":
		respond(rw, nil, &apiError{http.StatusUnauthorized, "401", "Credential was not sent or was of an unsupported type for this API."})
		return
	case auth != "Bearer "+w.token:
		respond(rw, nil, &apiError{http.StatusForbidden, "403", "Invalid access token."})
		return
	}
	if f := w.due(r.URL.Path); f != nil {
		f.do(w, rw, r)
		return
	}
	w.mux.ServeHTTP(rw, r)
}

// fault is what happens to the next calls of a path.
type fault struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"` // "lost": done, and no answer; "status": an answer of this status
	Code  int    `json:"code"`
	Error string `json:"error_code"`
	Text  string `json:"message"`
	After string `json:"retry_after"`
	Times int    `json:"times"`
}

// due takes the fault that is due for a path.
func (w *workspaceSim) due(path string) *fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.faults, func(f *fault) bool { return strings.HasPrefix(path, f.Path) && f.Times > 0 })
	if i < 0 {
		return nil
	}
	w.faults[i].Times--
	return w.faults[i]
}

func (f *fault) do(w *workspaceSim, rw http.ResponseWriter, r *http.Request) {
	if f.Kind == "lost" {
		w.mux.ServeHTTP(httptest.NewRecorder(), r)
		if c, _, err := http.NewResponseController(rw).Hijack(); err == nil {
			c.Close()
		}
		return
	}
	if f.After != "" {
		rw.Header().Set("Retry-After", f.After)
	}
	respond(rw, nil, &apiError{f.Code, f.Error, f.Text})
}

// control are the paths by which tests make faults. They are no part of Databricks.
func (w *workspaceSim) control() {
	set := func(pattern string, h func(r *http.Request) (any, error)) {
		w.mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			out, err := h(r)
			respond(rw, out, err)
		})
	}
	set("POST /sim/faults", func(r *http.Request) (any, error) {
		f, err := body[fault](r)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.faults = append(w.faults, &f)
		return nil, err
	})
	set("POST /sim/slow", func(r *http.Request) (any, error) {
		d, err := time.ParseDuration(r.FormValue("for"))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.slow = d
		return nil, err
	})
	set("POST /sim/clusters", func(r *http.Request) (any, error) {
		w.setCluster(r.FormValue("id"), compute.State(r.FormValue("state")))
		return nil, nil
	})
	set("POST /sim/forget", func(*http.Request) (any, error) {
		w.killAll()
		return nil, nil
	})
	set("GET /sim/calls", func(*http.Request) (any, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		out := map[string]int{}
		for _, r := range w.routes {
			out[r] = w.calls[r]
		}
		return out, nil
	})
	set("GET /sim/runs", func(*http.Request) (any, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return map[string]int{"started": len(w.runs), "tokens": len(w.tokens)}, nil
	})
}

func (w *workspaceSim) id() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next++
	return w.next
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
