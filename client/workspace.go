package client

import "context"

// Workspaces lists the workspaces that the caller may see.
func (c *Client) Workspaces(ctx context.Context, at Cursor) (Page[Workspace], error) {
	return list[Workspace](ctx, c, get("workspaces"), at)
}

// Workspace returns one workspace.
func (c *Client) Workspace(ctx context.Context, name string) (Workspace, error) {
	return fetch[Workspace](ctx, c, get("workspaces", name))
}

// CreateWorkspace makes a workspace. It is not repeated when the server does not answer.
func (c *Client) CreateWorkspace(ctx context.Context, w Workspace) (Workspace, error) {
	k := post("workspaces")
	k.body, k.once = w, true
	return fetch[Workspace](ctx, c, k)
}
