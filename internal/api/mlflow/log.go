package mlflow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// sentMetric is a point as clients send it.
type sentMetric struct {
	Key       string   `json:"key"`
	Value     *double  `json:"value"`
	Timestamp *integer `json:"timestamp"`
	Step      integer  `json:"step"`
	Model     string   `json:"model_id"`
}

func (m sentMetric) point(path string) (metric.Point, error) {
	switch {
	case m.Key == "":
		return metric.Point{}, missing(path + "key")
	case m.Value == nil:
		return metric.Point{}, missing(path + "value")
	case m.Timestamp == nil:
		return metric.Point{}, missing(path + "timestamp")
	case *m.Timestamp < 0 || *m.Timestamp > maxTimestamp:
		return metric.Point{}, invalid(path+"timestamp", fmt.Sprint(int64(*m.Timestamp)), "it should be milliseconds since 1970")
	}
	if !plain(m.Key) {
		if err := checkKey(path+"name", m.Key); err != nil {
			return metric.Point{}, err
		}
	}
	return metric.Point{Name: m.Key, Kind: metric.Scalar, Value: float64(*m.Value), Step: int64(m.Step), Time: time.UnixMilli(int64(*m.Timestamp))}, nil
}

// plain reports whether a key is short and of letters, digits and underscores, as most are.
func plain(key string) bool {
	for i := range len(key) {
		c := key[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return len(key) <= maxKey
}

func (a *api) logMetric(c call) (any, error) {
	in, err := decode[struct {
		runID
		sentMetric
	}](c.Request)
	if err != nil {
		return nil, err
	}
	id, err := in.check()
	if err != nil {
		return nil, err
	}
	p, err := in.point("")
	if err != nil {
		return nil, err
	}
	if err := a.Runs.LogMetrics(c.Context(), a.key(c, id), []metric.Point{p}); err != nil {
		return nil, err
	}
	return nil, a.logToModels(c, map[string][]metric.Point{in.Model: {p}})
}

func (a *api) logParameter(c call) (any, error) {
	in, err := decode[struct {
		runID
		pair
	}](c.Request)
	if err != nil {
		return nil, err
	}
	id, err := in.check()
	if err != nil {
		return nil, err
	}
	params, warnings, err := cutParams("", []pair{in.pair})
	if err != nil {
		return nil, err
	}
	_, err = a.Runs.Label(c.Context(), a.key(c, id), nil, params, nil)
	return nil, a.warn(c, id, warnings, err)
}

// cutParams returns the parameters of a list, with those values shortened that are longer than MLflow
// keeps, as its server does, and what to say of that.
func cutParams(path string, list []pair) (out map[string]string, warnings []string, err error) {
	out = make(map[string]string, len(list))
	var twice []string
	for _, p := range list {
		if err := checkKey(path+"key", p.Key); err != nil {
			return nil, nil, err
		}
		v, was := cut(p.value(), maxParam)
		if was {
			warnings = append(warnings, fmt.Sprintf("the value of parameter %s was cut to %d characters", p.Key, maxParam))
		}
		if _, ok := out[p.Key]; ok {
			twice = append(twice, "'"+p.Key+"'")
		}
		out[p.Key] = v
	}
	if len(twice) > 0 {
		return nil, nil, &fault.Error{
			Code: fault.Invalid, Reason: "ParamTwice", What: "Duplicate parameter keys have been submitted: [" + strings.Join(twice, ", ") + "]",
			Why: "a request has one value for a parameter", Fix: "send each once", Field: "params",
		}
	}
	return out, warnings, nil
}

// cutTags is cutParams for tags, of which the last counts.
func cutTags(list []pair) (out map[string]string, warnings []string, err error) {
	out = make(map[string]string, len(list))
	for _, p := range list {
		if err := checkKey("key", p.Key); err != nil {
			return nil, nil, err
		}
		v, was := cut(p.value(), maxTag)
		if was {
			warnings = append(warnings, fmt.Sprintf("the value of tag %s was cut to %d characters", p.Key, maxTag))
		}
		out[p.Key] = v
	}
	return out, warnings, nil
}

// warn keeps what was done otherwise than asked with the run.
func (a *api) warn(c call, id string, warnings []string, err error) error {
	if err != nil || len(warnings) == 0 {
		return err
	}
	_, err = a.Runs.UpdateExternal(c.Context(), a.key(c, id), run.Change{Warnings: warnings})
	return err
}

func (a *api) setTag(c call) (any, error) {
	in, err := decode[struct {
		runID
		pair
	}](c.Request)
	if err != nil {
		return nil, err
	}
	id, err := in.check()
	if err != nil {
		return nil, err
	}
	tags, warnings, err := cutTags([]pair{in.pair})
	if err != nil {
		return nil, err
	}
	return nil, a.warn(c, id, warnings, a.label(c, id, tags, nil))
}

// label sets tags and parameters. The tag of the run's name is its display name.
func (a *api) label(c call, id string, tags, params map[string]string) error {
	if name := tags[nameTag]; name != "" {
		if _, err := a.Runs.UpdateExternal(c.Context(), a.key(c, id), run.Change{Display: &name}); err != nil {
			return err
		}
	}
	_, err := a.Runs.Label(c.Context(), a.key(c, id), tags, params, nil)
	return err
}

func (a *api) deleteTag(c call) (any, error) {
	in, err := decode[struct {
		runID
		Key string `json:"key"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	r, err := a.runOf(c, in.runID)
	if err != nil {
		return nil, err
	}
	if _, ok := r.Tags[in.Key]; !ok {
		return nil, noTag(in.Key, "run "+r.Name)
	}
	_, err = a.Runs.Label(c.Context(), r.Key(), nil, nil, []string{in.Key})
	return nil, err
}

func (a *api) logBatch(c call) (any, error) {
	in, err := decode[struct {
		runID
		Metrics []sentMetric `json:"metrics"`
		Params  []pair       `json:"params"`
		Tags    []pair       `json:"tags"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	id, err := in.check()
	if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		what     string
		limit, n int
	}{
		{"metrics", maxBatch, len(in.Metrics)},
		{"params", maxLabels, len(in.Params)},
		{"tags", maxLabels, len(in.Tags)},
		{"metrics, params, and tags", maxBatch, len(in.Metrics) + len(in.Params) + len(in.Tags)},
	} {
		if err := checkBatch(l.what, l.limit, l.n); err != nil {
			return nil, err
		}
	}
	points, ofModels, err := points(in.Metrics)
	if err != nil {
		return nil, err
	}
	params, cutParameters, err := cutParams("params.", in.Params)
	if err != nil {
		return nil, err
	}
	tags, cutValues, err := cutTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if len(params)+len(tags) > 0 || len(points) == 0 {
		if err := a.label(c, id, tags, params); err != nil {
			return nil, err
		}
	}
	if len(points) > 0 {
		if err := a.Runs.LogMetrics(c.Context(), a.key(c, id), points); err != nil {
			return nil, err
		}
	}
	return nil, a.warn(c, id, slices.Concat(cutParameters, cutValues), a.logToModels(c, ofModels))
}

// points returns all points, and those of each model.
func points(sent []sentMetric) (all []metric.Point, ofModels map[string][]metric.Point, err error) {
	all = make([]metric.Point, 0, len(sent))
	for i, m := range sent {
		p, err := m.point("")
		if err != nil {
			_, err = m.point(fmt.Sprintf("metrics[%d].", i))
			return nil, nil, err
		}
		if all = append(all, p); m.Model != "" {
			if ofModels == nil {
				ofModels = map[string][]metric.Point{}
			}
			ofModels[m.Model] = append(ofModels[m.Model], p)
		}
	}
	return all, ofModels, nil
}

// logModel keeps what MLflow 2 says of a model among the run's files, in a tag that its clients read.
func (a *api) logModel(c call) (any, error) {
	in, err := decode[struct {
		runID
		Model string `json:"model_json"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	if in.Model == "" {
		return nil, missing("model_json")
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(in.Model), &m); err != nil {
		return nil, invalid("model_json", shortened(in.Model), "it is not an object of JSON")
	}
	for _, field := range []string{"artifact_path", "flavors", "utc_time_created", "run_id"} {
		if _, ok := m[field]; !ok {
			return nil, missing("model_json." + field)
		}
	}
	r, err := a.runOf(c, in.runID)
	if err != nil {
		return nil, err
	}
	value, err := history(r.Tags[modelsTag], m)
	if err != nil {
		return nil, err
	}
	_, err = a.Runs.Label(c.Context(), r.Key(), map[string]string{modelsTag: value}, nil, nil)
	return nil, err
}

// summary is what MLflow's server keeps of a model: which one it is, and its flavors without their settings.
// Source: mlflow/models/model.py, 2.22.
func summary(m map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range []string{"run_id", "utc_time_created", "artifact_path", "model_uuid", "flavors"} {
		if v, ok := m[key]; ok {
			out[key] = v
		}
	}
	flavors, _ := out["flavors"].(map[string]any)
	for _, f := range flavors {
		if settings, ok := f.(map[string]any); ok {
			delete(settings, "config")
		}
	}
	return out
}

// history is the tag's value with one model more; the oldest go when it would be longer than a tag.
func history(old string, m map[string]any) (string, error) {
	var list []map[string]any
	if old != "" {
		_ = json.Unmarshal([]byte(old), &list) // somebody else wrote it: begin anew
	}
	m = summary(m)
	list = slices.DeleteFunc(list, func(x map[string]any) bool { return x["model_uuid"] != nil && x["model_uuid"] == m["model_uuid"] })
	for list = append(list, m); ; list = list[1:] {
		raw, err := json.Marshal(list)
		if err != nil || utf8.RuneCount(raw) <= maxTag {
			return string(raw), err
		}
		if len(list) == 1 {
			return "", tooLong("model_json", maxTag)
		}
	}
}
