package sqlstore

import "github.com/zaffre-ml/zaffre/internal/workspace"

type secretRow struct {
	Workspace   string `json:"workspace"`
	Name        string `json:"name"`
	Sealed      []byte `json:"sealed"`
	ContentType string `json:"content_type,omitempty"`
	CreatedBy   string `json:"created_by,omitempty"`
	Created     micros `json:"created,omitempty"`
	Updated     micros `json:"updated,omitempty"`
}

// Vault returns the store of users' secrets, whose values are sealed.
func (d *DB) Vault() workspace.SecretStore {
	return newRepo(d, &table[workspace.Secret, workspace.SecretFilter, secretRow]{
		name: "vault", noun: "secret", reason: "SecretNotFound", show: "zaffre secret list",
		key: workspace.Secret.Key,
		encode: func(s workspace.Secret) secretRow {
			return secretRow{s.Workspace, s.Name, s.Sealed, s.ContentType, s.CreatedBy, toMicros(s.Created), toMicros(s.Updated)}
		},
		decode: func(r secretRow) workspace.Secret {
			return workspace.Secret{
				Workspace: r.Workspace, Name: r.Name, Sealed: r.Sealed, ContentType: r.ContentType,
				CreatedBy: r.CreatedBy, Created: r.Created.time(), Updated: r.Updated.time(),
			}
		},
		filter:   func(w *where, f workspace.SecretFilter) { w.equal("workspace", f.Workspace) },
		order:    []string{"workspace", "name"},
		position: func(s workspace.Secret) []any { return []any{s.Workspace, s.Name} },
	})
}
