package mlflow

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type wireModel struct {
	Name        string        `json:"name"`
	Created     int64         `json:"creation_timestamp"`
	Updated     int64         `json:"last_updated_timestamp"`
	User        string        `json:"user_id,omitempty"`
	Description string        `json:"description,omitempty"`
	Latest      []wireVersion `json:"latest_versions,omitempty"`
	Tags        []pair        `json:"tags,omitempty"`
	Aliases     []wireAlias   `json:"aliases,omitempty"`
}

type wireAlias struct {
	Alias   string `json:"alias"`
	Version string `json:"version"`
}

type modelAnswer struct {
	Model wireModel `json:"registered_model"`
}

// promptTag marks the models that are prompts: MLflow 3 keeps them in the registry.
const promptTag = "mlflow.prompt.is_prompt"

func toModel(m model.Model) wireModel {
	out := wireModel{
		Name: m.Name, Created: millis(m.Created), Updated: millis(m.Updated), User: m.CreatedBy, Description: m.Description, Tags: pairs(m.Tags),
	}
	for _, alias := range slices.Sorted(maps.Keys(m.Aliases)) {
		out.Aliases = append(out.Aliases, wireAlias{alias, strconv.Itoa(m.Aliases[alias])})
	}
	return out
}

// withLatest is toModel with the newest version of each stage.
func (a *api) withLatest(c call, m model.Model, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	out := toModel(m)
	out.Latest, err = a.latest(c, m, nil)
	return modelAnswer{out}, err
}

func (a *api) latest(c call, m model.Model, stages []string) ([]wireVersion, error) {
	if m.Latest == 0 {
		return nil, nil
	}
	list, err := a.Models.LatestVersions(c.Context(), m.Key())
	if err != nil {
		return nil, err
	}
	var out []wireVersion
	for _, v := range list {
		if len(stages) > 0 && !slices.ContainsFunc(stages, func(s string) bool { return strings.EqualFold(s, string(v.Stage)) }) {
			continue
		}
		w, err := a.toVersion(c, v, m.Aliases)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

type modelRequest struct {
	Name        string   `json:"name"`
	NewName     string   `json:"new_name"`
	Description *string  `json:"description"`
	Tags        []pair   `json:"tags"`
	Key         string   `json:"key"`
	Value       *string  `json:"value"`
	Alias       string   `json:"alias"`
	Version     word     `json:"version"`
	Stage       string   `json:"stage"`
	Stages      []string `json:"stages"`
	Archive     flag     `json:"archive_existing_versions"`
	Source      string   `json:"source"`
	RunID       string   `json:"run_id"`
	ModelID     string   `json:"model_id"`
}

// ofModel reads a request that names a model.
func (a *api) ofModel(c call) (in modelRequest, k store.Key, err error) {
	in, err = decode[modelRequest](c.Request)
	if err == nil {
		err = checkModelName("name", in.Name)
	}
	return in, a.key(c, in.Name), err
}

// checkModelName takes the names that MLflow takes.
func checkModelName(field, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return missing(field)
	case strings.ContainsAny(name, "/:"):
		return invalid(field, `"`+name+`"`, "Invalid model name: names cannot contain '/' or ':'")
	}
	return nil
}

func (a *api) createModel(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	tags, err := labels("tags", in.Tags, maxModelTag)
	if err != nil {
		return nil, err
	}
	m := model.Model{Workspace: k.Workspace, Name: k.Name, Tags: tags}
	if in.Description != nil {
		m.Description = *in.Description
	}
	m, err = a.Models.Create(c.Context(), m)
	return a.withLatest(c, m, err)
}

func (a *api) getModel(c call) (any, error) {
	_, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	m, err := a.Models.Get(c.Context(), k)
	return a.withLatest(c, m, err)
}

func (a *api) updateModel(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	m, err := a.Models.Update(c.Context(), k, model.Change{Description: in.Description})
	return a.withLatest(c, m, err)
}

func (a *api) renameModel(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	if err := checkModelName("new_name", in.NewName); err != nil {
		return nil, err
	}
	m, err := a.Models.Rename(c.Context(), k, in.NewName)
	return a.withLatest(c, m, err)
}

func (a *api) deleteModel(c call) (any, error) {
	_, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	if _, err := a.Models.Get(c.Context(), k); err != nil {
		return nil, err
	}
	return nil, a.Models.Delete(c.Context(), k)
}

func (a *api) latestVersions(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	for _, s := range in.Stages {
		if _, err := stageOf(s); err != nil {
			return nil, err
		}
	}
	m, err := a.Models.Get(c.Context(), k)
	if err != nil {
		return nil, err
	}
	list, err := a.latest(c, m, in.Stages)
	return versionsAnswer{Versions: list}, err
}

// modelTags reads the one tag of a request.
func (in modelRequest) tag() (map[string]string, error) {
	if in.Value == nil {
		in.Value = new("")
	}
	if utf8.RuneCountInString(*in.Value) > maxModelTag {
		return nil, tooLong("value", maxModelTag)
	}
	return map[string]string{in.Key: *in.Value}, checkKey("key", in.Key)
}

func (a *api) setModelTag(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	tags, err := in.tag()
	if err == nil {
		_, err = a.Models.Update(c.Context(), k, model.Change{Tags: tags})
	}
	return nil, err
}

func (a *api) deleteModelTag(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err == nil {
		err = checkKey("key", in.Key)
	}
	if err == nil {
		_, err = a.Models.Update(c.Context(), k, model.Change{RemoveTags: []string{in.Key}})
	}
	return nil, err
}

func (a *api) setAlias(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	n, err := number(in.Version)
	if err == nil {
		_, err = a.Models.SetAlias(c.Context(), k, in.Alias, n)
	}
	return nil, err
}

func (a *api) deleteAlias(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	_, err = a.Models.DeleteAlias(c.Context(), k, in.Alias)
	return nil, err
}

func (a *api) searchModels(c call) (any, error) {
	in, err := decode[searchRequest](c.Request)
	if err != nil {
		return nil, err
	}
	all, err := everyPage(func(p store.Page) ([]model.Model, string, error) {
		return a.Models.List(c.Context(), model.Filter{Workspace: c.ws}, p)
	})
	if err != nil {
		return nil, err
	}
	if !strings.Contains(in.Filter, promptTag) {
		all = slices.DeleteFunc(all, func(m model.Model) bool { return m.Tags[promptTag] == "true" })
	}
	s := searcher[model.Model]{
		names: map[string]bool{"name": false, "creation_timestamp": true, "last_updated_timestamp": true, "timestamp": true},
		field: modelField,
		order: func(x, y model.Model) int { return cmp.Compare(x.Name, y.Name) },
	}
	if in.Max == nil {
		in.Max = new(integer(100))
	}
	list, next, err := s.search(all, in, 1000)
	out := struct {
		Models []wireModel `json:"registered_models,omitempty"`
		Next   string      `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, m := range list {
		w := toModel(m)
		if w.Latest, err = a.latest(c, m, nil); err != nil {
			return nil, err
		}
		out.Models = append(out.Models, w)
	}
	return out, err
}

func modelField(m model.Model, f field) (string, float64, bool) {
	switch {
	case f.kind == tagField:
		v, ok := m.Tags[f.name]
		return v, 0, ok
	case f.name == "name":
		return m.Name, 0, true
	case f.name == "creation_timestamp":
		return "", float64(millis(m.Created)), true
	}
	return "", float64(millis(m.Updated)), true
}
