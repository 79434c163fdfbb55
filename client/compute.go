package client

import (
	"context"
	"net/http"
	"net/url"
)

// Removed is one thing that a detach took, or would take, from a machine.
type Removed struct {
	Type    string `json:"type" doc:"folder, process, environment"`
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes,omitempty"`
	Removed bool   `json:"removed" doc:"false in a dry run, and for what could not be removed, or not yet"`
	Remedy  string `json:"remedy,omitempty" doc:"The command that removes by hand what could not be removed"`
}

// Computes lists the compute targets of a workspace, the implicit ones too.
func (c *Client) Computes(ctx context.Context, ws string, at Cursor) (Page[Compute], error) {
	return list[Compute](ctx, c, get("workspaces", ws, "computes"), at)
}

// Compute returns one compute target.
func (c *Client) Compute(ctx context.Context, ws, name string) (Compute, error) {
	return fetch[Compute](ctx, c, get("workspaces", ws, "computes", name))
}

// AttachCompute attaches a target. The answer comes before the target was looked at: read it until
// its State is neither Creating nor Updating. The same settings again change nothing.
func (c *Client) AttachCompute(ctx context.Context, ws string, t Compute) (Compute, error) {
	return fetch[Compute](ctx, c, call{method: http.MethodPut, path: []string{"workspaces", ws, "computes", t.Name}, body: t})
}

// IdentifyCompute shows who answers where a target is to be attached. Nothing is kept, and no credential of
// the target is used. It fails with CodeUnsupported where targets of the kind prove nothing, and is not
// repeated where nobody answers.
func (c *Client) IdentifyCompute(ctx context.Context, ws string, t Compute) (Identity, error) {
	k := post("workspaces", ws, "computes", t.Name, "identify")
	k.body, k.once = t, true
	return fetch[Identity](ctx, c, k)
}

// UpdateCompute changes the options that t names; the others stay.
func (c *Client) UpdateCompute(ctx context.Context, ws string, t Compute) (Compute, error) {
	return fetch[Compute](ctx, c, call{method: http.MethodPatch, path: []string{"workspaces", ws, "computes", t.Name}, body: t})
}

// DetachOptions says how to detach. DryRun removes nothing and lists what would go. Force detaches
// though runs are active.
type DetachOptions struct{ DryRun, Force bool }

// DetachCompute detaches a target and returns what it removed from the machine. It is not repeated
// when the server does not answer: the second answer would list nothing.
func (c *Client) DetachCompute(ctx context.Context, ws, name string, o DetachOptions) ([]Removed, error) {
	return c.removeCompute(ctx, ws, name, o, url.Values{})
}

// DeleteCompute deletes a target that zaffre made, with what it stands for, and returns what goes. What is not
// removed yet is on its way: read the target until it is not found. It is not repeated, as DetachCompute.
func (c *Client) DeleteCompute(ctx context.Context, ws, name string, o DetachOptions) ([]Removed, error) {
	return c.removeCompute(ctx, ws, name, o, url.Values{"delete": {"true"}})
}

func (c *Client) removeCompute(ctx context.Context, ws, name string, o DetachOptions, q url.Values) ([]Removed, error) {
	if o.DryRun {
		q.Set("dry_run", "true")
	}
	if o.Force {
		q.Set("force", "true")
	}
	p, err := fetch[Page[Removed]](ctx, c, call{
		method: http.MethodDelete, path: []string{"workspaces", ws, "computes", name}, query: q, once: true,
	})
	return p.Items, err
}

// TrustCompute holds a target from now on to the host key that was seen last, and looks at it anew: see
// AttachCompute. It is not repeated when the server does not answer.
func (c *Client) TrustCompute(ctx context.Context, ws, name string) (Compute, error) {
	k := post("workspaces", ws, "computes", name, "trust")
	k.once = true
	return fetch[Compute](ctx, c, k)
}

// CheckCompute looks at a target now, and returns it with what was seen.
func (c *Client) CheckCompute(ctx context.Context, ws, name string) (Compute, error) {
	return fetch[Compute](ctx, c, post("workspaces", ws, "computes", name, "check"))
}
