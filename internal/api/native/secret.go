package native

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// SecretPath names a secret.
type SecretPath struct {
	WorkspacePath
	Name string `path:"name" doc:"Name of the secret"`
}

func (in SecretPath) key() store.Key { return store.Key{Workspace: in.Workspace, Name: in.Name} }

func (a *api) routesSecrets() {
	const all, one = "/workspaces/{ws}/secrets", "/workspaces/{ws}/secrets/{name}"
	huma.Register(a.huma, a.op(http.MethodGet, all, "list-secrets", "List secrets, without their values"), a.listSecrets)
	huma.Register(a.huma, a.op(http.MethodGet, one, "get-secret", "Read a secret: Contributors and runs may"), a.getSecret)
	huma.Register(a.huma, a.op(http.MethodPut, one, "set-secret", "Set a secret (201), or change its value (200)"), a.setSecret)
	huma.Register(a.huma, a.op(http.MethodDelete, one, "delete-secret", "Delete a secret"), a.deleteSecret)
}

func toSecret(s workspace.Secret) client.Secret {
	return client.Secret{Name: s.Name, ContentType: s.ContentType, CreatedBy: s.CreatedBy, Created: utc(s.Created), Updated: utc(s.Updated)}
}

func (a *api) listSecrets(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
},
) (*out[client.Page[client.Secret]], error) {
	list, next, err := a.Vault.List(ctx, in.Workspace, in.page())
	return pageOf(list, next, toSecret), err
}

func (a *api) getSecret(ctx context.Context, in *SecretPath) (*out[client.Secret], error) {
	s, value, err := a.Vault.Get(ctx, in.key())
	doc := toSecret(s)
	doc.Value = string(value)
	return &out[client.Secret]{doc}, err
}

func (a *api) setSecret(ctx context.Context, in *struct {
	SecretPath
	Body client.Secret
},
) (*outStatus[client.Secret], error) {
	s, created, err := a.Vault.Set(ctx, in.key(), []byte(in.Body.Value), in.Body.ContentType)
	return made(toSecret(s), created), err
}

func (a *api) deleteSecret(ctx context.Context, in *SecretPath) (*struct{}, error) {
	return nil, a.Vault.Delete(ctx, in.key())
}
