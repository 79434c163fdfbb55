package history_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/api/v1"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/api/v1/history"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

var update = flag.Bool("update", false, "write the golden files")

// callers by their tokens.
var callers = map[string]identity.Caller{
	"ann":    {Name: "ann", Roles: map[string]identity.Role{domaintest.Workspace: identity.Owner}},
	"job":    {Name: "ann", Roles: map[string]identity.Role{domaintest.Workspace: identity.Tracker}},
	"bob":    {Name: "bob", Roles: map[string]identity.Role{domaintest.Workspace: identity.Contributor}},
	"reader": {Name: "reader", Roles: map[string]identity.Role{domaintest.Workspace: identity.Reader}},
}

// rig is the service behind the face.
type rig struct {
	*domaintest.Server
	http *httptest.Server
}

func newRig(t testing.TB) *rig {
	t.Helper()
	s := domaintest.New(t)
	workspaces := workspace.New(s.DB.Workspaces(), s.DB.LinkedServices())
	if _, _, err := workspaces.Create(identity.System(t.Context()), domaintest.Workspace); err != nil {
		t.Fatal(err)
	}
	h := v1.New(v1.Deps{
		Authenticate: func(_ context.Context, bearer string) (identity.Caller, error) {
			if c, ok := callers[bearer]; ok {
				return c, nil
			}
			return identity.Caller{}, &fault.Error{Code: fault.Unauthorized, Reason: "TokenUnknown", What: "the token is not accepted", Why: "nobody has it", Fix: "log in"}
		},
		Workspaces: workspaces, Subscription: "S", Group: "zaffre", BodyLimit: 1 << 20,
		Parts: [][]face.Call{history.Calls(history.Deps{
			Runs:  s.Runs,
			Token: func(r run.Run) (string, time.Time) { return "token-of-" + r.Name, r.Created.Add(time.Hour) },
			LogURL: func(r *face.Request, run string, attempt int) string {
				return r.Address(fmt.Sprintf("/log/%s/%d", run, attempt))
			},
			ReadURL: func(r *face.Request, run, path string) string { return r.Address("/file/" + run + "/" + path) },
		})},
	})
	r := &rig{Server: s, http: httptest.NewTLSServer(httpx.Chain(h, httpx.Requests(slog.New(slog.DiscardHandler), v1.WriteFault, nil)))}
	t.Cleanup(r.http.Close)
	return r
}

const prefix = "/history/v1.0/subscriptions/S/resourceGroups/zaffre/providers/Microsoft.MachineLearningServices/workspaces/" + domaintest.Workspace

// as sends a request for somebody.
func (r *rig) as(t testing.TB, token, method, path, body string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.http.URL+prefix+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	q.Header.Set("Content-Type", "application/json-patch+json; charset=utf-8")
	resp, err := r.http.Client().Do(q)
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

// must is as of what has to succeed, for ann.
func (r *rig) must(t testing.TB, method, path, body string) map[string]any {
	t.Helper()
	status, raw := r.as(t, "ann", method, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, status, raw)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, raw)
	}
	return out
}

var (
	ids   = regexp.MustCompile(`"[0-9a-hjkmnp-tv-z]{26}"`)
	urls  = regexp.MustCompile(`https://127\.0\.0\.1:\d+`)
	times = regexp.MustCompile(`\b202[6-9]-\d\d-\d\dT[\d:.]+Z`)
	next  = regexp.MustCompile(`"continuationToken":"[^"]+"`)
	made  = regexp.MustCompile(`"experimentId":"(\d+)"`)
)

// TestGolden sends the requests of testdata, as azureml-core sends them, and compares the answers.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			golden(t, newRig(t), file)
		})
	}
}

func golden(t *testing.T, r *rig, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, experiment := &txtar.Archive{Comment: a.Comment}, "none"
	for _, f := range a.Files {
		number, rest, request := strings.Cut(f.Name, ". ")
		if !request {
			continue
		}
		method, path, _ := strings.Cut(rest, " ")
		status, answer := r.as(t, "ann", method, strings.ReplaceAll(path, "{experiment}", experiment), string(f.Data))
		if m := made.FindStringSubmatch(answer); m != nil && experiment == "none" {
			experiment = m[1]
		}
		answer = times.ReplaceAllString(urls.ReplaceAllString(ids.ReplaceAllString(answer, `"{id}"`), "{url}"), "{time}")
		answer = next.ReplaceAllString(answer, `"continuationToken":"{next}"`)
		answer = strings.ReplaceAll(answer, `"`+experiment+`"`, `"{experiment}"`)
		got.Files = append(got.Files, f, txtar.File{Name: number, Data: fmt.Appendf(nil, "%d %s\n", status, strings.TrimSpace(answer))})
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
}

// names are the IDs of the runs of a list.
func names(list map[string]any) string {
	var out []string
	for _, v := range list["value"].([]any) {
		out = append(out, v.(map[string]any)["runId"].(string))
	}
	return strings.Join(out, " ")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, body := range []string{
		`{"runId":"a","status":"NotStarted","tags":{"owner":"ada","note":"rock and roll (live)","my key":"v"},"properties":{"azureml.runsource":"hyperdrive"}}`,
		`{"runId":"b","status":"Running","tags":{"owner":"bob","empty":null},"runType":"azureml.scriptrun","target":"gpu","startTimeUtc":"2026-01-01T00:00:00Z"}`,
		`{"runId":"c","status":"Completed","parentRunId":"b","properties":{"k":"v"},"runTypeV2":{"orchestrator":"External","traits":["fast"]}}`,
		`{"runId":"d","status":"Failed","parentRunId":"c","tags":{"owner":"ada"}}`,
	} {
		r.must(t, "PATCH", "/experiments/e/runs/"+string(rune('a'+i)), body)
	}
	r.must(t, "PATCH", "/experiments/other/runs/x", `{"runId":"x","tags":{"owner":"ada"}}`)
	for _, c := range []struct{ filter, want string }{
		{"", "d c b a"},
		{"(ParentRunId eq null)", "b a"},
		{"((ParentRunId eq null) and (Status eq Running))", "b"},
		{"(Status eq Completed)", "c"},
		{"(Status eq Provisioning)", ""},
		{`(Tags/owner eq "ada")`, "d a"},
		{`(Tags/owner eq ada)`, "d a"},
		{`((Tags/owner eq "ada") and (ParentRunId eq null))`, "a"},
		{`(Tags/note eq rock and roll (live))`, "a"},
		{`(Tags/note eq "rock and roll (live)")`, "a"},
		{`(Tags/my key eq "v")`, "a"},
		{`(Tags/my key ne null or Tags/my key eq null)`, "a"},
		{"(Tags/empty ne null or Tags/empty eq null)", "b"},
		{"(Tags/empty eq null)", "d c b a"},
		{`(Properties/k eq "v")`, "c"},
		{"(Properties/k ne null or Properties/k eq null)", "c"},
		{"(RunType eq azureml.scriptrun or Properties/azureml.runsource eq azureml.scriptrun)", "b"},
		{"(RunType eq hyperdrive or Properties/azureml.runsource eq hyperdrive)", "a"},
		{"(RunTypeV2/Orchestrator eq External)", "c"},
		{"(RunTypeV2/Traits/fast ne null) or (RunTypeV2/Traits/fast eq null)", "c"},
		{"(CreatedUtc ge 2020-01-01 00:00:00)", "d c b a"},
		{"(CreatedUtc ge 2120-01-01 00:00:00+00:00)", ""},
		{"(Target eq gpu)", "b"},
		{"RunId eq a or RunId eq d", "d a"},
		{"(RootRunId eq b and RunId ne b)", "d c"},
		{"RootRunId eq b", "d c b"},
		{"(StartTimeUtc gt 2025-12-31T00:00:00Z)", "d c b"},
	} {
		body, err := json.Marshal(map[string]any{"filter": c.filter, "top": 500})
		if err != nil {
			t.Fatal(err)
		}
		if got := names(r.must(t, "POST", "/experiments/e/runs:query", string(body))); got != c.want {
			t.Errorf("%s: %s, want %s", c.filter, got, c.want)
		}
	}
	for _, filter := range []string{"Status", "(Status eq Completed", "(Status eq Completed))", "Status eq Completed nonsense)", strings.Repeat("(", 100)} {
		body, _ := json.Marshal(map[string]any{"filter": filter})
		if status, answer := r.as(t, "ann", "POST", "/experiments/e/runs:query", string(body)); status != 400 || !strings.Contains(answer, "FilterInvalid") {
			t.Errorf("%s: %d %s", filter, status, answer)
		}
	}
}

func TestListsGoOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(t, "PATCH", "/experiments/e/runs/top", `{}`)
	for i := range 7 {
		r.must(t, "PATCH", fmt.Sprintf("/experiments/e/runs/c%d", i), fmt.Sprintf(`{"parentRunId":"top","properties":{"odd":"%d"},"startTimeUtc":"2026-01-0%dT00:00:00Z"}`, i%2, i+1))
	}
	for _, c := range []struct{ reason, query, want string }{
		{"all", "", "c6 c5 c4 c3 c2 c1 c0"},
		{"in pages", "&$top=3", "c6 c5 c4 | c3 c2 c1 | c0"},
		{"by their start", "&$orderby=StartTimeUtc+asc&$top=4", "c0 c1 c2 c3 | c4 c5 c6"},
		{"by their start, the last first", "&$orderby=StartTimeUtc+desc", "c6 c5 c4 c3 c2 c1 c0"},
		{"by their names", "&$orderby=RunId+desc", "c6 c5 c4 c3 c2 c1 c0"},
		{"looked through", "&$top=2&$filter=" + url.QueryEscape(`(Properties/odd eq "0")`), "c6 c4 | c2 c0"},
		{"looked through and by their start", "&$orderby=StartTimeUtc+asc&$top=2&$filter=" + url.QueryEscape(`(Properties/odd eq "1")`), "c1 c3 | c5"},
	} {
		var pages []string
		for token := ""; len(pages) < 10; {
			list := r.must(t, "GET", "/experiments/e/runs/top/children?$continuationToken="+url.QueryEscape(token)+c.query, "")
			if got := names(list); got != "" {
				pages = append(pages, got)
			}
			if list["continuationToken"] == nil {
				break
			}
			token = list["continuationToken"].(string)
		}
		if got := strings.Join(pages, " | "); got != c.want {
			t.Errorf("%s: %s, want %s", c.reason, got, c.want)
		}
	}
}

// TestManagedRuns: what their process says of their state counts nothing, and their last lines are fetched.
func TestManagedRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.Submit(t, "hang")
	path := "/experiments/Default/runs/" + v.Name
	domaintest.Eventually(t, func() (any, bool) {
		d := r.must(t, "GET", path, "")
		return nil, d["status"] == "Running"
	})
	for _, word := range []string{"Completed", "Failed", "Canceled", "CancelRequested"} {
		if status, answer := r.as(t, "job", "POST", path+"/events", `{"name":"Microsoft.MachineLearning.Run.`+word+`","data":{"RunId":"`+v.Name+`"}}`); status != 200 {
			t.Errorf("%s: %d %s", word, status, answer)
		}
	}
	r.must(t, "PATCH", path, `{"runId":"x","status":"Completed","tags":{"a":"b"},"properties":{"ContentSnapshotId":"s"}}`)
	d := r.must(t, "GET", path, "")
	want := "https://" + strings.TrimPrefix(r.http.URL, "https://") + strings.Replace(prefix, "/history/", "/execution/", 1) + path + "/cancel"
	if d["status"] != "Running" || d["cancelUri"] != want || d["runType"] != "azureml.scriptrun" || d["target"] != "box" {
		t.Errorf("it is %v", d)
	}
	if d := r.must(t, "GET", path+"/details", ""); d["status"] != "Running" || d["logFiles"].(map[string]any)["user_logs/std_log.txt"] == nil {
		t.Errorf("its details are %v", d)
	}
	r.must(t, "POST", path+"/events", `{"name":"Microsoft.MachineLearning.Run.Canceled","data":{"RunId":"`+v.Name+`"}}`)
	r.Await(t, v, run.Canceled)
	for i, status := range []string{"Finalizing", "Canceled"} {
		if d := r.must(t, "GET", path+"/details", ""); d["status"] != status && time.Since(must(r.Runs.Get(domaintest.Owner(t.Context()), v.Key())).Status.Ended) < time.Second {
			t.Errorf("poll %d after the end: %v", i, d["status"])
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(t, "PATCH", "/experiments/e/runs/mine", `{}`)
	for _, c := range []struct {
		who, method, path, body string
		status                  int
	}{
		{"job", "PATCH", "/experiments/e/runs/child", `{"parentRunId":"mine"}`, 200},
		{"job", "GET", "/experiments/e/runs/mine/token", "", 200},
		{"bob", "GET", "/experiments/e/runs/mine/token", "", 403},
		{"reader", "GET", "/experiments/e/runs/mine/token", "", 403},
		{"reader", "GET", "/experiments/e/runs/mine/details", "", 200},
		{"reader", "PATCH", "/experiments/e/runs/mine", `{"tags":{"a":"b"}}`, 403},
		{"reader", "POST", "/experiments/e/runs/mine/events", `{"name":"x.Completed"}`, 403},
		{"reader", "POST", "/experiments/f", "", 403},
		{"nobody", "GET", "/experiments/e", "", 401},
	} {
		if status, answer := r.as(t, c.who, c.method, c.path, c.body); status != c.status {
			t.Errorf("%s: %s %s: %d %s", c.who, c.method, c.path, status, answer)
		}
	}
}

// TestLogsOfAttempts: each attempt has a log of its own, and the last one is the one that is followed.
func TestLogsOfAttempts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"exit", "3"}, Retries: 2})
	r.Await(t, v, run.Failed)
	d := r.must(t, "GET", "/runs/"+v.Name+"/details", "")
	url := r.http.URL + "/log/" + v.Name
	want := map[string]any{"azureml-logs/01_attempt.txt": url + "/1", "azureml-logs/02_attempt.txt": url + "/2", "user_logs/std_log_again_again.txt": url + "/3"}
	if diff := cmp.Diff(want, d["logFiles"]); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	d = r.must(t, "GET", "/runs/"+v.Name+"/details", "")
	e, _ := d["error"].(map[string]any)["error"].(map[string]any)
	if d["status"] != "Failed" || e["code"] != "UserError" || !strings.Contains(e["message"].(string), "the run failed: ") {
		t.Errorf("it is %v", d)
	}
}

// TestMetricsForWidgets reads what the widgets of Jupyter make charts of.
func TestMetricsForWidgets(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), domaintest.Owner(t.Context())
	r.must(t, "PATCH", "/experiments/e/runs/a", `{}`)
	r.must(t, "PATCH", "/experiments/e/runs/b", `{}`)
	at := time.UnixMicro(1_000_000)
	key := must(r.Runs.Get(ctx, store.Key{Workspace: domaintest.Workspace, Name: "a"})).Key()
	if err := r.Runs.LogMetrics(ctx, key, []metric.Point{
		{Name: "loss", Kind: metric.Scalar, Value: 1, Time: at},
		{Name: "loss", Kind: metric.Scalar, Value: math.Inf(-1), Time: at.Add(time.Second)},
		{Name: "t", Kind: metric.Table, Data: json.RawMessage(`{"x":1,"y":"z"}`), Time: at},
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ filter, want string }{
		{"RunId eq a or RunId eq b or RunId eq none", `loss azureml.v1.scalar [map[loss:1] map[loss:-Infinity]], t azureml.v1.table [map[x:1 y:z]]`},
		{"(RunId eq a and name eq t)", `t azureml.v1.table [map[x:1 y:z]]`},
		{"(RunId eq a and CreatedUtc gt 1970-01-01T00:00:01.5Z)", `loss azureml.v1.scalar [map[loss:1] map[loss:-Infinity]]`},
		{"RunId eq b", ""},
		{"", ""},
	} {
		var got []string
		for _, m := range r.must(t, "POST", "/experiments/e/metrics:query", `{"filter":"`+c.filter+`"}`)["value"].([]any) {
			m := m.(map[string]any)
			got = append(got, fmt.Sprint(m["name"], " ", m["metricType"], " ", m["cells"]))
		}
		if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.filter, diff)
		}
	}
}
