package native

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

// Azure is what clients of Azure need to know of the server. Other faces make it.
type Azure struct {
	// Environment lists variables; bundle and config are paths on the client's machine, user a client ID.
	Environment func(url, bundle, config, user string) []client.Variable
	Config      func(ws string) client.WorkspaceConfig
}

func (a *api) routesAzure() {
	huma.Register(a.huma, a.op(http.MethodGet, "/workspaces/{ws}/client-env", "get-client-env", "List the environment variables that Azure's clients need"), a.getClientEnv)
	huma.Register(a.huma, a.op(http.MethodGet, "/workspaces/{ws}/client-config", "get-client-config", "Return the config.json of Azure's clients"), a.getClientConfig)
	huma.Register(a.huma, a.op(http.MethodGet, "/principals", "list-principals", "List service principals, without their secrets"), a.listPrincipals)
	create := a.op(http.MethodPost, "/principals", "create-principal", "Create a service principal; its secret is in this answer only")
	create.DefaultStatus = http.StatusCreated
	huma.Register(a.huma, create, a.createPrincipal)
	huma.Register(a.huma, a.op(http.MethodPost, "/principals/{id}/rotate", "rotate-principal", "Give a service principal a new secret; the old one ends at once"), a.rotatePrincipal)
	huma.Register(a.huma, a.op(http.MethodDelete, "/principals/{id}", "delete-principal", "Delete a service principal"), a.deletePrincipal)
}

// HostInput learns how the caller reached the server.
type HostInput struct{ host string }

// Resolve implements huma.Resolver.
func (h *HostInput) Resolve(c huma.Context) []error {
	h.host = c.Host()
	return nil
}

func (a *api) getClientEnv(_ context.Context, in *struct {
	WorkspacePath
	HostInput
	Bundle    string `query:"ca_bundle" maxLength:"4096" doc:"Path, on the client's machine, of a PEM file with the system's CAs and the server's"`
	ConfigDir string `query:"config_dir" maxLength:"4096" doc:"Folder on the client's machine for what the clients keep of this cloud"`
	Principal string `query:"principal" maxLength:"64" doc:"Client ID of the service principal to log in as; without it the secret is a token of zaffre"`
},
) (*out[client.ClientEnv], error) {
	vars := a.Azure.Environment("https://"+in.host, in.Bundle, in.ConfigDir, in.Principal)
	return &out[client.ClientEnv]{client.ClientEnv{Variables: vars}}, nil
}

func (a *api) getClientConfig(_ context.Context, in *WorkspacePath) (*out[client.WorkspaceConfig], error) {
	return &out[client.WorkspaceConfig]{a.Azure.Config(in.Workspace)}, nil
}

func toPrincipal(p identity.Principal) client.Principal {
	return client.Principal{
		ID: p.AppID, Name: p.Name, Workspace: p.Workspace, Role: string(p.Role), CreatedBy: p.CreatedBy,
		Created: utc(p.Created), Rotated: utc(p.Rotated), Expires: utc(p.Expires),
	}
}

func (a *api) listPrincipals(ctx context.Context, in *struct {
	PageQuery
	Workspace string `query:"workspace" doc:"Only those of this workspace"`
},
) (*out[client.Page[client.Principal]], error) {
	list, next, err := a.Identity.ListPrincipals(ctx, in.Workspace, in.page())
	return pageOf(list, next, toPrincipal), err
}

func (a *api) createPrincipal(ctx context.Context, in *struct{ Body client.Principal }) (*outStatus[client.Principal], error) {
	p, secret, err := a.Identity.CreatePrincipal(ctx, identity.TokenRequest{
		Name: in.Body.Name, Workspace: in.Body.Workspace, Role: identity.Role(in.Body.Role), Expires: in.Body.Expires,
	})
	answer := toPrincipal(p)
	answer.Secret, answer.Tenant = secret, a.tenant()
	return made(answer, true), err
}

func (a *api) rotatePrincipal(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body struct {
		Expires time.Time `json:"expires,omitzero" doc:"End of the new secret; absent: never"`
	}
},
) (*out[client.Principal], error) {
	p, secret, err := a.Identity.RotatePrincipal(ctx, in.ID, in.Body.Expires)
	answer := toPrincipal(p)
	answer.Secret, answer.Tenant = secret, a.tenant()
	return &out[client.Principal]{answer}, err
}

func (a *api) deletePrincipal(ctx context.Context, in *struct {
	ID string `path:"id"`
},
) (*struct{}, error) {
	return nil, a.Identity.DeletePrincipal(ctx, in.ID)
}

// tenant is that of the variables, so that what a new principal's user needs is in one answer.
func (a *api) tenant() string {
	for _, v := range a.Azure.Environment("", "", "", "") {
		if v.Name == "AZUREML_SERVICE_PRINCIPAL_TENANT_ID" {
			return v.Value
		}
	}
	return ""
}
