package native

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// RunPath names a run.
type RunPath struct {
	WorkspacePath
	ID string `path:"id" doc:"The name that the client gave, else the ULID"`
}

func (in RunPath) key() store.Key { return store.Key{Workspace: in.Workspace, Name: in.ID} }

func (a *api) routesRuns() {
	const all, one = "/workspaces/{ws}/runs", "/workspaces/{ws}/runs/{id}"
	huma.Register(a.huma, a.op(http.MethodGet, all, "list-runs", "List runs, the newest first"), a.listRuns)
	submit := a.op(http.MethodPost, all, "submit-run", "Submit a run (201); the same name and settings again are the same run (200)")
	submit.DefaultStatus = http.StatusCreated
	huma.Register(a.huma, submit, a.submitRun)
	huma.Register(a.huma, a.op(http.MethodGet, one, "get-run", "Show a run"), a.getRun)
	huma.Register(a.huma, a.op(http.MethodPost, one+"/cancel", "cancel-run", "Ask for a run's end"), a.cancelRun)
	huma.Register(a.huma, a.op(http.MethodGet, one+"/artifacts", "list-artifacts", "List the files that a run left"), a.listArtifacts)
	file := a.op(http.MethodGet, one+"/artifacts/{path...}", "get-artifact", "Read a file that a run left; takes Range")
	file.Responses = streams("application/octet-stream")
	huma.Register(a.huma, file, a.getArtifact)
	huma.Register(a.huma, a.op(http.MethodGet, "/workspaces/{ws}/experiments", "list-experiments", "List experiments"), a.listExperiments)
}

// streams describes an answer that is no JSON.
func streams(types ...string) map[string]*huma.Response {
	content := map[string]*huma.MediaType{}
	for _, t := range types {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	}
	return map[string]*huma.Response{"200": {Description: "OK", Content: content}}
}

func (a *api) listRuns(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
	Experiment string `query:"experiment"`
	State      string `query:"state" enum:"NotStarted,Preparing,Queued,Running,Finalizing,CancelRequested,Completed,Failed,Canceled"`
	Active     bool   `query:"active" doc:"Only those that have not ended"`
	Compute    string `query:"compute"`
	Parent     string `query:"parent"`
	Tag        string `query:"tag" doc:"name or name=value"`
},
) (*out[client.Page[client.Run]], error) {
	list, next, err := a.Runs.List(ctx, run.Filter{
		Workspace: in.Workspace, Experiment: in.Experiment, Target: in.Compute, Parent: in.Parent,
		State: run.State(in.State), Active: in.Active, Tag: in.Tag,
	}, in.page())
	return pageOf(list, next, toRun), err
}

func (a *api) submitRun(ctx context.Context, in *struct {
	WorkspacePath
	Body client.RunRequest
},
) (*outStatus[client.Run], error) {
	r, created, err := a.Runs.Submit(ctx, fromRunRequest(in.Workspace, in.Body))
	return made(toRun(r), created), err
}

func (a *api) getRun(ctx context.Context, in *RunPath) (*out[client.Run], error) {
	r, err := a.Runs.Get(ctx, in.key())
	return &out[client.Run]{toRun(r)}, err
}

func (a *api) cancelRun(ctx context.Context, in *RunPath) (*out[client.Run], error) {
	r, err := a.Runs.Cancel(ctx, in.key())
	return &out[client.Run]{toRun(r)}, err
}

func (a *api) listArtifacts(ctx context.Context, in *struct {
	RunPath
	PageQuery
	Prefix string `query:"prefix" doc:"Of their paths: outputs/ or logs/"`
},
) (*out[client.Page[client.Artifact]], error) {
	list, next, err := a.Runs.ListArtifacts(ctx, in.key(), in.Prefix, in.page())
	return pageOf(list, next, toArtifact), err
}

func (a *api) getArtifact(ctx context.Context, in *struct {
	RunPath
	Path string `path:"path"`
},
) (*huma.StreamResponse, error) {
	file, body, err := a.Runs.OpenArtifact(ctx, in.key(), in.Path, 0)
	if err != nil {
		return nil, err
	}
	return sendFile(ctx, file, body, a.Runs.ReopenArtifact), nil
}

func (a *api) listExperiments(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
},
) (*out[client.Page[client.Experiment]], error) {
	list, next, err := a.Runs.ListExperiments(ctx, run.ExperimentFilter{Workspace: in.Workspace}, in.page())
	return pageOf(list, next, toExperiment), err
}
