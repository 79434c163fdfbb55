package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type modelRow struct {
	Workspace   string            `json:"workspace"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Aliases     map[string]int    `json:"aliases,omitempty"`
	Latest      int               `json:"latest,omitempty"`
	Numbered    int               `json:"numbered,omitempty"`
	CreatedBy   string            `json:"created_by,omitempty"`
	Created     micros            `json:"created,omitempty"`
	Updated     micros            `json:"updated,omitempty"`
}

// Models returns the store of registered models.
func (d *DB) Models() model.Store { return d.models() }

func (d *DB) models() *repo[model.Model, model.Filter, modelRow] {
	return newRepo(d, &table[model.Model, model.Filter, modelRow]{
		name: "model", noun: "model", reason: "ModelNotFound", show: "zaffre model list",
		key: model.Model.Key,
		encode: func(m model.Model) modelRow {
			return modelRow{
				m.Workspace, m.Name, m.Description, m.Tags, m.Aliases, m.Latest, m.Numbered, m.CreatedBy,
				toMicros(m.Created), toMicros(m.Updated),
			}
		},
		decode: func(r modelRow) model.Model {
			return model.Model{
				Workspace: r.Workspace, Name: r.Name, Description: r.Description, Tags: r.Tags, Aliases: r.Aliases,
				Latest: r.Latest, Numbered: r.Numbered, CreatedBy: r.CreatedBy, Created: r.Created.time(), Updated: r.Updated.time(),
			}
		},
		filter:   func(w *where, f model.Filter) { w.equal("workspace", f.Workspace) },
		order:    []string{"workspace", "name"},
		position: func(m model.Model) []any { return []any{m.Workspace, m.Name} },
	})
}

type versionRow struct {
	Workspace        string            `json:"workspace"`
	Model            string            `json:"model"`
	Number           int               `json:"number"`
	ID               string            `json:"id"`
	Request          string            `json:"request,omitempty"`
	Run              string            `json:"run,omitempty"`
	RunID            string            `json:"run_id,omitempty"`
	Logged           string            `json:"logged,omitempty"`
	Source           string            `json:"source,omitempty"`
	Snapshot         string            `json:"snapshot,omitempty"`
	Environment      string            `json:"environment,omitempty"`
	Stage            model.Stage       `json:"stage,omitempty"`
	Status           model.Status      `json:"status,omitempty"`
	Message          string            `json:"message,omitempty"`
	Framework        string            `json:"framework,omitempty"`
	FrameworkVersion string            `json:"framework_version,omitempty"`
	Description      string            `json:"description,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	Properties       map[string]string `json:"properties,omitempty"`
	Definition       []byte            `json:"definition,omitempty"`
	CreatedBy        string            `json:"created_by,omitempty"`
	Created          micros            `json:"created,omitempty"`
	Updated          micros            `json:"updated,omitempty"`
}

func encodeVersion(v model.Version) versionRow {
	return versionRow{
		v.Workspace, v.Model, v.Number, v.ID, v.Request, v.Run, v.RunID, v.Logged, v.Source, v.Snapshot, v.Environment,
		v.Stage, v.Status, v.Message, v.Framework, v.FrameworkVersion, v.Description, v.Tags, v.Properties,
		v.Definition, v.CreatedBy, toMicros(v.Created), toMicros(v.Updated),
	}
}

func (r versionRow) decode() model.Version {
	return model.Version{
		Workspace: r.Workspace, Model: r.Model, Number: r.Number, ID: r.ID, Request: r.Request, Run: r.Run, RunID: r.RunID,
		Logged: r.Logged, Source: r.Source, Snapshot: r.Snapshot, Environment: r.Environment, Stage: r.Stage, Status: r.Status,
		Message: r.Message, Framework: r.Framework, FrameworkVersion: r.FrameworkVersion, Description: r.Description,
		Tags: r.Tags, Properties: r.Properties, Definition: r.Definition,
		CreatedBy: r.CreatedBy, Created: r.Created.time(), Updated: r.Updated.time(),
	}
}

// versions keeps versions, and changes them together with their models and files.
type versions struct {
	*repo[model.Version, model.VersionFilter, versionRow]
	models    *repo[model.Model, model.Filter, modelRow]
	artifacts artifacts
}

// Versions returns the store of versions of models.
func (d *DB) Versions() model.VersionStore {
	return versions{newRepo(d, &table[model.Version, model.VersionFilter, versionRow]{
		name: "model_version", noun: "model version", reason: "ModelVersionNotFound", show: "zaffre model list",
		key: model.Version.Key, encode: encodeVersion, decode: versionRow.decode,
		columns: []column[model.Version]{
			{"model", true, func(v *model.Version) any { return v.Model }},
			{"rank", true, func(v *model.Version) any { return int64(-v.Number) }},
			{"run", false, func(v *model.Version) any { return v.RunID }},
			{"stage", false, func(v *model.Version) any { return string(v.Stage) }},
			{"request", true, func(v *model.Version) any { return v.Request }},
		},
		filter: func(w *where, f model.VersionFilter) {
			w.equal("workspace", f.Workspace)
			w.equal("model", f.Model)
			w.equal("run", f.Run)
			w.equal("stage", string(f.Stage))
		},
		order: []string{"workspace", "model", "rank"},
		position: func(v model.Version) []any {
			return []any{v.Workspace, v.Model, int64(-v.Number)}
		},
	}), d.models(), d.Artifacts().(artifacts)}
}

// Change implements model.VersionStore.
func (r versions) Change(ctx context.Context, k store.Key, want model.Want, change func(*model.Family) ([]store.Effect, error)) (f model.Family, err error) {
	err = r.db.write(ctx, func(t *tx) error {
		f = model.Family{}
		var doc []byte
		found, err := t.one(r.models.getSQL+" FOR UPDATE", []any{k.Workspace, k.Name}, &doc)
		if err != nil {
			return err
		}
		if !found {
			return r.models.notFound(k)
		}
		if f.Model, err = r.models.parse(doc); err != nil {
			return err
		}
		return r.changeFamily(t, k, &f, want, change)
	})
	if err != nil {
		return model.Family{}, err
	}
	return f, nil
}

func (r versions) changeFamily(t *tx, k store.Key, f *model.Family, want model.Want, change func(*model.Family) ([]store.Effect, error)) error {
	before, docs, err := r.wanted(t, k, want)
	if err != nil {
		return err
	}
	f.Versions = append([]model.Version(nil), before...)
	then, err := change(f)
	if err != nil {
		return err
	}
	if err := r.storeModel(t, k, f); err != nil {
		return err
	}
	if err := r.storeVersions(t, before, docs, f.Versions); err != nil {
		return err
	}
	for _, l := range f.Links {
		n, err := r.artifacts.share(t, l)
		if err != nil {
			return err
		}
		if n == 0 {
			return object.NoneAt(l.Path)
		}
	}
	return t.apply(then)
}

// wanted returns versions of a model, the newest first, and their documents by ID.
func (r versions) wanted(t *tx, k store.Key, want model.Want) (list []model.Version, docs map[string]string, err error) {
	w := where{}
	w.and("workspace =", k.Workspace)
	w.and("model =", k.Name)
	var either []string
	if want.Number != 0 {
		either = append(either, "rank = "+w.arg(int64(-want.Number)))
	}
	if want.Request != "" {
		either = append(either, "request = "+w.arg(want.Request))
	}
	if want.Stage != "" {
		either = append(either, "stage = "+w.arg(string(want.Stage)))
	}
	switch {
	case want.All:
		w = where{args: w.args[:2], conditions: w.conditions[:2]}
	case len(either) == 0:
		return nil, nil, nil
	default:
		w.and("(" + strings.Join(either, " OR ") + ")")
	}
	docs = map[string]string{}
	err = each(t.ctx, t.q, `SELECT doc FROM model_version`+w.text()+` ORDER BY rank`, w.args, func(rows *sql.Rows) error {
		var doc []byte
		if err := rows.Scan(&doc); err != nil {
			return err
		}
		v, err := r.parse(doc)
		list, docs[v.ID] = append(list, v), string(doc)
		return err
	})
	return list, docs, err
}

// storeModel writes a model as a change left it: in place, under a new name, or not at all.
func (r versions) storeModel(t *tx, k store.Key, f *model.Family) error {
	if f.Model.Name != k.Name {
		if _, err := t.exec(r.models.deleteSQL, k.Workspace, k.Name); err != nil {
			return err
		}
	}
	if f.Model.Name == "" {
		return nil
	}
	row := r.models.encode(f.Model)
	f.Model = r.models.decode(row)
	doc, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode a model: %w", err)
	}
	text := r.models.docSQL
	if f.Model.Name != k.Name {
		text = r.models.insertSQL
	}
	n, err := t.exec(text, k.Workspace, f.Model.Name, string(doc))
	if err == nil && n == 0 {
		err = r.models.exists(f.Model.Key())
	}
	return err
}

// storeVersions makes what was read before into what is there after; a version is the same by its ID.
func (r versions) storeVersions(t *tx, before []model.Version, docs map[string]string, after []model.Version) error {
	left := map[string]model.Version{}
	for _, v := range before {
		left[v.ID] = v
	}
	for i := range after {
		row := r.encode(after[i])
		doc, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("encode a model version: %w", err)
		}
		after[i] = r.decode(row)
		old, known := left[after[i].ID]
		delete(left, after[i].ID)
		if docs[after[i].ID] == string(doc) {
			continue
		}
		if err := r.storeVersion(t, old, known, after[i], string(doc)); err != nil {
			return err
		}
	}
	for _, v := range left {
		if err := r.removeVersion(t, v); err != nil {
			return err
		}
	}
	return nil
}

func (r versions) storeVersion(t *tx, old model.Version, known bool, v model.Version, doc string) error {
	k := v.Key()
	if known && old.Key() == k {
		_, err := t.exec(r.updateSQL, append([]any{k.Workspace, k.Name, doc}, r.values(&v, false)...)...)
		return err
	}
	if known {
		if _, err := t.exec(r.deleteSQL, old.Workspace, old.Key().Name); err != nil {
			return err
		}
	}
	n, err := t.exec(r.insertSQL, append([]any{k.Workspace, k.Name, doc}, r.values(&v, true)...)...)
	if err == nil && n == 0 {
		err = r.exists(k)
	}
	return err
}

func (r versions) removeVersion(t *tx, v model.Version) error {
	if _, err := t.exec(r.deleteSQL, v.Workspace, v.Key().Name); err != nil {
		return err
	}
	return r.artifacts.clear(t, v.ID)
}

type loggedRow struct {
	Workspace  string             `json:"workspace"`
	ID         string             `json:"id"`
	Name       string             `json:"name,omitempty"`
	Experiment string             `json:"experiment,omitempty"`
	RunID      string             `json:"run_id,omitempty"`
	Status     model.LoggedStatus `json:"status,omitempty"`
	Message    string             `json:"message,omitempty"`
	Type       string             `json:"type,omitempty"`
	Tags       map[string]string  `json:"tags,omitempty"`
	Params     map[string]string  `json:"params,omitempty"`
	CreatedBy  string             `json:"created_by,omitempty"`
	Created    micros             `json:"created,omitempty"`
	Updated    micros             `json:"updated,omitempty"`
}

// Logged returns the store of logged models.
func (d *DB) Logged() model.LoggedStore {
	return newRepo(d, &table[model.Logged, model.LoggedFilter, loggedRow]{
		name: "logged_model", noun: "logged model", reason: "LoggedModelNotFound", show: "zaffre run list",
		key: model.Logged.Key,
		encode: func(l model.Logged) loggedRow {
			return loggedRow{
				l.Workspace, l.ID, l.Name, l.Experiment, l.RunID, l.Status, l.Message, l.Type, l.Tags, l.Params, l.CreatedBy,
				toMicros(l.Created), toMicros(l.Updated),
			}
		},
		decode: func(r loggedRow) model.Logged {
			return model.Logged{
				Workspace: r.Workspace, ID: r.ID, Name: r.Name, Experiment: r.Experiment, RunID: r.RunID, Status: r.Status,
				Message: r.Message, Type: r.Type, Tags: r.Tags, Params: r.Params, CreatedBy: r.CreatedBy,
				Created: r.Created.time(), Updated: r.Updated.time(),
			}
		},
		columns: []column[model.Logged]{
			{"experiment", false, func(l *model.Logged) any { return l.Experiment }},
			{"run", false, func(l *model.Logged) any { return l.RunID }},
			{"created", false, func(l *model.Logged) any { return int64(toMicros(l.Created)) }},
		},
		filter: func(w *where, f model.LoggedFilter) {
			w.equal("workspace", f.Workspace)
			w.equal("run", f.RunID)
			w.among("experiment", f.Experiments)
		},
		order: []string{"created", "workspace", "name"}, newest: true,
		position: func(l model.Logged) []any { return []any{int64(toMicros(l.Created)), l.Workspace, l.ID} },
	})
}

// among selects the rows whose column has any of the values; no values select any.
func (w *where) among(column string, values []string) {
	if len(values) == 0 {
		return
	}
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = w.arg(v)
	}
	w.and(column + " IN (" + strings.Join(marks, ", ") + ")")
}
