package history

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// experimentDTO is an experiment on the wire.
type experimentDTO struct {
	ID          string            `json:"experimentId"`
	Name        string            `json:"name"`
	Description *string           `json:"description"`
	Created     string            `json:"createdUtc"`
	Archived    *string           `json:"archivedTime"`
	Tags        map[string]string `json:"tags"`
}

func toExperiment(e run.Experiment) experimentDTO {
	out := experimentDTO{ID: e.ID, Name: e.Name, Created: stamp(e.Created), Tags: orEmpty(e.Tags)}
	if !e.Deleted.IsZero() {
		out.Archived = new(stamp(e.Deleted))
	}
	return out
}

// experimentOf returns the experiment that the path names.
func (a *api) experimentOf(r *face.Request) (run.Experiment, error) {
	if id := r.PathValue("experimentid"); id != "" {
		return a.Runs.GetExperimentByID(r.Context(), r.Workspace, id)
	}
	return a.Runs.GetExperiment(r.Context(), r.Key(r.PathValue("experiment")))
}

// experimentName returns the name of the experiment that the path names, which may be one to come.
func (a *api) experimentName(r *face.Request) (string, error) {
	if name := r.PathValue("experiment"); name != "" {
		return name, nil
	}
	e, err := a.experimentOf(r)
	return e.Name, err
}

func (a *api) experiment(r *face.Request) (any, error) {
	e, err := a.experimentOf(r)
	return toExperiment(e), err
}

// createExperiment also answers for one that is there: two that ask at once both mean it.
func (a *api) createExperiment(r *face.Request) (any, error) {
	e, err := a.Runs.CreateExperiment(r.Context(), r.Workspace, r.PathValue("experiment"), nil)
	if fault.ReasonOf(err) == "ExperimentExists" {
		e, err = a.experimentOf(r)
	}
	return toExperiment(e), err
}

func (a *api) patchExperiment(r *face.Request) (any, error) {
	in, err := face.Body[struct {
		Name, Description *string
		Archive           *bool
		Tags              map[string]*string
	}](r)
	if err != nil {
		return nil, err
	}
	e, err := a.experimentOf(r)
	if err != nil {
		return nil, err
	}
	if in.Name != nil && *in.Name != e.Name || in.Description != nil {
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "ExperimentFixed", What: fmt.Sprintf("cannot rename or describe the experiment %q", e.Name),
			Why: "an experiment keeps its name, and has tags but no description", Fix: "set a tag", Field: "name",
		}
	}
	if in.Archive != nil && !*in.Archive {
		e, err = a.Runs.RestoreExperiment(r.Context(), e.Key())
	}
	if err == nil && len(in.Tags) > 0 {
		e, err = a.Runs.UpdateExperiment(r.Context(), e.Key(), texts(in.Tags), nil)
	}
	if err == nil && in.Archive != nil && *in.Archive {
		e, err = a.Runs.DeleteExperiment(r.Context(), e.Key())
	}
	return toExperiment(e), err
}

func (a *api) deleteExperiment(r *face.Request) (any, error) {
	e, err := a.experimentOf(r)
	if err != nil {
		return nil, err
	}
	a.ids.forget(e.Key())
	return struct{}{}, a.Runs.RemoveExperiment(r.Context(), e.Key())
}

func (a *api) untagExperiment(r *face.Request) (any, error) {
	in, err := face.Body[struct{ Tags []string }](r)
	if err != nil {
		return nil, err
	}
	e, err := a.experimentOf(r)
	if err != nil {
		return nil, err
	}
	_, err = a.Runs.UpdateExperiment(r.Context(), e.Key(), nil, in.Tags)
	return map[string]any{"errors": map[string]any{}}, err
}

var views = map[string]run.View{
	"": run.Live, "Default": run.Live, "ActiveOnly": run.Live, "All": run.All, "ArchivedOnly": run.DeletedOnly,
}

func (a *api) queryExperiments(r *face.Request) (any, error) {
	in, err := face.Body[struct {
		listing
		ViewType string
	}](r)
	if err != nil {
		return nil, err
	}
	if v := r.Request.URL.Query().Get("viewType"); v != "" {
		in.ViewType = v
	}
	want, err := parseFilter(in.Filter)
	if err != nil {
		return nil, err
	}
	f := run.ExperimentFilter{Workspace: r.Workspace, Deleted: views[in.ViewType]}
	list, next, err := a.Runs.ListExperiments(r.Context(), f, store.Page{Limit: in.limit(), Cursor: in.ContinuationToken})
	if err != nil {
		return nil, err
	}
	out := page[experimentDTO]{Value: []experimentDTO{}, Next: orNull(next)}
	for _, e := range list {
		if want.match(experimentFields(e)) {
			out.Value = append(out.Value, toExperiment(e))
		}
	}
	return out, nil
}

// ids remembers for a while the IDs of experiments: each run is shown with one.
type ids struct {
	mu    sync.Mutex
	known map[store.Key]knownID
}

type knownID struct {
	id    string
	until time.Time
}

const (
	idsMax = 4096
	idsFor = 10 * time.Second
)

// of returns the ID of an experiment; "" for one that was removed.
func (c *ids) of(ctx context.Context, s *run.Service, k store.Key) (string, error) {
	c.mu.Lock()
	e, ok := c.known[k]
	c.mu.Unlock()
	if ok && time.Now().Before(e.until) {
		return e.id, nil
	}
	v, err := s.GetExperiment(ctx, k)
	if fault.CodeOf(err) == fault.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= idsMax {
		c.known = map[store.Key]knownID{}
	}
	c.known[k] = knownID{v.ID, time.Now().Add(idsFor)}
	return v.ID, nil
}

func (c *ids) forget(k store.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, k)
}
