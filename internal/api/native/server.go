package native

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

func (a *api) routesServer() {
	huma.Register(a.huma, a.op(http.MethodGet, "/server", "get-server", "What the server is, and whom it takes the caller for"), a.getServer)
	huma.Register(a.huma, a.op(http.MethodGet, "/kinds", "list-kinds", "List the kinds of compute target"), a.listKinds)
	huma.Register(a.huma, a.op(http.MethodGet, "/workspaces", "list-workspaces", "List the workspaces that the caller sees"), a.listWorkspaces)
	create := a.op(http.MethodPost, "/workspaces", "create-workspace", "Create a workspace, or find it")
	create.DefaultStatus = http.StatusCreated
	huma.Register(a.huma, create, a.createWorkspace)
	huma.Register(a.huma, a.op(http.MethodGet, "/workspaces/{ws}", "get-workspace", "Show a workspace"), a.getWorkspace)
	huma.Register(a.huma, a.op(http.MethodGet, "/tokens", "list-tokens", "List tokens, without their secrets"), a.listTokens)
	token := a.op(http.MethodPost, "/tokens", "create-token", "Create a token; its secret is in this answer only")
	token.DefaultStatus = http.StatusCreated
	huma.Register(a.huma, token, a.createToken)
	huma.Register(a.huma, a.op(http.MethodDelete, "/tokens/{id}", "revoke-token", "Revoke a token"), a.revokeToken)
}

func (a *api) getServer(ctx context.Context, _ *struct{}) (*out[client.Server], error) {
	s := a.Server
	s.Caller = identity.From(ctx).Name
	return &out[client.Server]{s}, nil
}

func (a *api) listKinds(context.Context, *struct{}) (*out[client.Page[client.Kind]], error) {
	return pageOf(a.Computes.Kinds, "", toKind), nil
}

func (a *api) listWorkspaces(ctx context.Context, in *PageQuery) (*out[client.Page[client.Workspace]], error) {
	list, next, err := a.Workspaces.List(ctx, in.page())
	return pageOf(list, next, toWorkspace), err
}

func (a *api) createWorkspace(ctx context.Context, in *struct{ Body client.Workspace }) (*outStatus[client.Workspace], error) {
	w, created, err := a.Workspaces.Create(ctx, in.Body.Name)
	return made(toWorkspace(w), created), err
}

func (a *api) getWorkspace(ctx context.Context, in *WorkspacePath) (*out[client.Workspace], error) {
	w, err := a.Workspaces.Get(ctx, in.Workspace)
	return &out[client.Workspace]{toWorkspace(w)}, err
}

func (a *api) listTokens(ctx context.Context, in *struct {
	PageQuery
	Workspace string `query:"workspace" doc:"Only those of this workspace"`
},
) (*out[client.Page[client.Token]], error) {
	list, next, err := a.Identity.ListTokens(ctx, in.Workspace, in.page())
	return pageOf(list, next, toToken), err
}

func (a *api) createToken(ctx context.Context, in *struct{ Body client.Token }) (*outStatus[client.Token], error) {
	t, bearer, err := a.Identity.CreateToken(ctx, identity.TokenRequest{
		Name: in.Body.Name, Workspace: in.Body.Workspace, Role: identity.Role(in.Body.Role), Expires: in.Body.Expires,
	})
	answer := toToken(t)
	answer.Secret = bearer
	return made(answer, true), err
}

func (a *api) revokeToken(ctx context.Context, in *struct {
	ID string `path:"id"`
},
) (*struct{}, error) {
	_, err := a.Identity.RevokeToken(ctx, in.ID)
	return nil, err
}

// sameName refuses a body that names something else than the path.
func sameName(path, body string) error {
	if body == "" || body == path {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "NameDiffers", What: "the request names two things",
		Why: fmt.Sprintf("its path names %q and its body %q", path, body), Fix: "use one name, or leave it out of the body", Field: "name",
	}
}
