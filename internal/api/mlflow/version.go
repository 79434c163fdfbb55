package mlflow

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type wireVersion struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	Created     int64    `json:"creation_timestamp"`
	Updated     int64    `json:"last_updated_timestamp"`
	User        string   `json:"user_id,omitempty"`
	Stage       string   `json:"current_stage"`
	Description string   `json:"description"`
	Source      string   `json:"source"`
	Run         string   `json:"run_id"`
	Status      string   `json:"status"`
	Message     string   `json:"status_message,omitempty"`
	Tags        []pair   `json:"tags,omitempty"`
	Link        string   `json:"run_link"`
	Aliases     []string `json:"aliases,omitempty"`
	Model       string   `json:"model_id,omitempty"`
}

type versionAnswer struct {
	Version wireVersion `json:"model_version"`
}

type versionsAnswer struct {
	Versions []wireVersion `json:"model_versions,omitempty"`
	Next     string        `json:"next_page_token,omitempty"`
}

// Properties of versions that clients of MLflow made.
const (
	runProperty  = "mlflow.run_id"
	linkProperty = "mlflow.run_link"
)

// ownScheme begins the sources that are files of ours: a locator follows, and clients get its address.
const ownScheme = "mlflow-artifacts:/"

func (a *api) toVersion(c call, v model.Version, aliases map[string]int) (wireVersion, error) {
	out := wireVersion{
		Name: v.Model, Version: strconv.Itoa(v.Number), Created: millis(v.Created), Updated: millis(v.Updated), User: v.CreatedBy,
		Stage: string(v.Stage), Description: v.Description, Source: v.Source, Run: cmp.Or(v.Run, v.Properties[runProperty]),
		Status: string(v.Status), Message: v.Message, Tags: pairs(v.Tags), Link: v.Properties[linkProperty], Model: v.Logged,
	}
	if rest, ok := strings.CutPrefix(v.Source, ownScheme); ok {
		if _, l, ok := locate(rest); ok {
			out.Source = a.filesURL(c, l.kind, l.id)
			if l.path != "" {
				out.Source += "/" + escapePath(l.path)
			}
		}
	}
	if out.Source == "" {
		out.Source = a.filesURL(c, versionFiles, v.Model+"/"+out.Version)
	}
	for alias, n := range aliases {
		if n == v.Number {
			out.Aliases = append(out.Aliases, alias)
		}
	}
	slices.Sort(out.Aliases)
	return out, nil
}

// version answers with one.
func (a *api) version(c call, v model.Version, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	m, err := a.Models.Get(c.Context(), v.ModelKey())
	if err != nil {
		return nil, err
	}
	out, err := a.toVersion(c, v, m.Aliases)
	return versionAnswer{out}, err
}

// number reads a version, which clients send as a text.
func number(v word) (int, error) {
	if v == "" {
		return 0, missing("version")
	}
	n, err := strconv.Atoi(string(v))
	if err != nil || n < 0 {
		return 0, &fault.Error{
			Code: fault.Invalid, Reason: "ParameterInvalid", What: "Parameter 'version' must be an integer, got '" + shortened(string(v)) + "'",
			Why: "versions are numbered from 1", Fix: "send a number; an alias has an endpoint of its own", Field: "version",
		}
	}
	return n, nil
}

// ofVersion reads a request that names a version.
func (a *api) ofVersion(c call) (in modelRequest, k store.Key, n int, err error) {
	if in, k, err = a.ofModel(c); err == nil {
		n, err = number(in.Version)
	}
	return in, k, n, err
}

// origin says what a source means: files of a run or of a logged model.
type origin struct {
	run, logged, path string
	source            string // as it is kept
	link              string // the run that it comes from without being its files
}

// resolve reads a source. What is not ours is kept as it is, without files, as MLflow does.
func (a *api) resolve(c call, source, runID, modelID string) (origin, error) {
	o := origin{source: source, link: runID}
	u, err := url.Parse(source)
	if err != nil {
		return o, badSource(source, "it is no address")
	}
	switch _, below, own := strings.Cut(source, filesPath+"/"); {
	case own || u.Scheme == "mlflow-artifacts":
		if !own {
			below = strings.TrimPrefix(u.EscapedPath(), "/")
		}
		return a.fromFiles(c, o, below, runID)
	case u.Scheme == "runs":
		return a.fromRun(c, o, strings.TrimPrefix(u.Path, "/"), runID)
	case u.Scheme == "models":
		return a.fromModels(c, o, strings.TrimPrefix(u.Path, "/"), modelID)
	case u.Scheme == "file" || u.Scheme == "" && strings.HasPrefix(source, "/"):
		return o, badSource(source, "the server does not read files of its own disk, or of yours, by their path")
	}
	return o, nil
}

func badSource(source, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ModelSourceInvalid", What: "Invalid model version source: '" + shortened(source) + "'",
		Why: why, Fix: "log the model to a run and register runs:/RUN/PATH, or models:/MODEL-ID", Field: "source",
	}
}

func (a *api) fromFiles(c call, o origin, below, runID string) (origin, error) {
	_, l, ok := locate(below)
	switch {
	case !ok || strings.Contains("/"+l.path+"/", "/../"):
		return o, badSource(o.source, "it is no address of files that this server gave")
	case l.workspace != c.ws:
		return o, badSource(o.source, "its files are in another workspace")
	case l.kind == runFiles && runID != "" && runID != l.id:
		return o, badSource(o.source, "it is of another run than run_id says")
	case l.kind == versionFiles:
		return a.fromModels(c, o, l.id, "")
	}
	o.path, o.source = l.path, ownScheme+l.String()
	if l.kind == loggedFiles {
		o.logged = l.id
		return o, nil
	}
	o.run = l.id
	return o, nil
}

// fromRun reads runs:/ID/PATH. A run that is not here is kept as it was said, without files.
func (a *api) fromRun(c call, o origin, text, runID string) (origin, error) {
	id, path, _ := strings.Cut(text, "/")
	_, err := a.Runs.Get(c.Context(), a.key(c, id))
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return o, nil
	case err != nil:
		return o, err
	case runID != "" && runID != id:
		return o, badSource(o.source, "it is of another run than run_id says")
	}
	return a.ofLogged(c, origin{run: id, path: path, source: o.source})
}

// ofLogged looks for the logged model that a run's path means for clients of MLflow 3, which keep models
// beside the run's files.
func (a *api) ofLogged(c call, o origin) (origin, error) {
	files, err := entries(c.Context(), a.holder(locator{c.ws, runFiles, o.run, ""}), o.path, "")
	if err != nil || len(files) > 0 {
		return o, err
	}
	r, err := a.Runs.Get(c.Context(), a.key(c, o.run))
	if err != nil {
		return o, err
	}
	list, _, err := a.Models.SearchLogged(c.Context(), model.LoggedFilter{Workspace: c.ws, RunID: r.ID}, store.Page{Limit: 1000})
	for _, l := range list {
		if l.Name == o.path {
			o.run, o.logged, o.path = "", l.ID, ""
			break
		}
	}
	return o, err
}

// fromModels reads models:/ID of a logged model, and models:/NAME/VERSION or models:/NAME@ALIAS.
func (a *api) fromModels(c call, o origin, text, modelID string) (origin, error) {
	name, ref, ok := strings.Cut(text, "/")
	if !ok {
		name, ref, ok = strings.Cut(text, "@")
	}
	if !ok {
		if modelID != "" && modelID != text {
			return o, badSource(o.source, "it is another model than model_id says")
		}
		o.logged = text
		return o, nil
	}
	v, err := a.Models.GetVersion(c.Context(), a.key(c, name), ref)
	if err != nil {
		return o, err
	}
	o.source = "models:/" + name + "/" + strconv.Itoa(v.Number)
	from, err := a.resolve(c, v.Source, v.Run, v.Logged)
	from.source, from.link = o.source, cmp.Or(v.Run, v.Properties[runProperty])
	return from, err
}

func (a *api) createVersion(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	if in.Source == "" {
		return nil, missing("source")
	}
	tags, err := labels("tags", in.Tags, maxModelTag)
	if err != nil {
		return nil, err
	}
	if _, err := a.Models.Get(c.Context(), k); err != nil {
		return nil, err // MLflow's clients make the model first
	}
	o, err := a.resolve(c, in.Source, in.RunID, in.ModelID)
	if err != nil {
		return nil, err
	}
	q := model.NewVersion{
		Workspace: k.Workspace, Model: k.Name, Run: o.run, Logged: o.logged, Path: o.path, Source: o.source, Tags: tags, Properties: map[string]string{},
	}
	if o.run == "" && o.link != "" {
		q.Properties[runProperty] = o.link
	}
	if in.Description != nil {
		q.Description = *in.Description
	}
	v, err := a.Models.CreateVersion(c.Context(), q)
	return a.version(c, v, err)
}

func (a *api) getVersion(c call) (any, error) {
	_, k, n, err := a.ofVersion(c)
	if err != nil {
		return nil, err
	}
	v, err := a.Models.GetVersion(c.Context(), k, strconv.Itoa(n))
	return a.version(c, v, err)
}

func (a *api) getByAlias(c call) (any, error) {
	in, k, err := a.ofModel(c)
	if err != nil {
		return nil, err
	}
	m, err := a.Models.Get(c.Context(), k)
	if err != nil {
		return nil, err
	}
	n, ok := m.Aliases[in.Alias]
	if !ok && !strings.EqualFold(in.Alias, "latest") {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "AliasNotFound", What: "Registered model alias " + shortened(in.Alias) + " not found",
			Why: "the model " + m.Name + " has none of that name", Fix: "look at its aliases; run: zaffre model show " + m.Name, Field: "alias",
		}
	}
	if !ok {
		n = m.Latest
	}
	v, err := a.Models.GetVersion(c.Context(), k, strconv.Itoa(n))
	return a.version(c, v, err)
}

func (a *api) updateVersion(c call) (any, error) {
	in, k, n, err := a.ofVersion(c)
	if err != nil {
		return nil, err
	}
	v, err := a.Models.UpdateVersion(c.Context(), k, n, model.Change{Description: in.Description})
	return a.version(c, v, err)
}

func stageOf(text string) (model.Stage, error) {
	for _, s := range model.Stages() {
		if strings.EqualFold(string(s), text) {
			return s, nil
		}
	}
	return "", invalid("stage", `"`+shortened(text)+`"`, "Invalid Model Version stage: it must be one of None, Staging, Production, Archived")
}

func (a *api) transition(c call) (any, error) {
	in, k, n, err := a.ofVersion(c)
	if err != nil {
		return nil, err
	}
	if in.Stage == "" {
		return nil, missing("stage")
	}
	stage, err := stageOf(in.Stage)
	if err != nil {
		return nil, err
	}
	v, err := a.Models.TransitionStage(c.Context(), k, n, model.Transition{Stage: stage, Archive: bool(in.Archive)})
	return a.version(c, v, err)
}

func (a *api) deleteVersion(c call) (any, error) {
	_, k, n, err := a.ofVersion(c)
	if err != nil {
		return nil, err
	}
	if _, err := a.Models.GetVersion(c.Context(), k, strconv.Itoa(n)); err != nil {
		return nil, err
	}
	return nil, a.Models.DeleteVersion(c.Context(), k, n)
}

func (a *api) downloadURI(c call) (any, error) {
	_, k, n, err := a.ofVersion(c)
	if err != nil {
		return nil, err
	}
	v, err := a.Models.GetVersion(c.Context(), k, strconv.Itoa(n))
	if err != nil {
		return nil, err
	}
	uri := v.Source
	if v.Run != "" || v.Logged != "" || v.Source == "" {
		uri = a.filesURL(c, versionFiles, v.Model+"/"+strconv.Itoa(v.Number))
	}
	return map[string]string{"artifact_uri": uri}, nil
}

func (a *api) setVersionTag(c call) (any, error) {
	in, k, n, err := a.ofVersion(c)
	if err != nil {
		return nil, err
	}
	tags, err := in.tag()
	if err == nil {
		_, err = a.Models.UpdateVersion(c.Context(), k, n, model.Change{Tags: tags})
	}
	return nil, err
}

func (a *api) deleteVersionTag(c call) (any, error) {
	in, k, n, err := a.ofVersion(c)
	if err == nil {
		err = checkKey("key", in.Key)
	}
	if err == nil {
		_, err = a.Models.UpdateVersion(c.Context(), k, n, model.Change{RemoveTags: []string{in.Key}})
	}
	return nil, err
}

func (a *api) searchVersions(c call) (any, error) {
	in, err := decode[searchRequest](c.Request)
	if err != nil {
		return nil, err
	}
	all, err := everyPage(func(p store.Page) ([]model.Version, string, error) {
		return a.Models.ListVersions(c.Context(), model.VersionFilter{Workspace: c.ws}, p)
	})
	if err != nil {
		return nil, err
	}
	s := searcher[model.Version]{
		names: map[string]bool{
			"name": false, "version_number": true, "version": true, "run_id": false, "source_path": false, "creation_timestamp": true,
			"last_updated_timestamp": true, "model_id": false,
		},
		field: versionField,
		order: func(x, y model.Version) int {
			if n := y.Updated.Compare(x.Updated); n != 0 && len(in.Order) == 0 {
				return n
			}
			return cmp.Or(cmp.Compare(x.Model, y.Model), cmp.Compare(y.Number, x.Number))
		},
	}
	list, next, err := s.search(all, in, 200_000)
	out := versionsAnswer{Next: next}
	models := map[string]model.Model{}
	for _, v := range list {
		m, ok := models[v.Model]
		if !ok {
			if m, err = a.Models.Get(c.Context(), v.ModelKey()); err != nil {
				return nil, err
			}
			models[v.Model] = m
		}
		w, err := a.toVersion(c, v, m.Aliases)
		if err != nil {
			return nil, err
		}
		out.Versions = append(out.Versions, w)
	}
	return out, err
}

func versionField(v model.Version, f field) (string, float64, bool) {
	if f.kind == tagField {
		t, ok := v.Tags[f.name]
		return t, 0, ok
	}
	switch f.name {
	case "name":
		return v.Model, 0, true
	case "run_id":
		return cmp.Or(v.Run, v.Properties[runProperty]), 0, true
	case "source_path":
		return v.Source, 0, true
	case "model_id":
		return v.Logged, 0, v.Logged != ""
	case "creation_timestamp":
		return "", float64(millis(v.Created)), true
	case "last_updated_timestamp":
		return "", float64(millis(v.Updated)), true
	}
	return "", float64(v.Number), true
}
