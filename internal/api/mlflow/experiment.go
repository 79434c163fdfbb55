package mlflow

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func toExperiment(e run.Experiment) wireExperiment {
	out := wireExperiment{
		ID: e.ID, Name: e.Name, Artifacts: "mlflow-artifacts:/" + e.ID, Stage: active,
		Created: millis(e.Created), Updated: millis(e.Updated), Tags: pairs(e.Tags),
	}
	if out.Updated == 0 {
		out.Updated = out.Created
	}
	if !e.Deleted.IsZero() {
		out.Stage, out.Updated = deleted, max(out.Updated, millis(e.Deleted))
	}
	return out
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// pairs returns labels by their keys.
func pairs(m map[string]string) []pair {
	out := make([]pair, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, pair{k, new(m[k])})
	}
	return out
}

type experimentAnswer struct {
	Experiment wireExperiment `json:"experiment"`
}

func (a *api) createExperiment(c call) (any, error) {
	in, err := decode[struct {
		Name     string `json:"name"`
		Location string `json:"artifact_location"`
		Tags     []pair `json:"tags"`
	}](c.Request)
	switch {
	case err != nil:
		return nil, err
	case in.Name == "":
		return nil, missing("name")
	case utf8.RuneCountInString(in.Name) > maxExpName:
		return nil, tooLong("name", maxExpName)
	case in.Location != "":
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "ArtifactLocationUnsupported", What: "zaffre keeps no files at " + shortened(in.Location),
			Why: "files of runs are kept by the server", Fix: "leave artifact_location out", Field: "artifact_location",
		}
	}
	tags, err := labels("tags", in.Tags, maxExpTag)
	if err != nil {
		return nil, err
	}
	e, err := a.Runs.CreateExperiment(c.Context(), c.ws, in.Name, tags)
	return map[string]string{"experiment_id": e.ID}, err
}

// labels returns what a list of tags says; of a key that is there twice, the last.
func labels(field string, list []pair, limit int) (map[string]string, error) {
	out := make(map[string]string, len(list))
	for _, p := range list {
		if err := checkKey(field+".key", p.Key); err != nil {
			return nil, err
		}
		if v := p.value(); len(v) > limit && utf8.RuneCountInString(v) > limit {
			return nil, tooLong(field+".value", limit)
		}
		out[p.Key] = p.value()
	}
	return out, nil
}

type experimentID struct {
	ID string `json:"experiment_id"`
}

func (a *api) experimentOf(c call, id string) (run.Experiment, error) {
	if id == "" {
		return run.Experiment{}, missing("experiment_id")
	}
	return a.Runs.GetExperimentByID(c.Context(), c.ws, id)
}

func (a *api) getExperiment(c call) (any, error) {
	in, err := decode[experimentID](c.Request)
	if err != nil {
		return nil, err
	}
	e, err := a.experimentOf(c, in.ID)
	return experimentAnswer{toExperiment(e)}, err
}

func (a *api) getExperimentByName(c call) (any, error) {
	in, err := decode[struct {
		Name string `json:"experiment_name"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, missing("experiment_name")
	}
	e, err := a.Runs.GetExperiment(c.Context(), store.Key{Workspace: c.ws, Name: in.Name})
	if fault.CodeOf(err) == fault.NotFound {
		err = &fault.Error{
			Code: fault.NotFound, Reason: "ExperimentNotFound", What: "Could not find experiment with name '" + shortened(in.Name) + "'",
			Why: "there is none in workspace " + c.ws, Fix: "create it; mlflow.set_experiment does", Err: err,
		}
	}
	return experimentAnswer{toExperiment(e)}, err
}

// changeExperiment is an endpoint that changes the experiment of an ID and answers nothing.
func (a *api) changeExperiment(change func(ctx context.Context, k store.Key) (run.Experiment, error)) func(c call) (any, error) {
	return func(c call) (any, error) {
		in, err := decode[experimentID](c.Request)
		if err != nil {
			return nil, err
		}
		e, err := a.experimentOf(c, in.ID)
		if err == nil {
			_, err = change(c.Context(), e.Key())
		}
		return nil, err
	}
}

func (a *api) deleteExperiment(c call) (any, error) {
	return a.changeExperiment(a.Runs.DeleteExperiment)(c)
}

func (a *api) restoreExperiment(c call) (any, error) {
	return a.changeExperiment(a.Runs.RestoreExperiment)(c)
}

func (a *api) updateExperiment(c call) (any, error) {
	in, err := decode[struct {
		experimentID
		Name string `json:"new_name"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	e, err := a.experimentOf(c, in.ID)
	if err != nil || in.Name == "" || in.Name == e.Name {
		return nil, err
	}
	return nil, &fault.Error{
		Code: fault.Unsupported, Reason: "ExperimentKeepsName", What: "the experiment " + e.Name + " cannot have another name",
		Why: "runs name their experiment", Fix: "create an experiment of the new name", Field: "new_name",
	}
}

type experimentTag struct {
	experimentID
	pair
}

func (a *api) setExperimentTag(c call) (any, error) {
	in, err := decode[experimentTag](c.Request)
	if err != nil {
		return nil, err
	}
	e, err := a.experimentOf(c, in.ID)
	if err != nil {
		return nil, err
	}
	tags, err := labels("", []pair{in.pair}, maxExpTag)
	if err == nil {
		_, err = a.Runs.UpdateExperiment(c.Context(), e.Key(), tags, nil)
	}
	return nil, err
}

func (a *api) deleteExperimentTag(c call) (any, error) {
	in, err := decode[experimentTag](c.Request)
	if err != nil {
		return nil, err
	}
	e, err := a.experimentOf(c, in.ID)
	if err != nil {
		return nil, err
	}
	if _, ok := e.Tags[in.Key]; !ok {
		return nil, noTag(in.Key, "experiment "+e.Name)
	}
	_, err = a.Runs.UpdateExperiment(c.Context(), e.Key(), nil, []string{in.Key})
	return nil, err
}

func noTag(key, of string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "TagNotFound", What: "there is no tag " + shortened(key) + " to delete",
		Why: "the " + of + " has none of that name", Fix: "look at its tags first", Field: "key",
	}
}

type searchRequest struct {
	Filter  string   `json:"filter"`
	Order   []string `json:"order_by"`
	Max     *integer `json:"max_results"`
	Page    string   `json:"page_token"`
	View    viewType `json:"view_type"`
	RunView viewType `json:"run_view_type"`
}

func (a *api) searchExperiments(c call) (any, error) {
	in, err := decode[searchRequest](c.Request)
	if err != nil {
		return nil, err
	}
	if in.Max == nil {
		return nil, invalid("max_results", "0", "It must be at least 1")
	}
	all, err := everyPage(func(p store.Page) ([]run.Experiment, string, error) {
		return a.Runs.ListExperiments(c.Context(), run.ExperimentFilter{Workspace: c.ws, Deleted: in.View.view()}, p)
	})
	if err != nil {
		return nil, err
	}
	s := searcher[run.Experiment]{
		names: map[string]bool{"name": false, "creation_time": true, "last_update_time": true, "experiment_id": false},
		field: experimentField,
		order: func(x, y run.Experiment) int {
			return cmp.Or(cmp.Compare(millis(y.Created), millis(x.Created)), byNumber(x.ID, y.ID))
		},
	}
	list, next, err := s.search(all, in, maxPage)
	out := struct {
		Experiments []wireExperiment `json:"experiments,omitempty"`
		Next        string           `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, e := range list {
		out.Experiments = append(out.Experiments, toExperiment(e))
	}
	return out, err
}

// byNumber compares IDs that are decimal numbers.
func byNumber(x, y string) int { return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)) }

func experimentField(e run.Experiment, f field) (string, float64, bool) {
	if f.kind == tagField {
		v, ok := e.Tags[f.name]
		return v, 0, ok
	}
	w := toExperiment(e)
	switch f.name {
	case "name":
		return e.Name, 0, true
	case "experiment_id":
		return e.ID, 0, true
	case "creation_time":
		return "", float64(w.Created), true
	}
	return "", float64(w.Updated), true
}

// everyPage collects a list.
func everyPage[T any](list func(p store.Page) ([]T, string, error)) (out []T, err error) {
	p := store.Page{Limit: 1000}
	for {
		page, next, err := list(p)
		if err != nil || next == "" {
			return append(out, page...), err
		}
		out, p.Cursor = append(out, page...), next
	}
}

type experimentKey struct{ workspace, name, id string }

type known struct {
	text  string
	until time.Time
}

// cached remembers for a minute what an experiment is called.
func (a *api) cached(k experimentKey, look func() (string, error)) (string, error) {
	if v, ok := a.experiments.Load(k); ok && time.Now().Before(v.(known).until) {
		return v.(known).text, nil
	}
	text, err := look()
	if err == nil {
		a.experiments.Store(k, known{text, time.Now().Add(time.Minute)})
	}
	return text, err
}

// experimentIDOf returns the ID of the experiment that a run names.
func (a *api) experimentIDOf(ctx context.Context, ws, name string) (string, error) {
	return a.cached(experimentKey{ws, name, ""}, func() (string, error) {
		e, err := a.Runs.GetExperiment(identity.System(ctx), store.Key{Workspace: ws, Name: name})
		return e.ID, err
	})
}
