package native

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/environment"
)

// VersionPath names a version of an environment.
type VersionPath struct {
	WorkspacePath
	Name    string `path:"name" doc:"Name of the environment"`
	Version string `path:"version" pattern:"^([1-9][0-9]{0,8}|latest)$" doc:"A number, or latest"`
}

func (in VersionPath) ref() string { return in.Name + ":" + in.Version }

// BuildPath names a version on a compute target.
type BuildPath struct {
	VersionPath
	Compute string `query:"compute" required:"true" doc:"Name of the compute target"`
}

// BuildRequest asks for a build.
type BuildRequest struct {
	Compute string `json:"compute" doc:"Name of the compute target"`
}

func (a *api) routesEnvironments() {
	const all = "/workspaces/{ws}/environments"
	const version = all + "/{name}/versions/{version}"
	huma.Register(a.huma, a.op(http.MethodGet, all, "list-environments", "List versions of environments"), a.listEnvironments)
	huma.Register(a.huma, a.op(http.MethodPost, all, "register-environment", "Register a definition: the version that has it, a new one if there is none"), a.registerEnvironment)
	huma.Register(a.huma, a.op(http.MethodGet, version, "get-environment", "Show a version of an environment"), a.getEnvironment)
	huma.Register(a.huma, a.op(http.MethodPost, version+"/builds", "build-environment", "Have an environment built on a compute target"), a.buildEnvironment)
	huma.Register(a.huma, a.op(http.MethodGet, version+"/builds", "get-build", "Show the state of an environment on a compute target"), a.getBuild)
}

func (a *api) listEnvironments(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
	Name string `query:"name"`
},
) (*out[client.Page[client.Environment]], error) {
	list, next, err := a.Environments.List(ctx, environment.Filter{Workspace: in.Workspace, Name: in.Name}, in.page())
	return pageOf(list, next, toEnvironment), err
}

func (a *api) registerEnvironment(ctx context.Context, in *struct {
	WorkspacePath
	Body client.Environment
},
) (*out[client.Environment], error) {
	e, err := a.Environments.Register(ctx, fromEnvironment(in.Workspace, in.Body))
	return &out[client.Environment]{toEnvironment(e)}, err
}

func (a *api) getEnvironment(ctx context.Context, in *VersionPath) (*out[client.Environment], error) {
	e, err := a.Environments.Get(ctx, in.Workspace, in.ref())
	return &out[client.Environment]{toEnvironment(e)}, err
}

func (a *api) buildEnvironment(ctx context.Context, in *struct {
	VersionPath
	Body BuildRequest
},
) (*out[client.Build], error) {
	b, err := a.Environments.Build(ctx, in.Workspace, in.ref(), compute.KeyOf(in.Workspace, in.Body.Compute))
	return &out[client.Build]{toBuild(b)}, err
}

func (a *api) getBuild(ctx context.Context, in *BuildPath) (*out[client.Build], error) {
	b, err := a.Environments.BuildOf(ctx, in.Workspace, in.ref(), compute.KeyOf(in.Workspace, in.Compute))
	return &out[client.Build]{toBuild(b)}, err
}
