package native

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// ExperimentPath names an experiment.
type ExperimentPath struct {
	WorkspacePath
	Name string `path:"name"`
}

func (in ExperimentPath) key() store.Key { return store.Key{Workspace: in.Workspace, Name: in.Name} }

func (a *api) routesExperiments() {
	const all, one = "/workspaces/{ws}/experiments", "/workspaces/{ws}/experiments/{name}"
	huma.Register(a.huma, a.op(http.MethodGet, all, "list-experiments", "List experiments"), a.listExperiments)
	create := a.op(http.MethodPost, all, "create-experiment", "Make an experiment")
	create.DefaultStatus = http.StatusCreated
	huma.Register(a.huma, create, a.createExperiment)
	huma.Register(a.huma, a.op(http.MethodGet, one, "get-experiment", "Show an experiment"), a.getExperiment)
	huma.Register(a.huma, a.op(http.MethodPatch, one, "change-experiment", "Set and remove tags of an experiment"), a.changeExperiment)
	huma.Register(a.huma, a.op(http.MethodDelete, one, "delete-experiment", "Hide an experiment"), a.deleteExperiment)
	huma.Register(a.huma, a.op(http.MethodPost, one+"/restore", "restore-experiment", "Show a deleted experiment again"), a.restoreExperiment)
}

func (a *api) listExperiments(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
	Deleted string `query:"deleted" enum:"deleted,all" doc:"deleted: only what was deleted; all: that too"`
},
) (*out[client.Page[client.Experiment]], error) {
	f := run.ExperimentFilter{Workspace: in.Workspace, Deleted: run.View(in.Deleted)}
	list, next, err := a.Runs.ListExperiments(ctx, f, in.page())
	return pageOf(list, next, toExperiment), err
}

func (a *api) createExperiment(ctx context.Context, in *struct {
	WorkspacePath
	Body client.Experiment
},
) (*out[client.Experiment], error) {
	e, err := a.Runs.CreateExperiment(ctx, in.Workspace, in.Body.Name, in.Body.Tags)
	return &out[client.Experiment]{toExperiment(e)}, err
}

func (a *api) getExperiment(ctx context.Context, in *ExperimentPath) (*out[client.Experiment], error) {
	e, err := a.Runs.GetExperiment(ctx, in.key())
	return &out[client.Experiment]{toExperiment(e)}, err
}

func (a *api) changeExperiment(ctx context.Context, in *struct {
	ExperimentPath
	Body client.ExperimentChange
},
) (*out[client.Experiment], error) {
	e, err := a.Runs.UpdateExperiment(ctx, in.key(), in.Body.Tags, in.Body.RemoveTags)
	return &out[client.Experiment]{toExperiment(e)}, err
}

func (a *api) deleteExperiment(ctx context.Context, in *ExperimentPath) (*out[client.Experiment], error) {
	e, err := a.Runs.DeleteExperiment(ctx, in.key())
	return &out[client.Experiment]{toExperiment(e)}, err
}

func (a *api) restoreExperiment(ctx context.Context, in *ExperimentPath) (*out[client.Experiment], error) {
	e, err := a.Runs.RestoreExperiment(ctx, in.key())
	return &out[client.Experiment]{toExperiment(e)}, err
}

func toExperiment(e run.Experiment) client.Experiment {
	return client.Experiment{
		Name: e.Name, ID: e.ID, Runs: e.Runs, Tags: e.Tags, CreatedBy: e.CreatedBy, Created: utc(e.Created), Deleted: utc(e.Deleted),
	}
}
