package client

import "context"

// Experiments lists the experiments of a workspace.
func (c *Client) Experiments(ctx context.Context, ws string, at Cursor) (Page[Experiment], error) {
	return list[Experiment](ctx, c, get("workspaces", ws, "experiments"), at)
}
