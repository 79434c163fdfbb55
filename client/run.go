package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// RunFilter selects runs; a zero field selects any.
type RunFilter struct {
	Experiment, State, Compute, Parent, Tag string
	Active                                  bool     // not in a final state
	Where                                   string   // in MLflow's language: "metrics.acc > 0.9 AND params.lr = '0.1'"
	Order                                   []string // "metrics.acc DESC"; with it or Where the list is a search
	Deleted                                 string   // "deleted": only those; "all": those too
	Metrics                                 []string // whose latest values come with the runs
}

// NewName returns a fresh name for a run: ten characters of lower-case letters and digits. A run
// that has a name can be submitted again when the server did not answer, and is the same run.
func NewName() string { return strings.ToLower(rand.Text()[:10]) }

func runPath(ws string, more ...string) []string {
	return append([]string{"workspaces", ws, "runs"}, more...)
}

// Runs lists runs, the newest first.
func (c *Client) Runs(ctx context.Context, ws string, f RunFilter, at Cursor) (Page[Run], error) {
	k := call{method: http.MethodGet, path: runPath(ws), query: url.Values{}}
	set(k.query, "experiment", f.Experiment)
	set(k.query, "state", f.State)
	set(k.query, "compute", f.Compute)
	set(k.query, "parent", f.Parent)
	set(k.query, "tag", f.Tag)
	if f.Active {
		k.query.Set("active", "true")
	}
	set(k.query, "where", f.Where)
	set(k.query, "deleted", f.Deleted)
	addAll(k.query, "order", f.Order)
	addAll(k.query, "metrics", f.Metrics)
	return list[Run](ctx, c, k, at)
}

func addAll(q url.Values, name string, values []string) {
	for _, v := range values {
		q.Add(name, v)
	}
}

// CreateExternalRun records a run that the caller executes and moves with ChangeRun. It is repeated when
// the server does not answer only if it has a name.
func (c *Client) CreateExternalRun(ctx context.Context, ws string, r ExternalRun) (Run, error) {
	return fetch[Run](ctx, c, call{method: http.MethodPost, path: []string{"workspaces", ws, "external-runs"}, body: r, once: r.Name == ""})
}

// ChangeRun labels a run and, if it is external, moves it. Twice is the same as once.
func (c *Client) ChangeRun(ctx context.Context, ws, id string, change RunChange) (Run, error) {
	return fetch[Run](ctx, c, call{method: http.MethodPatch, path: runPath(ws, id), body: change})
}

// DeleteRun hides a run that has ended from lists; RestoreRun takes that back.
func (c *Client) DeleteRun(ctx context.Context, ws, id string) (Run, error) {
	return fetch[Run](ctx, c, call{method: http.MethodDelete, path: runPath(ws, id)})
}

// RestoreRun shows a deleted run again.
func (c *Client) RestoreRun(ctx context.Context, ws, id string) (Run, error) {
	return fetch[Run](ctx, c, call{method: http.MethodPost, path: runPath(ws, id, "restore")})
}

// Submit asks for a run. It is repeated when the server does not answer only if it has a name.
func (c *Client) Submit(ctx context.Context, ws string, r RunRequest) (Run, error) {
	return fetch[Run](ctx, c, call{method: http.MethodPost, path: runPath(ws), body: r, once: r.Name == ""})
}

// Run returns one run.
func (c *Client) Run(ctx context.Context, ws, id string) (Run, error) {
	return fetch[Run](ctx, c, call{method: http.MethodGet, path: runPath(ws, id)})
}

// CancelRun asks for a run's end. Asking twice is the same as once.
func (c *Client) CancelRun(ctx context.Context, ws, id string) (Run, error) {
	return fetch[Run](ctx, c, call{method: http.MethodPost, path: runPath(ws, id, "cancel")})
}

// WatchRun calls emit with the run as it is, and again at each change, and returns after a final
// state. It reconnects when the connection breaks.
func (c *Client) WatchRun(ctx context.Context, ws, id string, emit func(Run) error) error {
	next := func(string) call { return call{method: http.MethodGet, path: runPath(ws, id, "watch")} }
	return c.stream(ctx, "", next, func(m message) error {
		if m.data == "" {
			return nil
		}
		var r Run
		if err := json.Unmarshal([]byte(m.data), &r); err != nil {
			return unreadable(err)
		}
		if err := emit(r); err != nil {
			return err
		}
		if r.Final() {
			return errEnd
		}
		return nil
	})
}

// LogOptions selects a part of a log. Attempt 0 is the current one.
type LogOptions struct {
	Offset  int64
	Attempt int
}

func (o LogOptions) call(ws, id string) call {
	k := call{method: http.MethodGet, path: runPath(ws, id, "log"), query: url.Values{}}
	k.query.Set("offset", strconv.FormatInt(o.Offset, 10))
	if o.Attempt > 0 {
		k.query.Set("attempt", strconv.Itoa(o.Attempt))
	}
	k.header = http.Header{"Accept": {"text/plain"}}
	return k
}

// RunLog opens the log as it is now, from an offset. The caller closes it.
func (c *Client) RunLog(ctx context.Context, ws, id string, o LogOptions) (io.ReadCloser, error) {
	resp, err := c.send(ctx, o.call(ws, id))
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// FollowRunLog calls emit with the log from an offset, as it grows, to its end. Bars that rewrite
// their line are thinned out. It goes on where it was when the connection breaks.
func (c *Client) FollowRunLog(ctx context.Context, ws, id string, o LogOptions, emit func(text string) error) error {
	return c.followLog(ctx, o.Offset, func(offset int64) call {
		o.Offset = offset
		k := o.call(ws, id)
		k.query.Set("follow", "true")
		k.header = nil
		return k
	}, emit)
}
