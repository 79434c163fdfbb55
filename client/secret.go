package client

import (
	"context"
	"net/http"
	"time"
)

// Secret is a value that a workspace's users keep for their runs.
type Secret struct {
	Name        string    `json:"name" readOnly:"true"`
	Value       string    `json:"value,omitempty" doc:"In the answer to a read of this one secret alone" maxLength:"65536"`
	ContentType string    `json:"content_type,omitempty" doc:"What kind of value it is, in its owner's words"`
	CreatedBy   string    `json:"created_by,omitempty" readOnly:"true"`
	Created     time.Time `json:"created,omitzero" readOnly:"true"`
	Updated     time.Time `json:"updated,omitzero" readOnly:"true"`
}

// Secrets lists the secrets of a workspace, without their values.
func (c *Client) Secrets(ctx context.Context, ws string, at Cursor) (Page[Secret], error) {
	return list[Secret](ctx, c, get("workspaces", ws, "secrets"), at)
}

// Secret returns a secret with its value. It takes the role Contributor, or the token of a run.
func (c *Client) Secret(ctx context.Context, ws, name string) (Secret, error) {
	return fetch[Secret](ctx, c, get("workspaces", ws, "secrets", name))
}

// SetSecret stores the value of s under its name, in the place of one that is there. The answer has no
// value.
func (c *Client) SetSecret(ctx context.Context, ws string, s Secret) (Secret, error) {
	k := call{method: http.MethodPut, path: []string{"workspaces", ws, "secrets", s.Name}}
	s.Name = ""
	k.body = s
	return fetch[Secret](ctx, c, k)
}

// DeleteSecret forgets a secret. Deleting twice is the same as once.
func (c *Client) DeleteSecret(ctx context.Context, ws, name string) error {
	_, err := fetch[struct{}](ctx, c, call{method: http.MethodDelete, path: []string{"workspaces", ws, "secrets", name}})
	return err
}
