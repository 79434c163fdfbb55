package native

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/compute"
)

// ComputePath names a compute target.
type ComputePath struct {
	WorkspacePath
	Name string `path:"name" doc:"Name of the compute target"`
}

func (a *api) routesComputes() {
	const one = "/workspaces/{ws}/computes/{name}"
	huma.Register(a.huma, a.op(http.MethodGet, "/workspaces/{ws}/computes", "list-computes", "List compute targets; the implicit one comes first"), a.listComputes)
	huma.Register(a.huma, a.op(http.MethodGet, one, "get-compute", "Show a compute target"), a.getCompute)
	huma.Register(a.huma, a.op(http.MethodPut, one, "attach-compute", "Attach a compute target (201), or bring it to these options (200)"), a.attachCompute)
	huma.Register(a.huma, a.op(http.MethodPatch, one, "update-compute", "Change options of a compute target; the others stay"), a.updateCompute)
	huma.Register(a.huma, a.op(http.MethodDelete, one, "detach-compute", "Detach a compute target: the machine stays, what zaffre left on it goes. Or delete one that zaffre made"), a.detachCompute)
	huma.Register(a.huma, a.op(http.MethodPost, one+"/identify", "identify-compute", "Show who answers where a compute target is to be attached; nothing is kept, and no credential used"), a.identifyCompute)
	huma.Register(a.huma, a.op(http.MethodPost, one+"/check", "check-compute", "Look at a compute target now"), a.checkCompute)
	huma.Register(a.huma, a.op(http.MethodPost, one+"/trust", "trust-compute", "Hold a compute target to what was seen of it last: a new host key"), a.trustCompute)
}

func (a *api) listComputes(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
	Kind string `query:"kind"`
},
) (*out[client.Page[client.Compute]], error) {
	list, next, err := a.Computes.List(ctx, compute.Filter{Workspace: in.Workspace, Kind: in.Kind}, in.page())
	if err != nil {
		return nil, err
	}
	if in.Cursor == "" {
		server, err := a.Computes.Get(ctx, compute.ServerKey)
		if err == nil && (in.Kind == "" || in.Kind == server.Kind) {
			list = append([]compute.Target{server}, list...)
		}
	}
	items := make([]client.Compute, 0, len(list))
	for _, t := range list {
		c, err := a.showCompute(ctx, t)
		if err != nil {
			return nil, err
		}
		items = append(items, c)
	}
	return &out[client.Page[client.Compute]]{client.Page[client.Compute]{Items: items, Next: next}}, nil
}

// showCompute adds how full the machines are.
func (a *api) showCompute(ctx context.Context, t compute.Target) (client.Compute, error) {
	taken, err := a.Runs.Going(ctx, t)
	return toCompute(t, taken), err
}

func (a *api) answerCompute(ctx context.Context, t compute.Target, err error) (*out[client.Compute], error) {
	if err != nil {
		return nil, err
	}
	c, err := a.showCompute(ctx, t)
	return &out[client.Compute]{c}, err
}

func (a *api) getCompute(ctx context.Context, in *ComputePath) (*out[client.Compute], error) {
	t, err := a.Computes.Get(ctx, compute.KeyOf(in.Workspace, in.Name))
	return a.answerCompute(ctx, t, err)
}

func (a *api) attachCompute(ctx context.Context, in *struct {
	ComputePath
	Body client.Compute
},
) (*outStatus[client.Compute], error) {
	if err := sameName(in.Name, in.Body.Name); err != nil {
		return nil, err
	}
	t, created, err := a.Computes.Attach(ctx, attachRequest(in.Workspace, in.Body))
	if err != nil {
		return nil, err
	}
	c, err := a.showCompute(ctx, t)
	return made(c, created), err
}

func (a *api) identifyCompute(ctx context.Context, in *struct {
	ComputePath
	Body client.Compute
},
) (*out[client.Identity], error) {
	if err := sameName(in.Name, in.Body.Name); err != nil {
		return nil, err
	}
	seen, err := a.Computes.Identify(ctx, attachRequest(in.Workspace, in.Body))
	return &out[client.Identity]{client.Identity{Pin: seen.Pin, Facts: seen.Facts, Checks: toChecks(seen.Checks)}}, err
}

func (a *api) updateCompute(ctx context.Context, in *struct {
	ComputePath
	Body client.Compute
},
) (*out[client.Compute], error) {
	if err := sameName(in.Name, in.Body.Name); err != nil {
		return nil, err
	}
	t, err := a.Computes.Update(ctx, compute.KeyOf(in.Workspace, in.Name), in.Body.Options)
	return a.answerCompute(ctx, t, err)
}

func (a *api) detachCompute(ctx context.Context, in *struct {
	ComputePath
	Force  bool `query:"force" doc:"Detach though runs are active or the machine does not answer"`
	DryRun bool `query:"dry_run" doc:"Only say what would be removed"`
	Delete bool `query:"delete" doc:"Delete a target that zaffre made, with what it stands for"`
},
) (*out[client.Page[client.Removed]], error) {
	remove := a.Computes.Detach
	if in.Delete {
		remove = a.Computes.Delete
	}
	items, err := remove(ctx, compute.KeyOf(in.Workspace, in.Name), compute.DetachOptions{Force: in.Force, DryRun: in.DryRun})
	return pageOf(items, "", toRemoved), err
}

func (a *api) checkCompute(ctx context.Context, in *ComputePath) (*out[client.Compute], error) {
	t, err := a.Computes.Check(ctx, compute.KeyOf(in.Workspace, in.Name))
	return a.answerCompute(ctx, t, err)
}

func (a *api) trustCompute(ctx context.Context, in *ComputePath) (*out[client.Compute], error) {
	t, err := a.Computes.Trust(ctx, compute.KeyOf(in.Workspace, in.Name))
	return a.answerCompute(ctx, t, err)
}
