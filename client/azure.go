package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Variable is an environment variable that Azure's clients need.
type Variable struct {
	Name   string `json:"name"`
	Value  string `json:"value" doc:"Empty where secret is true"`
	Why    string `json:"why"`
	Secret bool   `json:"secret,omitempty" doc:"Its value is the caller's own token: who uses the list puts it in"`
}

// ClientEnv is a list of variables.
type ClientEnv struct {
	Variables []Variable `json:"variables"`
}

// WorkspaceConfig is the file config.json that Azure's clients read.
type WorkspaceConfig struct {
	Subscription string `json:"subscription_id"`
	Group        string `json:"resource_group"`
	Workspace    string `json:"workspace_name"`
}

// Principal is a service principal: a program that logs in with its ID and a secret. Secret is there only
// in the answers that make it.
type Principal struct {
	ID        string    `json:"id,omitempty" readOnly:"true" doc:"The client ID"`
	Name      string    `json:"name" doc:"Who uses it"`
	Workspace string    `json:"workspace" doc:"Where it may act; * is everywhere"`
	Role      string    `json:"role" enum:"Reader,Contributor,Owner"`
	Secret    string    `json:"secret,omitempty" readOnly:"true"`
	Tenant    string    `json:"tenant,omitempty" readOnly:"true"`
	Created   time.Time `json:"created,omitzero" readOnly:"true"`
	CreatedBy string    `json:"created_by,omitempty" readOnly:"true"`
	Rotated   time.Time `json:"rotated,omitzero" readOnly:"true" doc:"When the secret was made"`
	Expires   time.Time `json:"expires,omitzero"`
}

// EnvOptions say where Azure's clients will run.
type EnvOptions struct {
	Bundle    string // path of a PEM file with the system's CAs and the server's; "": the system knows the server's
	ConfigDir string // folder for what the clients keep of this cloud
	Principal string // client ID of a service principal; "": they log in with the caller's token
}

// ClientEnv lists the environment variables that Azure's clients need. The token of this Client is put in
// where they need a secret, unless they log in as a service principal: then those stay empty.
func (c *Client) ClientEnv(ctx context.Context, ws string, o EnvOptions) ([]Variable, error) {
	k := get("workspaces", ws, "client-env")
	k.query = url.Values{}
	for name, v := range map[string]string{"ca_bundle": o.Bundle, "config_dir": o.ConfigDir, "principal": o.Principal} {
		if v != "" {
			k.query.Set(name, v)
		}
	}
	env, err := fetch[ClientEnv](ctx, c, k)
	for i, v := range env.Variables {
		if v.Secret && o.Principal == "" {
			env.Variables[i].Value = c.token
		}
	}
	return env.Variables, err
}

// WorkspaceConfig returns what config.json must hold for a workspace.
func (c *Client) WorkspaceConfig(ctx context.Context, ws string) (WorkspaceConfig, error) {
	return fetch[WorkspaceConfig](ctx, c, get("workspaces", ws, "client-config"))
}

// Principals lists service principals, without their secrets.
func (c *Client) Principals(ctx context.Context, at Cursor) (Page[Principal], error) {
	return list[Principal](ctx, c, get("principals"), at)
}

// CreatePrincipal makes a service principal. Its Secret is in this answer only. It is not repeated when
// the server does not answer.
func (c *Client) CreatePrincipal(ctx context.Context, p Principal) (Principal, error) {
	k := post("principals")
	k.body, k.once = p, true
	return fetch[Principal](ctx, c, k)
}

// RotatePrincipal gives a service principal a new secret, which ends at expires; zero is never. The old
// one ends at once.
func (c *Client) RotatePrincipal(ctx context.Context, id string, expires time.Time) (Principal, error) {
	k := post("principals", id, "rotate")
	k.once = true
	k.body = struct {
		Expires time.Time `json:"expires,omitzero"`
	}{expires}
	return fetch[Principal](ctx, c, k)
}

// DeletePrincipal ends a service principal. Deleting twice is the same as once.
func (c *Client) DeletePrincipal(ctx context.Context, id string) error {
	_, err := fetch[struct{}](ctx, c, call{method: http.MethodDelete, path: []string{"principals", id}})
	return err
}
