package mlflow

import (
	"io"
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// Endpoint is a row of the table of what MLflow's server has.
type Endpoint struct {
	Method, Path string
	Note         string // where it differs
	Refused      string // why it does not work; "" for what works
	Fix          string // what to do instead

	handle func(a *api, c call) (any, error)
	stream func(a *api, w http.ResponseWriter, c call) error
	open   func(a *api, w http.ResponseWriter, r *http.Request) // without a token
}

const (
	v2 = "/api/2.0/mlflow/"
	v3 = "/api/3.0/mlflow/"
)

// Table is every endpoint that the clients of MLflow 2.22 and 3.17 know. It is what the handler is made
// of, and what docs/reference/mlflow.md says.
func Table() []Endpoint {
	return append(append(tracking(), registry()...), refused()...)
}

func tracking() []Endpoint {
	type h = func(a *api, c call) (any, error)
	on := func(method, path string, handle h) Endpoint {
		return Endpoint{Method: method, Path: v2 + path, handle: handle}
	}
	noted := func(e Endpoint, note string) Endpoint { e.Note = note; return e }
	get, post, patch, del := http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	return []Endpoint{
		{Method: get, Path: "/health", open: health},
		{Method: get, Path: "/version", open: version},
		{Method: get, Path: v3 + "server-info", open: serverInfo},
		noted(Endpoint{Method: get, Path: v3 + "workspaces", handle: (*api).listWorkspaces}, "those that the token is good for"),
		{Method: get, Path: v3 + "workspaces/{name}", handle: (*api).getWorkspace},

		noted(on(post, "experiments/create", (*api).createExperiment), "artifact_location is refused: the server keeps the files"),
		on(get, "experiments/get", (*api).getExperiment),
		on(get, "experiments/get-by-name", (*api).getExperimentByName),
		on(post, "experiments/search", (*api).searchExperiments),
		on(get, "experiments/search", (*api).searchExperiments),
		on(post, "experiments/delete", (*api).deleteExperiment),
		on(post, "experiments/restore", (*api).restoreExperiment),
		noted(on(post, "experiments/update", (*api).updateExperiment), "an experiment keeps its name: another is refused"),
		on(post, "experiments/set-experiment-tag", (*api).setExperimentTag),
		on(post, "experiments/delete-experiment-tag", (*api).deleteExperimentTag),
		on(post, "experiments/search-datasets", (*api).searchDatasets),

		on(post, "runs/create", (*api).createRun),
		on(get, "runs/get", (*api).getRun),
		noted(on(post, "runs/update", (*api).updateRun), "of a run that zaffre executes only the name changes: its state is what its process does"),
		on(post, "runs/delete", (*api).deleteRun),
		on(post, "runs/restore", (*api).restoreRun),
		on(post, "runs/search", (*api).searchRuns),
		on(post, "runs/log-metric", (*api).logMetric),
		on(post, "runs/log-batch", (*api).logBatch),
		on(post, "runs/log-parameter", (*api).logParameter),
		on(post, "runs/set-tag", (*api).setTag),
		on(post, "runs/delete-tag", (*api).deleteTag),
		on(post, "runs/log-model", (*api).logModel),
		on(post, "runs/log-inputs", (*api).logInputs),
		on(post, "runs/outputs", (*api).logOutputs),
		on(get, "artifacts/list", (*api).listArtifacts),
		{Method: get, Path: v2 + "metrics/get-history", stream: (*api).getHistory},
		noted(on(get, "metrics/get-history-bulk-interval", (*api).getInterval), "points are spread evenly over the steps"),

		on(post, "logged-models", (*api).createLogged),
		noted(on(post, "logged-models/search", (*api).searchLogged), "datasets are refused"),
		noted(on(get, "logged-models/{model}", (*api).getLogged), "a deleted one is gone: allow_deleted finds none"),
		on(patch, "logged-models/{model}", (*api).finalizeLogged),
		on(del, "logged-models/{model}", (*api).deleteLogged),
		on(patch, "logged-models/{model}/tags", (*api).setLoggedTags),
		on(del, "logged-models/{model}/tags/{tag}", (*api).deleteLoggedTag),
		on(post, "logged-models/{model}/params", (*api).logLoggedParams),
		on(get, "logged-models/{model}/artifacts/directories", (*api).listLoggedFiles),
	}
}

func registry() []Endpoint {
	type h = func(a *api, c call) (any, error)
	on := func(method, path string, handle h) Endpoint {
		return Endpoint{Method: method, Path: v2 + path, handle: handle}
	}
	get, post, patch, del := http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	create := on(post, "model-versions/create", (*api).createVersion)
	create.Note = "files of runs and logged models become the version's own; a source elsewhere is kept as it is"
	return []Endpoint{
		on(post, "registered-models/create", (*api).createModel),
		on(get, "registered-models/get", (*api).getModel),
		on(get, "registered-models/search", (*api).searchModels),
		on(patch, "registered-models/update", (*api).updateModel),
		on(post, "registered-models/rename", (*api).renameModel),
		on(del, "registered-models/delete", (*api).deleteModel),
		on(post, "registered-models/get-latest-versions", (*api).latestVersions),
		on(get, "registered-models/get-latest-versions", (*api).latestVersions),
		on(post, "registered-models/set-tag", (*api).setModelTag),
		on(del, "registered-models/delete-tag", (*api).deleteModelTag),
		on(post, "registered-models/alias", (*api).setAlias),
		on(get, "registered-models/alias", (*api).getByAlias),
		on(del, "registered-models/alias", (*api).deleteAlias),
		create,
		on(get, "model-versions/get", (*api).getVersion),
		on(get, "model-versions/search", (*api).searchVersions),
		on(patch, "model-versions/update", (*api).updateVersion),
		on(post, "model-versions/transition-stage", (*api).transition),
		on(del, "model-versions/delete", (*api).deleteVersion),
		on(get, "model-versions/get-download-uri", (*api).downloadURI),
		on(post, "model-versions/set-tag", (*api).setVersionTag),
		on(del, "model-versions/delete-tag", (*api).deleteVersionTag),
	}
}

func refused() []Endpoint {
	var out []Endpoint
	// A path that ends in a slash stands for all below it.
	no := func(why, fix string, paths ...string) {
		for _, p := range paths {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
				out = append(out, Endpoint{Method: method, Path: p, Refused: why, Fix: fix})
			}
		}
	}
	no("zaffre keeps no traces of calls", "log to a tracing system; training does not need traces",
		v2+"traces", v2+"traces/", v3+"traces", v3+"traces/")
	no("zaffre keeps no data sets for evaluation", "keep them as files, and log them with mlflow.log_input", v3+"datasets", v3+"datasets/")
	no("zaffre calls no other servers about models", "watch events; run: zaffre event list", v2+"webhooks", v2+"webhooks/")
	no("zaffre judges no answers of language models", "log the scores as metrics",
		v3+"scorers/", v3+"issues", v3+"issues/", v3+"label-schemas/", v3+"review-queues/", v3+"jobs/", v3+"assessments/")
	no("zaffre is no gateway to language models", "run MLflow's own gateway beside it", v2+"gateway/", v3+"gateway/", v2+"gateway-proxy")
	no("uploads go through the server, in one piece", "leave MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD unset",
		"/api/2.0/mlflow-artifacts/mpu/", "/api/2.0/mlflow-artifacts/presigned/", v2+"artifacts/presigned-upload-url", v2+"artifacts/presigned-download-url")
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
		path := v3 + "workspaces/{name}"
		if method == http.MethodPost {
			path = v3 + "workspaces"
		}
		out = append(out, Endpoint{Method: method, Path: path, Refused: "workspaces are not MLflow's to change", Fix: "an owner creates them; run: zaffre workspace create NAME"})
	}
	return out
}

func health(_ *api, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "OK") // the caller may have gone
}

func version(_ *api, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, Version) // the caller may have gone
}

// serverInfo tells clients of MLflow 3 what to try. They ask for it before they log in.
func serverInfo(_ *api, w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{
		"store_type": "SqlStore", "workspaces_enabled": true, "trace_archival_enabled": false,
		"multipart_uploads_enabled": false, "multipart_downloads_enabled": false,
		"presigned_upload_run_id_supported": false, "presigned_upload_model_id_supported": false,
		"features_enabled": map[string]bool{"gateway": false},
	})
}

type wireWorkspace struct {
	Name string `json:"name"`
}

func (a *api) listWorkspaces(c call) (any, error) {
	list, err := everyPage(func(p store.Page) ([]workspace.Workspace, string, error) { return a.Workspaces.List(c.Context(), p) })
	out := struct {
		Workspaces []wireWorkspace `json:"workspaces"`
	}{[]wireWorkspace{}}
	for _, w := range list {
		out.Workspaces = append(out.Workspaces, wireWorkspace{Name: w.Name})
	}
	return out, err
}

func (a *api) getWorkspace(c call) (any, error) {
	w, err := a.Workspaces.Get(c.Context(), c.PathValue("name"))
	if fault.CodeOf(err) == fault.Denied {
		err = noWorkspace(c.PathValue("name"))
	}
	return map[string]wireWorkspace{"workspace": {Name: w.Name}}, err
}
