package sqlstore

import "github.com/zaffre-ml/zaffre/internal/model"

type assetRow struct {
	Workspace   string            `json:"workspace"`
	ID          string            `json:"id"`
	Name        string            `json:"name,omitempty"`
	Type        string            `json:"type,omitempty"`
	Description string            `json:"description,omitempty"`
	Run         string            `json:"run,omitempty"`
	Files       []string          `json:"files,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	CreatedBy   string            `json:"created_by,omitempty"`
	Created     micros            `json:"created,omitempty"`
}

// Assets returns the store of assets.
func (d *DB) Assets() model.AssetStore {
	return newRepo(d, &table[model.Asset, model.AssetFilter, assetRow]{
		name: "asset", noun: "asset", reason: "AssetNotFound", show: "zaffre model list",
		key: model.Asset.Key,
		encode: func(a model.Asset) assetRow {
			return assetRow{
				a.Workspace, a.ID, a.Name, a.Type, a.Description, a.Run, a.Files, a.Tags, a.Properties, a.Meta,
				a.CreatedBy, toMicros(a.Created),
			}
		},
		decode: func(r assetRow) model.Asset {
			return model.Asset{
				Workspace: r.Workspace, ID: r.ID, Name: r.Name, Type: r.Type, Description: r.Description, Run: r.Run,
				Files: r.Files, Tags: r.Tags, Properties: r.Properties, Meta: r.Meta, CreatedBy: r.CreatedBy, Created: r.Created.time(),
			}
		},
		columns: []column[model.Asset]{{"run", false, func(a *model.Asset) any { return a.Run }}},
		filter: func(w *where, f model.AssetFilter) {
			w.equal("workspace", f.Workspace)
			w.equal("run", f.Run)
		},
		order:    []string{"workspace", "name"},
		position: func(a model.Asset) []any { return []any{a.Workspace, a.ID} },
	})
}
