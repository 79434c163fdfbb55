package cli_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli"
)

// fake speaks the wire of the native API, as far as the CLI's own behaviour needs a peer. Runs end as
// soon as their log was read: the word "fail" in a command fails it, "forever" keeps it running.
type fake struct {
	t    *testing.T
	srv  *httptest.Server
	data string // a data folder with a login

	mu    sync.Mutex
	runs  []client.Run
	envs  []client.Environment
	files map[string][]byte
	log   string
	calls []string
	kept  map[string]string // secrets
}

const secret = "s3cret-of-the-test"

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, files: map[string][]byte{}, kept: map[string]string{}, log: "one\ntwo\n", data: t.TempDir()}
	mux := http.NewServeMux()
	for pattern, h := range f.routes() {
		mux.HandleFunc(pattern, h)
	}
	for pattern, h := range f.secrets() {
		mux.HandleFunc(pattern, h)
	}
	f.srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.calls = append(f.calls, r.Method+" "+r.URL.EscapedPath())
		f.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+secret && r.URL.Path != "/readyz" {
			fail(w, 401, "unauthenticated", "TokenUnknown", "the server does not know the token")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.srv.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.srv.Certificate().Raw}))
	p := client.Profile{URL: f.srv.URL, CA: ca, Token: secret, Workspace: "default"}
	if err := p.Save(filepath.Join(f.data, "client.json")); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fake) routes() map[string]http.HandlerFunc {
	const ws = "/api/v1/workspaces/{ws}"
	return map[string]http.HandlerFunc{
		"GET /readyz": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) },
		"GET /api/v1/server": func(w http.ResponseWriter, _ *http.Request) {
			reply(w, client.Server{Version: "test", ID: "id", Caller: "admin"})
		},
		"GET /api/v1/kinds": func(w http.ResponseWriter, _ *http.Request) { reply(w, client.Page[client.Kind]{Items: kinds()}) },
		"GET " + ws + "/computes": func(w http.ResponseWriter, _ *http.Request) {
			reply(w, client.Page[client.Compute]{Items: []client.Compute{{Name: "server", Kind: "local", State: "Succeeded"}, {Name: "gpu-box", Kind: "fake", State: "Succeeded"}}})
		},
		"PUT " + ws + "/computes/{name}":     f.attach,
		"GET " + ws + "/environments":        f.listEnvironments,
		"POST " + ws + "/environments":       f.register,
		"POST " + ws + "/snapshots/missing":  f.missing,
		"POST " + ws + "/snapshots/pack":     f.pack,
		"POST " + ws + "/snapshots":          f.commit,
		"GET " + ws + "/runs":                f.listRuns,
		"POST " + ws + "/runs":               f.submit,
		"GET " + ws + "/runs/{id}":           f.one(func(w http.ResponseWriter, _ *http.Request, r *client.Run) { reply(w, *r) }),
		"POST " + ws + "/runs/{id}/cancel":   f.one(func(w http.ResponseWriter, _ *http.Request, r *client.Run) { r.State = "Canceled"; reply(w, *r) }),
		"GET " + ws + "/runs/{id}/log":       f.one(f.readLog),
		"GET " + ws + "/runs/{id}/watch":     f.watch,
		"GET " + ws + "/runs/{id}/artifacts": f.artifacts,
		"GET " + ws + "/runs/{id}/metrics": func(w http.ResponseWriter, _ *http.Request) {
			reply(w, client.Page[client.Metric]{Items: []client.Metric{}})
		},
		"GET " + ws + "/runs/{id}/artifacts/": f.artifact,
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, code, reason, title string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(client.Fault{Title: title, Status: status, Code: code, Reason: reason, Detail: "because of the test", Fix: "look at the test", Evidence: []string{"the remote's words"}})
}

func kinds() []client.Kind {
	return []client.Kind{{Name: "local", Summary: "This machine.", Implicit: true}, {Name: "fake", Summary: "A programmable kind.", Grants: "may: {address:nobody} {slots:2}\n", GrantsFlag: "print-grants", Options: []client.Option{
		{Path: "address", Type: "string", Help: "where it is", Required: true},
		{Path: "administratorAccount.userName", Type: "string", Help: "who logs in"},
		{Path: "password", Type: "string", Help: "its password", Secret: true},
		{Path: "slots", Type: "int", Help: "runs at once", Default: 2},
	}}}
}

func (f *fake) attach(w http.ResponseWriter, r *http.Request) {
	var c client.Compute
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		fail(w, 400, "invalid", "BodyInvalid", err.Error())
		return
	}
	c.State = "Succeeded"
	c.Facts = map[string]string{"got": fmt.Sprint(c.Options)}
	w.WriteHeader(201)
	reply(w, c)
}

func (f *fake) listEnvironments(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reply(w, client.Page[client.Environment]{Items: f.envs})
}

func (f *fake) register(w http.ResponseWriter, r *http.Request) {
	var e client.Environment
	_ = json.NewDecoder(r.Body).Decode(&e)
	f.mu.Lock()
	defer f.mu.Unlock()
	e.Version = 1
	f.envs = append(f.envs, e)
	w.WriteHeader(201)
	reply(w, e)
}

func (f *fake) missing(w http.ResponseWriter, r *http.Request) {
	var in struct{ Hashes []string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []string{}
	for _, h := range in.Hashes {
		if _, ok := f.files[h]; !ok {
			out = append(out, h)
		}
	}
	reply(w, map[string][]string{"missing": out})
}

func (f *fake) commit(w http.ResponseWriter, r *http.Request) {
	var in struct{ Files []client.File }
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range in.Files {
		if _, ok := f.files[file.Hash]; !ok {
			fail(w, http.StatusConflict, "failed_precondition", "FilesMissing", "files are missing")
			return
		}
	}
	reply(w, map[string]string{"id": "snap"})
}

func (f *fake) pack(w http.ResponseWriter, r *http.Request) {
	for t := tar.NewReader(r.Body); ; {
		h, err := t.Next()
		if err == io.EOF {
			w.WriteHeader(204)
			return
		}
		var b []byte
		if err == nil {
			b, err = io.ReadAll(t)
		}
		sum := sha256.Sum256(b)
		if err != nil || hex.EncodeToString(sum[:]) != h.Name {
			fail(w, 400, "invalid", "PackInvalid", "the pack is broken")
			return
		}
		f.mu.Lock()
		f.files[h.Name] = b
		f.mu.Unlock()
	}
}

func (f *fake) listRuns(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := client.Page[client.Run]{Items: []client.Run{}}
	for i := len(f.runs) - 1; i >= 0; i-- {
		p.Items = append(p.Items, f.runs[i])
	}
	if r.URL.Query().Get("limit") == "1" && len(p.Items) > 1 {
		p.Items = p.Items[:1]
	}
	reply(w, p)
}

func (f *fake) submit(w http.ResponseWriter, r *http.Request) {
	var in client.RunRequest
	_ = json.NewDecoder(r.Body).Decode(&in)
	if in.Compute != "" && in.Compute != "server" && in.Compute != "gpu-box" {
		fail(w, 404, "not_found", "ComputeNotFound", fmt.Sprintf("there is no compute target %q", in.Compute))
		return
	}
	run := client.Run{
		ID: in.Name, UID: "01" + in.Name, Workspace: "default", Experiment: "Default", Number: int64(len(f.runs) + 1), State: "Queued", Compute: "server",
		Command: in.Command, Environment: in.Environment, Snapshot: in.Snapshot, Variables: in.Variables, Tags: in.Tags, Memory: in.Memory,
		Timeout: in.Timeout, Created: time.Now(),
	}
	f.mu.Lock()
	f.runs = append(f.runs, run)
	f.mu.Unlock()
	w.WriteHeader(201)
	reply(w, run)
}

// one finds the run of a request, and holds the lock while it is used.
func (f *fake) one(use func(http.ResponseWriter, *http.Request, *client.Run)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range f.runs {
			if f.runs[i].ID == r.PathValue("id") {
				use(w, r, &f.runs[i])
				return
			}
		}
		fail(w, 404, "not_found", "RunNotFound", fmt.Sprintf("there is no run %q", r.PathValue("id")))
	}
}

func (f *fake) readLog(w http.ResponseWriter, r *http.Request, _ *client.Run) {
	if !strings.Contains(r.Header.Get("Accept"), "event-stream") {
		_, _ = io.WriteString(w, f.log)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	half := len(f.log) / 2
	from := 0
	_, _ = fmt.Sscan(r.Header.Get("Last-Event-ID"), &from)
	b, _ := json.Marshal(client.LogChunk{Offset: int64(from), Text: f.log[from:max(from, half)]})
	if from < half { // and then the connection breaks
		fmt.Fprintf(w, ": hello\n\nid: %d\ndata: %s\n\n", half, b)
		return
	}
	b, _ = json.Marshal(client.LogChunk{Offset: int64(from), Text: f.log[from:]})
	fmt.Fprintf(w, "id: %d\ndata: %s\n\nid: %d\nevent: end\ndata: {}\n\n", len(f.log), b, len(f.log))
}

func (f *fake) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	states := []string{"Queued", "Running", "Completed"}
	for _, state := range states {
		forever := false
		f.one(func(w http.ResponseWriter, _ *http.Request, run *client.Run) {
			command := strings.Join(run.Command, " ")
			forever = strings.Contains(command, "forever")
			run.State = state
			if state != "Queued" && len(run.Attempts) == 0 {
				run.Attempts, run.Started = []client.Attempt{{Number: 1, State: "running"}}, time.Now()
			}
			if state == "Completed" && strings.Contains(command, "fail") {
				run.State, run.Error = "Failed", &client.Fault{Title: "the run failed", Detail: "its process ended with exit code 3", Code: "failed_precondition", Reason: "ExitCode", Fix: "read its log"}
			}
			b, _ := json.Marshal(run)
			fmt.Fprintf(w, "data: %s\n\n", b)
		})(w, r)
		w.(http.Flusher).Flush()
		if state == "Running" && forever {
			<-r.Context().Done()
			return
		}
	}
}

const model = "the bytes of a model"

func (f *fake) artifacts(w http.ResponseWriter, _ *http.Request) {
	sum := sha256.Sum256([]byte(model))
	reply(w, client.Page[client.Artifact]{Items: []client.Artifact{{Path: "outputs/my model.bin", Size: int64(len(model)), Hash: hex.EncodeToString(sum[:])}}})
}

func (f *fake) artifact(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(model))
}

// result is what a call of the CLI gave.
type result struct {
	code        int
	out, errout string
}

// call runs the CLI as the user of the fake's machine.
func (f *fake) call(args ...string) result {
	f.t.Helper()
	return callWith(f.t, map[string]string{"HOME": f.data, "ZAFFRE_DATA": f.data}, "", args...)
}

func callWith(t *testing.T, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	var out, errout bytes.Buffer
	code := cli.Main(args, cli.Env{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errout, Getenv: func(k string) string { return env[k] }})
	return result{code, out.String(), errout.String()}
}
