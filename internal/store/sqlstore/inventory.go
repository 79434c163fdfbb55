package sqlstore

import "github.com/zaffre-ml/zaffre/internal/inventory"

type entryRow struct {
	Workspace  string            `json:"workspace"`
	ResourceID string            `json:"resource_id"`
	ID         string            `json:"id"`
	Settings   map[string]string `json:"settings,omitempty"`
	Sealed     map[string][]byte `json:"sealed,omitempty"`
	Allow      []string          `json:"allow,omitempty"`
	Source     string            `json:"source,omitempty"`
	CreatedBy  string            `json:"created_by,omitempty"`
	Created    micros            `json:"created,omitempty"`
	Changed    micros            `json:"changed,omitempty"`
}

// Inventory returns the store of inventory entries.
func (d *DB) Inventory() inventory.Store {
	return newRepo(d, &table[inventory.Entry, inventory.Filter, entryRow]{
		name: "inventory", noun: "inventory entry", reason: "ResourceNotFound", show: "zaffre inventory list",
		key: inventory.Entry.Key,
		encode: func(e inventory.Entry) entryRow {
			return entryRow{
				e.Workspace, e.ResourceID, e.ID, e.Settings, e.Sealed, e.Allow, e.Source, e.CreatedBy, toMicros(e.Created), toMicros(e.Changed),
			}
		},
		decode: func(r entryRow) inventory.Entry {
			return inventory.Entry{
				Workspace: r.Workspace, ResourceID: r.ResourceID, ID: r.ID, Settings: r.Settings, Sealed: r.Sealed, Allow: r.Allow,
				Source: r.Source, CreatedBy: r.CreatedBy, Created: r.Created.time(), Changed: r.Changed.time(),
			}
		},
		filter:   func(w *where, f inventory.Filter) { w.equal("workspace", f.Workspace) },
		order:    []string{"workspace", "name"},
		position: func(e inventory.Entry) []any { return []any{e.Workspace, e.Key().Name} },
	})
}
