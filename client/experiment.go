package client

import (
	"context"
	"net/http"
)

// Experiments lists the experiments of a workspace, without deleted ones.
func (c *Client) Experiments(ctx context.Context, ws string, at Cursor) (Page[Experiment], error) {
	return list[Experiment](ctx, c, get("workspaces", ws, "experiments"), at)
}

// Experiment returns one experiment, a deleted one too.
func (c *Client) Experiment(ctx context.Context, ws, name string) (Experiment, error) {
	return fetch[Experiment](ctx, c, get("workspaces", ws, "experiments", name))
}

// CreateExperiment makes an experiment, which is refused if it is there.
func (c *Client) CreateExperiment(ctx context.Context, ws string, e Experiment) (Experiment, error) {
	return fetch[Experiment](ctx, c, call{method: http.MethodPost, path: []string{"workspaces", ws, "experiments"}, body: e, once: true})
}

// ChangeExperiment sets and removes tags.
func (c *Client) ChangeExperiment(ctx context.Context, ws, name string, change ExperimentChange) (Experiment, error) {
	return fetch[Experiment](ctx, c, call{method: http.MethodPatch, path: []string{"workspaces", ws, "experiments", name}, body: change})
}

// DeleteExperiment hides an experiment; RestoreExperiment takes that back.
func (c *Client) DeleteExperiment(ctx context.Context, ws, name string) (Experiment, error) {
	return fetch[Experiment](ctx, c, call{method: http.MethodDelete, path: []string{"workspaces", ws, "experiments", name}})
}

// RestoreExperiment shows a deleted experiment again.
func (c *Client) RestoreExperiment(ctx context.Context, ws, name string) (Experiment, error) {
	return fetch[Experiment](ctx, c, call{method: http.MethodPost, path: []string{"workspaces", ws, "experiments", name, "restore"}})
}
