package mlflow

import (
	"cmp"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type wireLogged struct {
	Info wireLoggedInfo `json:"info"`
	Data wireLoggedData `json:"data"`
}

type wireLoggedInfo struct {
	ID         string `json:"model_id"`
	Experiment string `json:"experiment_id"`
	Name       string `json:"name"`
	Created    int64  `json:"creation_timestamp_ms"`
	Updated    int64  `json:"last_updated_timestamp_ms"`
	Artifacts  string `json:"artifact_uri"`
	Status     string `json:"status"`
	Type       string `json:"model_type,omitempty"`
	Run        string `json:"source_run_id,omitempty"`
	Message    string `json:"status_message,omitempty"`
	Tags       []pair `json:"tags,omitempty"`
}

type wireLoggedData struct {
	Params  []pair       `json:"params,omitempty"`
	Metrics []wireMetric `json:"metrics,omitempty"`
}

var loggedStatuses = map[model.LoggedStatus]string{
	model.LoggedPending: "LOGGED_MODEL_PENDING", model.LoggedReady: "LOGGED_MODEL_READY", model.LoggedFailed: "LOGGED_MODEL_UPLOAD_FAILED",
}

var fromLogged = map[string]model.LoggedStatus{
	"LOGGED_MODEL_PENDING": model.LoggedPending, "LOGGED_MODEL_READY": model.LoggedReady, "LOGGED_MODEL_UPLOAD_FAILED": model.LoggedFailed,
	"1": model.LoggedPending, "2": model.LoggedReady, "3": model.LoggedFailed,
}

// sourceTag keeps the name of the run that logged a model: what MLflow calls its ID. It is not shown.
const sourceTag = "zaffre.mlflow.sourceRun"

type loggedAnswer struct {
	Model wireLogged `json:"model"`
}

func (a *api) toLogged(c call, l model.Logged, latest []metric.Latest) wireLogged {
	out := wireLogged{Info: wireLoggedInfo{
		ID: l.ID, Experiment: l.Experiment, Name: l.Name, Created: millis(l.Created), Updated: millis(l.Updated),
		Artifacts: a.filesURL(c, loggedFiles, l.ID), Status: loggedStatuses[l.Status], Type: l.Type, Run: cmp.Or(l.Tags[sourceTag], l.RunID), Message: l.Message,
	}, Data: wireLoggedData{Params: pairs(l.Params)}}
	for _, p := range pairs(l.Tags) {
		if p.Key != sourceTag {
			out.Info.Tags = append(out.Info.Tags, p)
		}
	}
	for _, m := range latest {
		w := toMetric(m.Point)
		w.ModelID, w.RunID = l.ID, out.Info.Run
		out.Data.Metrics = append(out.Data.Metrics, w)
	}
	return out
}

// logged answers with one model.
func (a *api) logged(c call, l model.Logged, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	latest, err := a.Metrics.Latest(c.Context(), l.ID)
	return loggedAnswer{a.toLogged(c, l, latest)}, err
}

func (a *api) createLogged(c call) (any, error) {
	in, err := decode[struct {
		experimentID
		Name   string `json:"name"`
		Type   string `json:"model_type"`
		Run    string `json:"source_run_id"`
		Params []pair `json:"params"`
		Tags   []pair `json:"tags"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	if _, err := a.experimentOf(c, in.ID); err != nil {
		return nil, err
	}
	l := model.Logged{Workspace: c.ws, Name: in.Name, Experiment: in.ID, Type: in.Type}
	if strings.ContainsAny(in.Name, "/:.%\"'") {
		return nil, invalid("name", `"`+in.Name+`"`, `Model name cannot contain the characters / : . % " and '`)
	}
	if l.Name == "" {
		l.Name = "model-" + strconv.Itoa(rand.IntN(1_000_000))
	}
	if l.Tags, err = labels("tags", in.Tags, maxTag); err != nil {
		return nil, err
	}
	if l.Params, err = labels("params", in.Params, maxParam); err != nil {
		return nil, err
	}
	if in.Run != "" {
		r, err := a.Runs.Get(c.Context(), a.key(c, in.Run))
		if err != nil {
			return nil, err
		}
		if l.RunID = r.ID; r.Name != r.ID {
			l.Tags[sourceTag] = r.Name
		}
	}
	l, err = a.Models.CreateLogged(c.Context(), l)
	return a.logged(c, l, err)
}

// loggedKey is the key of the model in the path.
func (a *api) loggedKey(c call) store.Key { return a.key(c, c.PathValue("model")) }

func (a *api) getLogged(c call) (any, error) {
	l, err := a.Models.GetLogged(c.Context(), a.loggedKey(c))
	return a.logged(c, l, err)
}

func (a *api) finalizeLogged(c call) (any, error) {
	in, err := decode[struct {
		Status word `json:"status"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	status, ok := fromLogged[string(in.Status)]
	if !ok || status == model.LoggedPending {
		return nil, invalid("status", `"`+string(in.Status)+`"`, "Invalid model status: a model becomes LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED")
	}
	l, err := a.Models.FinalizeLogged(c.Context(), a.loggedKey(c), status)
	return a.logged(c, l, err)
}

func (a *api) deleteLogged(c call) (any, error) {
	l, err := a.Models.GetLogged(c.Context(), a.loggedKey(c))
	if err != nil {
		return nil, err
	}
	if err := a.Metrics.Delete(c.Context(), l.ID); err != nil {
		return nil, err
	}
	return nil, a.Models.DeleteLogged(c.Context(), l.Key())
}

func (a *api) setLoggedTags(c call) (any, error) {
	in, err := decode[struct {
		Tags []pair `json:"tags"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	tags, err := labels("tags", in.Tags, maxTag)
	if err != nil {
		return nil, err
	}
	l, err := a.Models.UpdateLogged(c.Context(), a.loggedKey(c), model.LoggedChange{Tags: tags})
	return a.logged(c, l, err)
}

func (a *api) deleteLoggedTag(c call) (any, error) {
	l, err := a.Models.GetLogged(c.Context(), a.loggedKey(c))
	if err != nil {
		return nil, err
	}
	key := c.PathValue("tag")
	if _, ok := l.Tags[key]; !ok || key == sourceTag {
		return nil, noTag(key, "logged model "+l.Name)
	}
	_, err = a.Models.UpdateLogged(c.Context(), l.Key(), model.LoggedChange{RemoveTags: []string{key}})
	return nil, err
}

func (a *api) logLoggedParams(c call) (any, error) {
	in, err := decode[struct {
		Params []pair `json:"params"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	params, err := labels("params", in.Params, maxParam)
	if err == nil {
		_, err = a.Models.UpdateLogged(c.Context(), a.loggedKey(c), model.LoggedChange{Params: params})
	}
	return nil, err
}

func (a *api) listLoggedFiles(c call) (any, error) {
	in, err := decode[struct {
		Dir string `json:"artifact_directory_path"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	if err := checkFolder(in.Dir); err != nil {
		return nil, err
	}
	id := c.PathValue("model")
	files, err := entries(c.Context(), a.holder(locator{c.ws, loggedFiles, id, ""}), in.Dir, in.Dir)
	return wireFiles{Root: a.filesURL(c, loggedFiles, id), Files: files}, err
}

type loggedOrder struct {
	Field     string `json:"field_name"`
	Ascending *flag  `json:"ascending"`
	Data      string `json:"dataset_name"`
}

func (a *api) searchLogged(c call) (any, error) {
	in, err := decode[struct {
		Experiments []string      `json:"experiment_ids"`
		Filter      string        `json:"filter"`
		Data        []any         `json:"datasets"`
		Max         *integer      `json:"max_results"`
		Order       []loggedOrder `json:"order_by"`
		Page        string        `json:"page_token"`
	}](c.Request)
	switch {
	case err != nil:
		return nil, err
	case len(in.Experiments) == 0:
		return nil, missing("experiment_ids")
	case len(in.Data) > 0:
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "MLflowUnsupported", What: "zaffre does not search logged models by data sets",
			Why: "metrics of logged models are not kept by data set", Fix: "leave datasets out", Field: "datasets",
		}
	}
	q := searchRequest{Filter: in.Filter, Max: in.Max, Page: in.Page}
	if q.Max == nil {
		q.Max = new(integer(50))
	}
	for _, o := range in.Order {
		text := o.Field
		if o.Ascending != nil && !bool(*o.Ascending) {
			text += " DESC"
		}
		q.Order = append(q.Order, text)
	}
	all, err := everyPage(func(p store.Page) ([]model.Logged, string, error) {
		return a.Models.SearchLogged(c.Context(), model.LoggedFilter{Workspace: c.ws, Experiments: in.Experiments}, p)
	})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	for i, l := range all {
		ids[i] = l.ID
	}
	metrics, err := a.Metrics.LatestOf(c.Context(), ids, nil)
	if err != nil {
		return nil, err
	}
	list, next, err := loggedSearcher(metrics).search(all, q, maxPage)
	out := struct {
		Models []wireLogged `json:"models,omitempty"`
		Next   string       `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, l := range list {
		out.Models = append(out.Models, a.toLogged(c, l, metrics[l.ID]))
	}
	return out, err
}

func loggedSearcher(metrics map[string][]metric.Latest) searcher[model.Logged] {
	return searcher[model.Logged]{
		names: map[string]bool{
			"name": false, "model_id": false, "model_type": false, "status": false, "source_run_id": false, "experiment_id": false,
			"creation_timestamp": true, "creation_time": true, "last_updated_timestamp": true,
		},
		field: func(l model.Logged, f field) (string, float64, bool) { return loggedField(l, f, metrics[l.ID]) },
		order: func(x, y model.Logged) int {
			return cmp.Or(cmp.Compare(millis(y.Created), millis(x.Created)), cmp.Compare(x.ID, y.ID))
		},
	}
}

func loggedField(l model.Logged, f field, metrics []metric.Latest) (string, float64, bool) {
	switch f.kind {
	case tagField:
		v, ok := l.Tags[f.name]
		return v, 0, ok && f.name != sourceTag
	case paramField:
		v, ok := l.Params[f.name]
		return v, 0, ok
	case metricField:
		for _, m := range metrics {
			if m.Name == f.name {
				return "", m.Value, true
			}
		}
		return "", 0, false
	}
	switch f.name {
	case "name":
		return l.Name, 0, true
	case "model_id":
		return l.ID, 0, true
	case "model_type":
		return l.Type, 0, l.Type != ""
	case "status":
		return string(l.Status), 0, true
	case "source_run_id":
		run := cmp.Or(l.Tags[sourceTag], l.RunID)
		return run, 0, run != ""
	case "experiment_id":
		return l.Experiment, 0, true
	case "last_updated_timestamp":
		return "", float64(millis(l.Updated)), true
	}
	return "", float64(millis(l.Created)), true
}
