package metric_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/api/v1"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/api/v1/metric"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// rig is the service behind the face, with an external run "r".
func rig(t testing.TB) func(path, body string) (int, string) {
	t.Helper()
	s := domaintest.New(t)
	workspaces := workspace.New(s.DB.Workspaces(), s.DB.LinkedServices())
	if _, _, err := workspaces.Create(identity.System(t.Context()), domaintest.Workspace); err != nil {
		t.Fatal(err)
	}
	ctx := domaintest.Owner(t.Context())
	if _, _, err := s.Runs.CreateExternal(ctx, run.ExternalRequest{Workspace: domaintest.Workspace, Name: "r"}); err != nil {
		t.Fatal(err)
	}
	h := v1.New(v1.Deps{
		Authenticate: func(context.Context, string) (identity.Caller, error) { return identity.From(ctx), nil },
		Workspaces:   workspaces, Subscription: "S", Group: "G", BodyLimit: 1 << 20,
		Parts: [][]face.Call{metric.Calls(metric.Deps{Runs: s.Runs})},
	})
	return func(path, body string) (int, string) {
		const base = "/metric/v2.0/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/" + domaintest.Workspace
		q := httptest.NewRequestWithContext(ctx, http.MethodPost, base+"/runs/"+path, strings.NewReader(body))
		q.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		return w.Code, w.Body.String()
	}
}

// logged sends values of one metric and returns what is read back: the columns, and the cells of each value.
func logged(t testing.TB, post func(path, body string) (int, string), kind, columns string, cells ...string) (status int, got string) {
	t.Helper()
	var values []string
	for i, cell := range cells {
		values = append(values, fmt.Sprintf(`{"metricId":"id%d","createdUtc":"2026-01-01T00:00:00.000001Z","data":%s}`, i, cell))
	}
	body := fmt.Sprintf(`{"values":[{"name":"m","columns":%s,"value":[%s],"properties":{"uxMetricType":"azureml.%s"}}],"reportErrors":false}`, columns, strings.Join(values, ","), kind)
	for range 2 { // a client that heard no answer repeats itself
		if status, answer := post("r/batch", body); status != http.StatusOK {
			return status, answer
		}
	}
	status, answer := post("r/full", `{"metricName":"m"}`)
	var out struct {
		Columns map[string]string
		Value   []struct{ Data json.RawMessage }
	}
	if err := json.Unmarshal([]byte(answer), &out); err != nil {
		return status, answer
	}
	raw, _ := json.Marshal(out.Columns)
	got = string(raw)
	for _, v := range out.Value {
		got += " " + string(v.Data)
	}
	return status, got
}

func TestReadsBackWhatWasLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind, columns string
		cells               []string
		want                string
	}{
		{"double", "v1.scalar", `{"m":"double"}`, []string{`{"m":0.5}`, `{"m":0.5}`}, `{"m":"double"} {"m":0.5} {"m":0.5}`},
		{"int", "v1.scalar", `{"m":"int"}`, []string{`{"m":42}`}, `{"m":"int"} {"m":42}`},
		{"int that no double is", "v1.scalar", `{"m":"int"}`, []string{`{"m":9007199254740993}`}, `{"m":"int"} {"m":9007199254740993}`},
		{"no numbers of JSON", "v1.scalar", `{"m":"double"}`, []string{`{"m":NaN}`, `{"m":-Infinity}`, `{"m":Infinity}`}, `{"m":"double"} {"m":"NaN"} {"m":"-Infinity"} {"m":"Infinity"}`},
		{"text", "v1.scalar", `{"m":"string"}`, []string{`{"m":"NaN \" NaN"}`}, `{"m":"string"} {"m":"NaN \" NaN"}`},
		{"none", "v1.scalar", `{"m":"none"}`, []string{`{"m":null}`}, `{"m":"none"} {"m":null}`},
		{"list of both", "v1.list", `{"m":"double"}`, []string{`{"m":1}`, `{"m":2.5}`, `{"m":NaN}`}, `{"m":"double"} {"m":1} {"m":2.5} {"m":"NaN"}`},
		{"list of all sorts", "v1.list", `{"m":"int"}`, []string{`{"m":1}`, `{"m":"x"}`, `{"m":null}`}, `{"m":"string"} {"m":1} {"m":"x"} {"m":null}`},
		{"rows that lack a column", "v1.table", `{"a":"int","b":"double"}`, []string{`{"a":1}`, `{"a":2,"b":0.5}`}, `{"a":"int","b":"string"} {"a":1,"b":null} {"a":2,"b":0.5}`},
		{"image", "v2.image", `{"m":"Artifact"}`, []string{`{"m":"aml://artifactId/ExperimentRun/dcid.r/./p/x.png"}`}, `{"m":"Artifact"} {"m":"aml://artifactId/ExperimentRun/dcid.r/p/x.png"}`},
		{"another run's", "v2.image", `{"m":"Artifact"}`, []string{`{"m":"aml://artifactId/ExperimentRun/dcid.s/x.png"}`}, `{"m":"string"} {"m":"aml://artifactId/ExperimentRun/dcid.s/x.png"}`},
		{"matrix", "v2.confusion_matrix", `{"m":"Artifact"}`, []string{`{"m":"aml://artifactId/ExperimentRun/dcid.r/m"}`}, `{"m":"string"} {"m":"aml://artifactId/ExperimentRun/dcid.r/m"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, got := logged(t, rig(t), c.kind, c.columns, c.cells...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTellsWhatItDoesNotKeep(t *testing.T) {
	t.Parallel()
	post := rig(t)
	status, answer := post("r/batch", `{"values":[{"name":"","value":[{"data":{"":1}}]},{"name":"m","value":[{"data":{"n":1}}]},{"name":"ok","value":[{"data":{"ok":1}}]}],"reportErrors":true}`)
	if status != http.StatusOK || strings.Count(answer, "errorResponse") != 2 {
		t.Errorf("%d %s, want two errors", status, answer)
	}
	status, answer = post("r/list", `{}`)
	if status != http.StatusOK || strings.Count(answer, "metricKey") != 1 || !strings.Contains(answer, `"name":"ok"`) {
		t.Errorf("the list is %d %s", status, answer)
	}
	for path, body := range map[string]string{"r/full": `{"metricName":"none"}`, "s/list": `{}`} {
		if status, answer := post(path, body); status != http.StatusNotFound {
			t.Errorf("%s: %d %s, want 404", path, status, answer)
		}
	}
}

func FuzzLog(f *testing.F) {
	for _, seed := range []string{`{"m":1}`, `{"m":NaN,"":2}`, `{"m":{"a":[1]}}`, `{"m":"\"NaN"}`, `{"m":1e999}`, `{}`} {
		f.Add("v1.table", seed)
		f.Add("v1.scalar", seed)
	}
	post := rig(f)
	f.Fuzz(func(t *testing.T, kind, cell string) {
		if raw, err := json.Marshal(kind); err != nil || string(raw) != `"`+kind+`"` {
			t.Skip()
		}
		if status, answer := logged(t, post, kind, `{"m":"double"}`, cell); status >= 500 {
			t.Errorf("%d %s", status, answer)
		}
	})
}
