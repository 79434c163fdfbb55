package native

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
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
	external := a.op(http.MethodPost, "/workspaces/{ws}/external-runs", "create-external-run", "Record a run that the caller executes (201); the same name again is the same run (200)")
	external.DefaultStatus = http.StatusCreated
	huma.Register(a.huma, external, a.createExternal)
	huma.Register(a.huma, a.op(http.MethodPatch, one, "change-run", "Label a run, and move it if it is external"), a.changeRun)
	huma.Register(a.huma, a.op(http.MethodDelete, one, "delete-run", "Hide a run that has ended from lists"), a.deleteRun)
	huma.Register(a.huma, a.op(http.MethodPost, one+"/restore", "restore-run", "Show a deleted run again"), a.restoreRun)
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
	Experiment string   `query:"experiment"`
	State      string   `query:"state" enum:"NotStarted,Preparing,Queued,Running,Finalizing,CancelRequested,Completed,Failed,Canceled"`
	Active     bool     `query:"active" doc:"Only those that have not ended"`
	Compute    string   `query:"compute"`
	Parent     string   `query:"parent"`
	Tag        string   `query:"tag" doc:"name or name=value"`
	Where      string   `query:"where" doc:"Clauses in MLflow's language: metrics.acc > 0.9 AND params.lr = '0.1'"`
	Order      []string `query:"order,explode" doc:"Columns to sort by: metrics.acc DESC. With where or order the list is a search, and without order it is sorted by the start, the last first"`
	Deleted    string   `query:"deleted" enum:"deleted,all" doc:"deleted: only what was deleted; all: that too"`
	Metrics    []string `query:"metrics,explode" doc:"Names of metrics whose latest values are to come with the runs"`
},
) (*out[client.Page[client.Run]], error) {
	f := run.Filter{
		Workspace: in.Workspace, Experiment: in.Experiment, Target: in.Compute, Parent: in.Parent,
		State: run.State(in.State), Active: in.Active, Tag: in.Tag, Deleted: run.View(in.Deleted),
	}
	var err error
	if f.Where, f.Order, err = search(in.Where, in.Order); err != nil {
		return nil, err
	}
	list, next, err := a.Runs.List(ctx, f, in.page())
	if err != nil || len(in.Metrics) == 0 {
		return pageOf(list, next, toRun), err
	}
	logged, err := a.Runs.MetricsOf(ctx, in.Workspace, list, in.Metrics)
	return pageOf(list, next, func(r run.Run) client.Run { return withMetrics(r, logged[r.ID]) }), err
}

// search reads what a list is searched by.
func search(filter string, columns []string) (where []query.Clause, order []query.Order, err error) {
	for _, text := range columns {
		o, err := query.ParseOrder(text)
		if err != nil {
			return nil, nil, err
		}
		order = append(order, o)
	}
	where, err = query.Parse(filter)
	return where, order, err
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

func (a *api) createExternal(ctx context.Context, in *struct {
	WorkspacePath
	Body client.ExternalRun
},
) (*outStatus[client.Run], error) {
	q := in.Body
	r, created, err := a.Runs.CreateExternal(ctx, run.ExternalRequest{
		Workspace: in.Workspace, Name: q.Name, Experiment: q.Experiment, Display: q.Display, Parent: q.Parent,
		Tags: q.Tags, Params: q.Params, User: q.User, Started: q.Started,
	})
	return made(toRun(r), created), err
}

func (a *api) changeRun(ctx context.Context, in *struct {
	RunPath
	Body client.RunChange
},
) (*out[client.Run], error) {
	r, err := a.Runs.Label(ctx, in.key(), in.Body.Tags, in.Body.Params, in.Body.RemoveTags)
	if c, some := fromRunChange(in.Body); err == nil && some {
		r, err = a.Runs.UpdateExternal(ctx, in.key(), c)
	}
	return &out[client.Run]{toRun(r)}, err
}

func (a *api) deleteRun(ctx context.Context, in *RunPath) (*out[client.Run], error) {
	r, err := a.Runs.DeleteRun(ctx, in.key())
	return &out[client.Run]{toRun(r)}, err
}

func (a *api) restoreRun(ctx context.Context, in *RunPath) (*out[client.Run], error) {
	r, err := a.Runs.RestoreRun(ctx, in.key())
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
