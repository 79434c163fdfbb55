package execution_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/api/v1"
	"github.com/zaffre-ml/zaffre/internal/api/v1/execution"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

const bodyLimit = 100_000

type rig struct {
	*domaintest.Server
	http.Handler
}

func newRig(t testing.TB) *rig {
	t.Helper()
	s := domaintest.New(t)
	workspaces := workspace.New(s.DB.Workspaces(), s.DB.LinkedServices())
	if _, _, err := workspaces.Create(identity.System(t.Context()), domaintest.Workspace); err != nil {
		t.Fatal(err)
	}
	return &rig{Server: s, Handler: v1.New(v1.Deps{
		Authenticate: func(_ context.Context, role string) (identity.Caller, error) {
			role, name, ok := strings.Cut(role, "/") // "Contributor/bob"
			if !ok {
				name = "ann"
			}
			return identity.Caller{Name: name, Roles: map[string]identity.Role{domaintest.Workspace: identity.Role(role)}}, nil
		},
		Workspaces: workspaces, Subscription: "S", Group: "G", BodyLimit: bodyLimit,
		Parts: [][]face.Call{execution.Calls(execution.Deps{
			Runs: s.Runs, Computes: s.Computes, Environments: s.Environments,
			Variables: func(_ context.Context, r run.Run, url string) (map[string]string, error) {
				return map[string]string{"AZUREML_RUN_ID": r.Name, "AZUREML_RUN_TOKEN": "token of " + r.Name, "AZUREML_SERVICE_ENDPOINT": url}, nil
			},
		})},
	})}
}

// configuration is what azureml-core 1.61 sends of an untouched RunConfiguration (testdata/default.json), with a
// script, and with changes by their paths.
func configuration(t testing.TB, changes map[string]any) map[string]any {
	t.Helper()
	raw, err := os.ReadFile("testdata/default.json")
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	c["script"], c["target"] = "train.py", "box"
	c["environment"].(map[string]any)["python"].(map[string]any)["userManagedDependencies"] = true
	for path, v := range changes {
		at, parts := c, strings.Split(path, ".")
		for _, p := range parts[:len(parts)-1] {
			if at[p] == nil {
				at[p] = map[string]any{}
			}
			at = at[p].(map[string]any)
		}
		at[parts[len(parts)-1]] = v
	}
	return c
}

// post sends JSON, or what was encoded already.
func (r *rig) post(t testing.TB, role identity.Role, path, kind string, body any) *httptest.ResponseRecorder {
	t.Helper()
	raw, ok := body.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	const base = "/execution/v1.0/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/" + domaintest.Workspace
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+path, bytes.NewReader(raw))
	q.Header.Set("Authorization", "Bearer "+string(role))
	q.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w
}

// start asks for a run, with changes to the default configuration.
func (r *rig) start(t testing.TB, name string, changes map[string]any) *httptest.ResponseRecorder {
	t.Helper()
	body := map[string]any{"TargetDetails": nil, "Configuration": configuration(t, changes), "TelemetryValues": map[string]any{"amlClientType": "azureml-sdk-core"}}
	return r.post(t, identity.Contributor, "/experiments/e/snapshotrun?runId="+name, "application/json", body)
}

func (r *rig) run(t testing.TB, name string) run.Run {
	t.Helper()
	v, err := r.Runs.Get(domaintest.Owner(t.Context()), store.Key{Workspace: domaintest.Workspace, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestNothingIsNotedOfADefault submits what nobody touched.
func TestNothingIsNotedOfADefault(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if w := r.start(t, "e_1", nil); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"runId":"e_1"}` {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	v := r.run(t, "e_1")
	if len(v.Status.Warnings) > 0 || v.Experiment != "e" || v.Origin != run.Managed || v.Properties["_azureml.ComputeTargetType"] != "remote" {
		t.Errorf("it is %+v", v)
	}
	if diff := cmp.Diff([]string{"python", "train.py"}, v.Spec.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
}

// samples ask for more than the default, by the names of Fields that are noted or refused.
func samples() map[string]map[string]any {
	dataset := map[string]any{"in": map[string]any{"dataLocation": nil}}
	return map[string]map[string]any{
		"docker.arguments":                {"docker.arguments": []string{"--ipc=host"}},
		"docker.shmSize":                  {"docker.shmSize": "8g"},
		"docker.sharedVolumes":            {"docker.sharedVolumes": false},
		"framework":                       {"framework": "PySpark"},
		"communicator":                    {"communicator": "IntelMpi"},
		"nodeCount":                       {"nodeCount": 2},
		"mpi.processCountPerNode":         {"mpi.processCountPerNode": 4},
		"mpi.nodeCount":                   {"mpi.nodeCount": 2},
		"pytorch.processCount":            {"pytorch.processCount": 8},
		"pytorch.nodeCount":               {"pytorch.nodeCount": 2},
		"tensorflow":                      {"tensorflow.workerCount": 2},
		"tensorflow.workerCount":          {"framework": "TensorFlow", "nodeCount": 2},
		"paralleltask":                    {"paralleltask.workerCountPerNode": 2},
		"credentialPassthrough":           {"credentialPassthrough": true},
		"history.outputCollection":        {"history.outputCollection": false},
		"history.snapshotProject":         {"history.snapshotProject": false},
		"history.directoriesToWatch":      {"history.directoriesToWatch": []string{"logs", "tb"}},
		"data":                            {"data": dataset},
		"outputData":                      {"outputData": dataset},
		"dataReferences":                  {"dataReferences": dataset},
		"datacaches":                      {"datacaches": []any{dataset}},
		"sourceDirectoryDataStore":        {"sourceDirectoryDataStore": "store"},
		"applicationEndpoints":            {"applicationEndpoints": map[string]any{"jupyter": map[string]any{"type": "JupyterLab"}}},
		"spark.configuration":             {"spark.configuration": map[string]any{"spark.app.name": "x", "spark.executor.cores": 4}},
		"hdi.yarnDeployMode":              {"hdi.yarnDeployMode": "client"},
		"amlcompute":                      {"amlcompute.vmSize": "STANDARD_D2"},
		"autoClusterComputeSpecification": {"autoClusterComputeSpecification": map[string]any{"instanceSize": "x"}},
		"kubernetescompute":               {"kubernetescompute.instanceType": "gpu"},
	}
}

// TestFields sets each field of the table that is not honoured: what is noted stands in the run's warnings, alone,
// and what is refused is no run.
func TestFields(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	all := samples()
	for i, f := range execution.Fields() {
		if f.Class == execution.Honoured {
			continue
		}
		changes, ok := all[f.Name]
		if !ok {
			t.Errorf("%s is %s, and nobody sets it here", f.Name, f.Class)
			continue
		}
		name := fmt.Sprint("e_", i)
		w := r.start(t, name, changes)
		switch f.Class {
		case execution.Noted:
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", f.Name, w.Code, w.Body)
				continue
			}
			if got := r.run(t, name).Status.Warnings; len(got) != 1 || !strings.HasPrefix(got[0], f.Name+" ") {
				t.Errorf("%s: the run's warnings are %q", f.Name, got)
			}
		case execution.Refused:
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"FieldUnsupported"`) || !strings.Contains(w.Body.String(), `"target":"`+f.Name+`"`) {
				t.Errorf("%s: %d %s", f.Name, w.Code, w.Body)
			}
			if _, err := r.Runs.Get(domaintest.Owner(t.Context()), store.Key{Workspace: domaintest.Workspace, Name: name}); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s: there is a run: %v", f.Name, err)
			}
		}
		delete(all, f.Name)
	}
	if len(all) > 0 {
		t.Errorf("no fields of the table: %v", slices.Sorted(maps.Keys(all)))
	}
}

// TestKnownFields has every field that the client sends stand in the table, below its name or that of its section.
func TestKnownFields(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, f := range execution.Fields() {
		first, _, _ := strings.Cut(f.Name, ".")
		known[first] = true
	}
	for name := range configuration(t, nil) {
		if !known[name] {
			t.Errorf("azureml-core sends %s, and the table does not say what becomes of it", name)
		}
	}
}

// TestHonoured looks at what fields make of a run.
func TestHonoured(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, c := range map[string]struct {
		changes map[string]any
		want    func(v run.Run) (got, want any)
	}{
		"arguments": {
			map[string]any{"arguments": []any{"--lr", 0.1, json.Number("1e-05"), json.Number("12345678901234567890"), true, nil, "a b"}},
			func(v run.Run) (any, any) {
				return v.Spec.Command, []string{"python", "train.py", "--lr", "0.1", "1e-05", "12345678901234567890", "True", "None", "a b"}
			},
		},
		"windows": {
			map[string]any{"script": `src\train.py`},
			func(v run.Run) (any, any) { return v.Spec.Command, []string{"python", "src/train.py"} },
		},
		"command": {
			map[string]any{"command": "python train.py && echo done"},
			func(v run.Run) (any, any) {
				return v.Spec.Command, []string{"bash", "-c", "python train.py && echo done"}
			},
		},
		"list": {
			map[string]any{"command": []string{"python", "train.py", "--x 1"}, "script": nil},
			func(v run.Run) (any, any) { return v.Spec.Command, []string{"bash", "-c", "python train.py --x 1"} },
		},
		"time":     {map[string]any{"maxRunDurationSeconds": 90}, func(v run.Run) (any, any) { return v.Spec.Timeout, 90 * time.Second }},
		"priority": {map[string]any{"priority": 7}, func(v run.Run) (any, any) { return v.Spec.Priority, 7 }},
		"vars": {
			map[string]any{"environmentVariables": map[string]string{"A": "1", "B": "ü\n"}},
			func(v run.Run) (any, any) { return v.Spec.Env, map[string]string{"A": "1", "B": "ü\n"} },
		},
		"gpus": {nil, func(v run.Run) (any, any) { return v.Spec.GPUs, 2 }},
	} {
		if w := r.start(t, "e_"+name, c.changes); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
			continue
		}
		got, want := c.want(r.run(t, "e_"+name))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestRefusals asks for what cannot be a run.
func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, c := range map[string]struct {
		changes map[string]any
		status  int
		reason  string
	}{
		"no script":              {map[string]any{"script": nil}, 400, "RunConfigInvalid"},
		"an argument of a list":  {map[string]any{"arguments": []any{[]int{1}}}, 400, "RunConfigInvalid"},
		"a command of numbers":   {map[string]any{"command": []int{1}}, 400, "RunConfigInvalid"},
		"a time before now":      {map[string]any{"maxRunDurationSeconds": -1}, 400, "RunConfigInvalid"},
		"a time without end":     {map[string]any{"maxRunDurationSeconds": 1e12}, 400, "RunConfigInvalid"},
		"a target that is none":  {map[string]any{"target": "nowhere"}, 404, "ComputeNotFound"},
		"an environment of text": {map[string]any{"environment": "text"}, 400, "RunConfigInvalid"},
		"variables of a list":    {map[string]any{"environmentVariables": []int{1}}, 400, "RunConfigInvalid"},
	} {
		if w := r.start(t, "e_x", c.changes); w.Code != c.status || !strings.Contains(w.Body.String(), `"`+c.reason+`"`) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, c.status, c.reason)
		}
	}
	for name, c := range map[string]struct {
		role   identity.Role
		path   string
		body   any
		status int
		reason string
	}{
		"no configuration":          {identity.Owner, "snapshotrun?runId=x", map[string]any{}, 400, "RunConfigInvalid"},
		"no JSON":                   {identity.Owner, "snapshotrun?runId=x", []byte("{"), 400, "BodyInvalid"},
		"a snapshot that is none":   {identity.Owner, "snapshotrun?runId=x", map[string]any{"Configuration": configuration(t, nil), "SnapshotId": "g"}, 404, "CodeNotFound"},
		"a parent that is none":     {identity.Owner, "snapshotrun?runId=x", map[string]any{"Configuration": configuration(t, nil), "ParentRunId": "p"}, 404, "RunNotFound"},
		"a name of two lines":       {identity.Owner, "snapshotrun?runId=a%0Ab", map[string]any{"Configuration": configuration(t, nil)}, 400, "NameInvalid"},
		"too much":                  {identity.Owner, "snapshotrun?runId=x", bytes.Repeat([]byte(" "), bodyLimit+1), 400, "BodyTooLarge"},
		"a reader":                  {identity.Reader, "snapshotrun?runId=x", map[string]any{"Configuration": configuration(t, nil)}, 403, "RoleMissing"},
		"a ZIP file of the project": {identity.Owner, "startrun?runId=x", []byte("PK"), 400, "CallUnsupported"},
	} {
		if w := r.post(t, c.role, "/experiments/e/"+c.path, "application/json", c.body); w.Code != c.status || !strings.Contains(w.Body.String(), `"`+c.reason+`"`) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, c.status, c.reason)
		}
	}
}

// TestTheSameRunAgain has a client that heard no answer ask again, and another take the name.
func TestTheSameRunAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 2 {
		if w := r.start(t, "e_1", nil); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	first := r.run(t, "e_1")
	if w := r.start(t, "e_1", map[string]any{"arguments": []any{"other"}}); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "RunDiffers") {
		t.Errorf("another run of the name: %d %s", w.Code, w.Body)
	}
	if now := r.run(t, "e_1"); now.ID != first.ID || len(now.Spec.Command) != 2 {
		t.Errorf("it has become %+v", now.Spec)
	}
	kind, body := form(t)
	if w := r.post(t, identity.Contributor, "/experiments/e/localrun?runId=e_1", kind, body); w.Code != http.StatusConflict {
		t.Errorf("a managed run, to be executed by a client: %d", w.Code)
	}
	r.start(t, "e_2", map[string]any{"command": "sleep"})
	if w := r.post(t, identity.Contributor, "/experiments/e/runs/e_2/cancel", "", []byte{}); w.Code != http.StatusOK {
		t.Errorf("cancel: %d %s", w.Code, w.Body)
	}
	if w := r.post(t, identity.Contributor, "/experiments/e/runs/none/cancel", "", []byte{}); w.Code != http.StatusNotFound {
		t.Errorf("cancel of nothing: %d %s", w.Code, w.Body)
	}
}

// TestRegistryPasswords looks for one wherever a run's definition is kept.
func TestRegistryPasswords(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	secret := "hush-hush-canary"
	w := r.start(t, "e_1", map[string]any{"environment.docker.baseImageRegistry": map[string]any{"address": "r.example", "username": "u", "password": secret}})
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	v := r.run(t, "e_1")
	e, err := r.Environments.Get(domaintest.Owner(t.Context()), domaintest.Workspace, v.Spec.Environment)
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"definition": string(v.Definition), "environment": string(e.Document), "all of the run": fmt.Sprintf("%+v", v)} {
		if strings.Contains(text, secret) {
			t.Errorf("the %s holds the password: %s", where, text)
		}
	}
	if !strings.Contains(string(v.Definition), "r.example") || len(v.Status.Warnings) != 1 || !strings.Contains(v.Status.Warnings[0], "password") {
		t.Errorf("warnings %q; definition %s", v.Status.Warnings, v.Definition)
	}
}

// part is one of a multipart request.
type part struct {
	name string
	body []byte
}

// form is what azureml-core sends for the target local: both parts are called "files".
func form(t testing.TB, parts ...part) (kind string, body []byte) {
	t.Helper()
	if parts == nil {
		parts = []part{{"definition.json", definition(t, nil)}, {"aml_config.zip", []byte("PK\x05\x06" + strings.Repeat("\x00", 18))}}
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		to, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="files"; filename="%s"`, p.name)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write(p.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func definition(t testing.TB, changes map[string]any) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"TargetDetails": nil, "Configuration": configuration(t, changes), "TelemetryValues": nil})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// bomb is a ZIP file of a few bytes that becomes many, with names that lead away.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"../../escaped", "/tmp/zaffre-escaped", `..\escaped`, "definition.json"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, 5<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestLocalRun takes the ZIP file apart that a client gets for the target local.
func TestLocalRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := definition(t, map[string]any{"target": "local", "arguments": []any{"--lr", 0.1}, "environmentVariables": map[string]string{"A": "1"}, "docker.arguments": []string{"-x"}})
	kind, raw := form(t, part{"aml_config.zip", bomb(t)}, part{"definition.json", body})
	w := r.post(t, identity.Contributor, "/experiments/e/localrun?runId=e_1", kind, raw)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/zip" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	files := unzip(t, w.Body.Bytes())
	want := []string{"azureml-setup/Invocation.sh", "azureml-setup/job.json", "azureml-setup/python/sitecustomize.py", "azureml-setup/run.py"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	var job struct {
		URL, Run, Token, Interpreter, History string
		Command, Warnings                     []string
		Variables                             map[string]string
	}
	if err := json.Unmarshal([]byte(files["azureml-setup/job.json"]), &job); err != nil {
		t.Fatal(err)
	}
	if job.Run != "e_1" || job.Token != "token of e_1" || job.Interpreter != "python" || !strings.HasPrefix(job.URL, "https://") || !strings.HasSuffix(job.History, "/experiments/e/runs/e_1") {
		t.Errorf("the job is %+v", job)
	}
	if diff := cmp.Diff([]string{"python", "train.py", "--lr", "0.1"}, job.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if job.Variables["A"] != "1" || job.Variables["AZUREML_RUN_ID"] != "e_1" || job.Variables["EXAMPLE_ENV_VAR"] != "EXAMPLE_VALUE" || len(job.Warnings) != 1 {
		t.Errorf("variables %v, warnings %v", job.Variables, job.Warnings)
	}
	v := r.run(t, "e_1")
	if v.Origin != run.External || v.Status.State != run.NotStarted || v.Properties["_azureml.ComputeTargetType"] != "local" {
		t.Errorf("the run is %+v", v)
	}
	if again := r.post(t, identity.Contributor, "/experiments/e/localrun?runId=e_1", kind, raw); again.Code != http.StatusOK || r.run(t, "e_1").ID != v.ID {
		t.Errorf("again: %d", again.Code)
	}
}

// TestRunsOfOthers has somebody ask for what executes a run that he did not make: its token would be in it.
func TestRunsOfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	kind, body := form(t)
	for _, c := range []struct {
		who    identity.Role
		status int
	}{{identity.Contributor, 200}, {"Contributor/bob", 403}, {"Tracker/bob", 403}, {"Owner/bob", 403}, {identity.Tracker, 200}, {identity.Reader, 403}} {
		w := r.post(t, c.who, "/experiments/e/localrun?runId=e_1", kind, body)
		if w.Code != c.status || w.Code != http.StatusOK && strings.Contains(w.Body.String(), "token of e_1") {
			t.Errorf("%s: %d %.200q, want %d", c.who, w.Code, w.Body, c.status)
		}
	}
}

func unzip(t testing.TB, raw []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}

// TestLocalRunRefusals sends requests that are broken. Nothing of what comes in them is written anywhere.
func TestLocalRunRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	temp := filepath.Join(os.TempDir(), "zaffre-escaped")
	good, goodBody := form(t)
	_, zipOnly := form(t, part{"aml_config.zip", bomb(t)}, part{"../definition.json.zip", bomb(t)})
	before := r.everything(t)
	for name, c := range map[string]struct {
		kind   string
		body   []byte
		reason string
	}{
		"no multipart":           {"application/json", goodBody, "RunConfigInvalid"},
		"no boundary":            {"multipart/form-data", goodBody, "RunConfigInvalid"},
		"another boundary":       {"multipart/form-data; boundary=x", goodBody, "BodyInvalid"},
		"cut in the head":        {good, goodBody[:100], "RunConfigInvalid"},
		"cut before":             {"", zipOnly[:1000], "BodyInvalid"},
		"cut in the definition":  {good, goodBody[:300], "RunConfigInvalid"},
		"nothing":                {good, nil, "BodyInvalid"},
		"no definition":          {"", zipOnly, "RunConfigInvalid"},
		"a definition too large": {"", big(t), "RunConfigInvalid"},
	} {
		if c.kind == "" {
			c.kind = "multipart/form-data; boundary=" + string(c.body[2:2+60])
		}
		w := r.post(t, identity.Contributor, "/experiments/e/localrun?runId=e_1", c.kind, c.body)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"`+c.reason+`"`) {
			t.Errorf("%s: %d %.300s, want %s", name, w.Code, w.Body, c.reason)
		}
	}
	if diff := cmp.Diff(before, r.everything(t)); diff != "" {
		t.Errorf("requests that were refused left (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(temp); err == nil {
		t.Errorf("%s was written", temp)
	}
}

func big(t testing.TB) []byte {
	_, body := form(t, part{"definition.json", append(bytes.Repeat([]byte(" "), bodyLimit), definition(t, nil)...)})
	return body
}

// everything is what is kept: the names of all bytes, and the runs.
func (r *rig) everything(t testing.TB) (names []string) {
	t.Helper()
	if err := r.Blobs.List(t.Context(), "", func(name string, _ int64) error { names = append(names, name); return nil }); err != nil {
		t.Fatal(err)
	}
	runs, _, err := r.DB.Runs().List(t.Context(), run.Filter{Workspace: domaintest.Workspace}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range runs {
		names = append(names, "run "+v.Name)
	}
	slices.Sort(names)
	return names
}

// FuzzDefinition sends any definition, for a target that is not there: the fault is never the server's.
func FuzzDefinition(f *testing.F) {
	r := newRig(f)
	raw, err := json.Marshal(configuration(f, map[string]any{"target": "none"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw))
	f.Add(`{"script":"a","arguments":[1e400,null,true],"command":[[]],"nodeCount":-1}`)
	f.Add(`{"command":"x","environment":{"name":"a/b","python":{"condaDependencies":"x"},"docker":{"baseImageRegistry":[]}}}`)
	f.Fuzz(func(t *testing.T, conf string) {
		if strings.Contains(conf, "box") || strings.Contains(conf, "server") {
			t.Skip()
		}
		w := r.post(t, identity.Contributor, "/experiments/e/snapshotrun?runId=e_f", "application/json", []byte(`{"Configuration":`+conf+`}`))
		if w.Code >= 500 {
			t.Errorf("%s: %d %s", conf, w.Code, w.Body)
		}
	})
}
