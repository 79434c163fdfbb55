package sqlstore

import "github.com/zaffre-ml/zaffre/internal/run"

type codeRow struct {
	Workspace  string            `json:"workspace"`
	Name       string            `json:"name"`
	Snapshot   string            `json:"snapshot"`
	Parent     string            `json:"parent,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	CreatedBy  string            `json:"created_by,omitempty"`
	Created    micros            `json:"created,omitempty"`
}

// Codes returns the store of code snapshots by their clients' names.
func (d *DB) Codes() run.CodeStore {
	return newRepo(d, &table[run.Code, run.CodeFilter, codeRow]{
		name: "content", noun: "code snapshot", reason: "CodeNotFound", show: "zaffre run list",
		key: run.Code.Key,
		encode: func(c run.Code) codeRow {
			return codeRow{c.Workspace, c.Name, c.Snapshot, c.Parent, c.Properties, c.CreatedBy, toMicros(c.Created)}
		},
		decode: func(r codeRow) run.Code {
			return run.Code{
				Workspace: r.Workspace, Name: r.Name, Snapshot: r.Snapshot, Parent: r.Parent, Properties: r.Properties,
				CreatedBy: r.CreatedBy, Created: r.Created.time(),
			}
		},
		columns: []column[run.Code]{{"created", false, func(c *run.Code) any { return int64(toMicros(c.Created)) }}},
		filter:  func(w *where, f run.CodeFilter) { w.equal("workspace", f.Workspace) },
		order:   []string{"workspace", "created", "name"}, newest: true,
		position: func(c run.Code) []any { return []any{c.Workspace, int64(toMicros(c.Created)), c.Name} },
	})
}
