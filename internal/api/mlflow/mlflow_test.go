package mlflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/api/mlflow"
	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

var update = flag.Bool("update", false, "write the golden files and docs/reference/mlflow.md")

// rig is the face on a database of its own, behind the middleware of the server.
type rig struct {
	*httptest.Server
	log *strings.Builder
}

// tokens and whose they are.
var tokens = map[string]identity.Caller{
	"admin":  {Name: "admin", Roles: map[string]identity.Role{identity.AllWorkspaces: identity.Owner}},
	"ann":    {Name: "ann", Roles: map[string]identity.Role{"lab": identity.Contributor}},
	"job":    {Name: "job", Roles: map[string]identity.Role{"lab": identity.Tracker}},
	"reader": {Name: "reader", Roles: map[string]identity.Role{"lab": identity.Reader}},
	"bob":    {Name: "bob", Roles: map[string]identity.Role{"other": identity.Contributor}},
}

func newRig(t testing.TB) *rig {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "z.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.NewDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	workspaces := workspace.New(db.Workspaces(), db.LinkedServices())
	for _, name := range []string{"default", "lab", "other"} {
		if _, _, err := workspaces.Create(identity.System(t.Context()), name); err != nil {
			t.Fatal(err)
		}
	}
	runs := run.New(run.Config{
		Runs: db.Runs(), Experiments: db.Experiments(), Artifacts: db.Artifacts(), Claims: db, Queue: db, Events: db,
		Metrics: db.Metrics(metric.Limits{}), Blobs: blobs, Log: slog.New(slog.DiscardHandler),
	})
	models := model.New(model.Config{
		Models: db.Models(), Versions: db.Versions(), Logged: db.Logged(), Files: object.New(db.Artifacts(), blobs),
		Run: func(ctx context.Context, k store.Key) (model.Run, error) {
			r, err := runs.Get(ctx, k)
			return model.Run{Name: r.Name, ID: r.ID}, err
		},
	})
	face := mlflow.New(mlflow.Deps{
		Authenticate: func(_ context.Context, bearer string) (identity.Caller, error) {
			c, ok := tokens[bearer]
			if !ok {
				return c, &fault.Error{Code: fault.Unauthorized, Reason: "TokenUnknown", What: "the token is not accepted", Why: "nobody has it", Fix: "log in"}
			}
			return c, nil
		},
		Workspaces: workspaces, Runs: runs, Metrics: db.Metrics(metric.Limits{}), Models: models,
		Subscription: "sub", Group: "zaffre", Key: []byte("a key for tests"), BodyLimit: 16 << 20, FileLimit: 1 << 20,
	})
	r := &rig{log: &strings.Builder{}}
	r.Server = httptest.NewUnstartedServer(httpx.Chain(face, httpx.Requests(slog.New(slog.NewTextHandler(r.log, nil)), mlflow.WriteFault, nil)))
	r.EnableHTTP2 = false
	r.StartTLS()
	t.Cleanup(func() {
		r.Close()
		runs.Close()
		_ = db.Close()
	})
	return r
}

// do sends a request and returns the status and the body. token "" is none.
func (r *rig) do(t testing.TB, token, method, path, body string) (int, string) {
	t.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = r.URL + path
	}
	q, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := r.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// must is do of what has to succeed, with the answer taken apart.
func (r *rig) must(t testing.TB, token, method, path, body string) map[string]any {
	t.Helper()
	status, raw := r.do(t, token, method, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, status, raw)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, raw)
	}
	return out
}

const v2 = "/api/2.0/mlflow/"

// run creates a run and returns its ID and the address of its files.
func (r *rig) run(t testing.TB, token string) (id, files string) {
	t.Helper()
	info := r.must(t, token, "POST", v2+"runs/create", `{"experiment_id":"0","start_time":"1700000000000"}`)["run"].(map[string]any)["info"].(map[string]any)
	return info["run_id"].(string), info["artifact_uri"].(string)
}

var (
	ids    = regexp.MustCompile(`\b[0-9a-hjkmnp-tv-z]{26}\b`)
	urls   = regexp.MustCompile(`https://127\.0\.0\.1:\d+`)
	passes = regexp.MustCompile(`zs_[\w-]+`)
	times  = regexp.MustCompile(`\b1[789]\d{11}\b`)
	names  = regexp.MustCompile(`"[a-z]+-[a-z]+-\d{1,3}"`)
)

// TestGolden sends the requests of testdata and compares the answers to the byte.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Comment: a.Comment}
			id := ""
			for i := 0; i+1 < len(a.Files); i += 2 {
				request := a.Files[i]
				method, path, _ := strings.Cut(strings.TrimSpace(strings.SplitN(request.Name, ". ", 2)[1]), " ")
				body := strings.ReplaceAll(string(request.Data), "{run}", id)
				status, answer := r.do(t, "ann", method, strings.ReplaceAll(path, "{run}", id), body)
				if id == "" {
					id = ids.FindString(answer)
				}
				text := fmt.Sprintf("%d %s\n", status, strings.TrimSpace(normal(answer, id)))
				got.Files = append(got.Files, request, txtar.File{Name: a.Files[i+1].Name, Data: []byte(text)})
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(a)), string(txtar.Format(got))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func normal(s, id string) string {
	if id != "" {
		s = strings.ReplaceAll(s, id, "{run}")
	}
	s = passes.ReplaceAllString(urls.ReplaceAllString(s, "{url}"), "{pass}")
	return names.ReplaceAllString(times.ReplaceAllString(ids.ReplaceAllString(s, "{id}"), "{time}"), `"{name}"`)
}

func TestWorkspaces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	azure := "/mlflow/v2.0/subscriptions/SUB/resourceGroups/zaffre/providers/Microsoft.MachineLearningServices/workspaces/lab" + v2
	for _, tc := range []struct {
		reason, token, prefix string
		status                int
	}{
		{"the only one of the token", "ann", v2, 200},
		{"named", "ann", "/workspaces/lab" + v2, 200},
		{"as azureml-mlflow names it", "ann", azure, 200},
		{"by its first version", "ann", strings.Replace(azure, "v2.0", "v1.0", 1), 200},
		{"of another subscription", "ann", strings.Replace(azure, "SUB", "x", 1), 404},
		{"one that the token is not good for", "ann", "/workspaces/other" + v2, 403},
		{"default, for one who may all", "admin", v2, 200},
		{"nobody", "", v2, 401},
		{"an unknown token", "nobody", v2, 401},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			status, body := r.do(t, tc.token, "GET", tc.prefix+"experiments/get?experiment_id=0", "")
			if status != tc.status {
				t.Errorf("%d %s", status, body)
			}
			if status != 200 && (!strings.Contains(body, `"error_code":"`) || !strings.Contains(body, "Fix: ")) {
				t.Errorf("no error of MLflow's: %s", body)
			}
		})
	}
}

func TestBasicAuthentication(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for password, want := range map[string]int{"ann": 200, "wrong": 401, "": 401} {
		q, err := http.NewRequestWithContext(t.Context(), "GET", r.URL+v2+"experiments/get?experiment_id=0", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		q.SetBasicAuth("anybody", password)
		resp, err := r.Client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("password %q: %s", password, resp.Status)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.run(t, "job")
	for _, path := range []string{"runs/create", "experiments/create", "runs/log-metric", "runs/set-tag", "registered-models/create"} {
		body := `{"experiment_id":"0","name":"n","run_id":"` + id + `","key":"k","value":1,"timestamp":1}`
		body = strings.Replace(body, `"value":1`, map[bool]string{true: `"value":1`, false: `"value":"1"`}[path == "runs/log-metric"], 1)
		if status, answer := r.do(t, "reader", "POST", v2+path, body); status != 403 {
			t.Errorf("a reader: %s: %d %s", path, status, answer)
		}
	}
	if status, answer := r.do(t, "bob", "GET", v2+"runs/get?run_id="+id, ""); status != 404 {
		t.Errorf("somebody of another workspace: %d %s", status, answer)
	}
}

func TestAddressesOfFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, mine := r.run(t, "job")
	_, other := r.run(t, "ann")
	r.must(t, "", "PUT", mine+"/a%20b/%C3%A9.txt", "hello") // no token at all
	if status, body := r.do(t, "", "GET", mine+"/a%20b/%C3%A9.txt", ""); status != 200 || body != "hello" {
		t.Errorf("%d %q", status, body)
	}
	pass := passes.FindString(mine)
	forged := strings.Replace(other, passes.FindString(other), pass, 1)
	if status, body := r.do(t, "", "GET", forged+"/x", ""); status != 401 {
		t.Errorf("the address of another run: %d %s", status, body)
	}
	if status, body := r.do(t, "", "GET", strings.Replace(mine, pass+"/", "", 1)+"/a%20b/%C3%A9.txt", ""); status != 401 {
		t.Errorf("without the signed part: %d %s", status, body)
	}
	if status, body := r.do(t, "reader", "GET", strings.Replace(mine, pass+"/", "", 1)+"/a%20b/%C3%A9.txt", ""); status != 200 || body != "hello" {
		t.Errorf("with a token instead: %d %s", status, body)
	}
	if status, body := r.do(t, "bob", "GET", forged+"/x", ""); status != 403 {
		t.Errorf("with a token that is not good for it: %d %s", status, body)
	}
	id := mine[strings.LastIndex(mine, "/")+1:]
	info := r.must(t, "reader", "GET", v2+"runs/get?run_id="+id, "")["run"].(map[string]any)["info"].(map[string]any)
	if status, body := r.do(t, "", "PUT", info["artifact_uri"].(string)+"/x", "x"); status != 401 {
		t.Errorf("a reader's address wrote: %d %s", status, body)
	}
	if status, body := r.do(t, "", "PUT", mine+"/../x", "x"); status == 200 {
		t.Errorf("a path upwards: %d %s", status, body)
	}
	if status, body := r.do(t, "", "PUT", mine+"/large", strings.Repeat("x", 1<<20+1)); status != 413 {
		t.Errorf("a large file: %d %s", status, body)
	}
	root, _, _ := strings.Cut(mine, pass)
	list := r.must(t, "", "GET", strings.TrimSuffix(root, "/")+"?path="+url.QueryEscape(strings.TrimPrefix(mine, root)), "")
	if diff := cmp.Diff(map[string]any{"files": []any{map[string]any{"path": "a b", "is_dir": true}}}, list); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	r.must(t, "", "DELETE", mine+"/a%20b", "")
	if status, _ := r.do(t, "", "GET", mine+"/a%20b/%C3%A9.txt", ""); status != 404 {
		t.Errorf("deleted, and there: %d", status)
	}
	r.Close()
	if strings.Contains(r.log.String(), pass) || !strings.Contains(r.log.String(), "zs_") {
		t.Errorf("the log holds the signed part, or no request: %s", r.log)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, files := r.run(t, "ann")
	r.must(t, "", "PUT", files+"/n", "0123456789")
	q, err := http.NewRequestWithContext(t.Context(), "GET", files+"/n", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Range", "bytes=3-5")
	resp, err := r.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if raw, _ := io.ReadAll(resp.Body); resp.StatusCode != 206 || string(raw) != "345" {
		t.Errorf("%s %q", resp.Status, raw)
	}
}

var errDied = errors.New("the client died")

// dying sends some bytes and then breaks.
type dying struct{ left int }

func (d *dying) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, errDied
	}
	n := min(len(p), d.left)
	d.left -= n
	return n, nil
}

func TestDiedUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, files := r.run(t, "ann")
	r.must(t, "", "PUT", files+"/kept", "old")
	for _, length := range []int64{-1, 1 << 19} {
		q, err := http.NewRequestWithContext(t.Context(), "PUT", files+"/kept", &dying{300_000})
		if err != nil {
			t.Fatal(err)
		}
		q.ContentLength = length
		if resp, err := r.Client().Do(q); !errors.Is(err, errDied) && !errors.As(err, new(*net.OpError)) {
			if err == nil {
				resp.Body.Close()
			}
			t.Errorf("length %d: %v", length, err)
		}
		if status, body := r.do(t, "", "GET", files+"/kept", ""); status != 200 || body != "old" {
			t.Errorf("length %d: %d, %d bytes", length, status, len(body))
		}
	}
}

func TestHistoryIsPagedInOrder(t *testing.T) {
	t.Parallel()
	for _, out := range []bool{false, true} {
		t.Run(fmt.Sprint("out of order: ", out), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			id, _ := r.run(t, "ann")
			var points []string
			for i := range 1000 {
				at := i
				if out {
					at = (i*617 + 5) % 1000
				}
				points = append(points, fmt.Sprintf(`{"key":"m","value":%d,"timestamp":"%d","step":%d}`, at, 1000+at, at))
			}
			body := `{"run_id":"` + id + `","metrics":[` + strings.Join(points, ",") + `]}`
			r.must(t, "ann", "POST", v2+"runs/log-batch", body)
			r.must(t, "ann", "POST", v2+"runs/log-batch", body) // again: once
			token, got := "", []float64{}
			for pages := 0; pages < 10; pages++ {
				page := r.must(t, "ann", "GET", v2+"metrics/get-history?metric_key=m&max_results=300&run_id="+id+"&page_token="+token, "")
				for _, p := range page["metrics"].([]any) {
					got = append(got, p.(map[string]any)["step"].(float64))
				}
				token, _ = page["next_page_token"].(string)
				if token == "" {
					break
				}
			}
			if len(got) != 1000 || got[0] != 0 || got[999] != 999 || got[300] != 300 {
				t.Errorf("%d points", len(got))
			}
		})
	}
}

func TestRefusalsSayWhyAndWhatInstead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, e := range mlflow.Table() {
		if e.Refused == "" {
			continue
		}
		path := strings.ReplaceAll(e.Path, "{name}", "x")
		if strings.HasSuffix(path, "/") {
			path += "anything"
		}
		status, body := r.do(t, "ann", e.Method, path, "{}")
		if status != http.StatusNotImplemented || !strings.Contains(body, `"error_code":"NOT_IMPLEMENTED"`) || !strings.Contains(body, e.Refused) || e.Fix == "" {
			t.Errorf("%s %s: %d %s", e.Method, path, status, body)
		}
	}
}
