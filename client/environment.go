package client

import (
	"context"
	"net/url"
	"strconv"
)

// Environments lists versions of environments, of all names if name is "".
func (c *Client) Environments(ctx context.Context, ws, name string, at Cursor) (Page[Environment], error) {
	k := get("workspaces", ws, "environments")
	k.query = url.Values{}
	set(k.query, "name", name)
	return list[Environment](ctx, c, k, at)
}

// Environment returns one version; "latest" is the newest.
func (c *Client) Environment(ctx context.Context, ws, name, version string) (Environment, error) {
	return fetch[Environment](ctx, c, get("workspaces", ws, "environments", name, "versions", version))
}

// RegisterEnvironment returns the version that has this definition, a new one if there is none.
func (c *Client) RegisterEnvironment(ctx context.Context, ws string, e Environment) (Environment, error) {
	k := post("workspaces", ws, "environments")
	k.body = e
	return fetch[Environment](ctx, c, k)
}

func builds(method, ws, name, version string, more ...string) call {
	path := []string{"workspaces", ws, "environments", name, "versions", version, "builds"}
	return call{method: method, path: append(path, more...), query: url.Values{}}
}

// BuildEnvironment asks for a build on a compute target, if there is none yet.
func (c *Client) BuildEnvironment(ctx context.Context, ws, name, version, compute string) (Build, error) {
	k := builds("POST", ws, name, version)
	k.body = map[string]string{"compute": compute}
	return fetch[Build](ctx, c, k)
}

// Build returns the state of an environment on a compute target.
func (c *Client) Build(ctx context.Context, ws, name, version, compute string) (Build, error) {
	k := builds("GET", ws, name, version)
	set(k.query, "compute", compute)
	return fetch[Build](ctx, c, k)
}

// FollowBuildLog calls emit with the build log from its start, as it grows, to the build's end.
func (c *Client) FollowBuildLog(ctx context.Context, ws, name, version, compute string, emit func(text string) error) error {
	return c.followLog(ctx, 0, func(offset int64) call {
		k := builds("GET", ws, name, version, "log")
		set(k.query, "compute", compute)
		k.query.Set("offset", strconv.FormatInt(offset, 10))
		k.query.Set("follow", "true")
		return k
	}, emit)
}
