package sqlstore

import (
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

type workspaceRow struct {
	Name      string `json:"name"`
	ID        string `json:"id"`
	CreatedBy string `json:"created_by,omitempty"`
	Created   micros `json:"created,omitempty"`
}

// Workspaces returns the store of workspaces.
func (d *DB) Workspaces() workspace.Store {
	return newRepo(d, &table[workspace.Workspace, workspace.Filter, workspaceRow]{
		name: "workspace", noun: "workspace", reason: "WorkspaceNotFound", show: "zaffre workspace list",
		key: workspace.Workspace.Key,
		encode: func(w workspace.Workspace) workspaceRow {
			return workspaceRow{w.Name, w.ID, w.CreatedBy, toMicros(w.Created)}
		},
		decode: func(r workspaceRow) workspace.Workspace {
			return workspace.Workspace{Name: r.Name, ID: r.ID, CreatedBy: r.CreatedBy, Created: r.Created.time()}
		},
		filter:   func(w *where, _ workspace.Filter) { w.and("workspace = ''") },
		order:    []string{"name"},
		position: func(w workspace.Workspace) []any { return []any{w.Name} },
	})
}

type tokenRow struct {
	ID        string        `json:"id"`
	Hash      string        `json:"hash"`
	Name      string        `json:"name"`
	Workspace string        `json:"workspace"`
	Role      identity.Role `json:"role"`
	CreatedBy string        `json:"created_by,omitempty"`
	Created   micros        `json:"created,omitempty"`
	Expires   micros        `json:"expires,omitempty"`
	Revoked   micros        `json:"revoked,omitempty"`
}

// Tokens returns the store of bearer tokens.
func (d *DB) Tokens() identity.TokenStore {
	return newRepo(d, &table[identity.Token, identity.TokenFilter, tokenRow]{
		name: "token", noun: "token", reason: "TokenNotFound", show: "zaffre token list",
		key: identity.Token.Key,
		encode: func(t identity.Token) tokenRow {
			return tokenRow{
				t.ID, t.Hash, t.Name, t.Workspace, t.Role, t.CreatedBy,
				toMicros(t.Created), toMicros(t.Expires), toMicros(t.Revoked),
			}
		},
		decode: func(r tokenRow) identity.Token {
			return identity.Token{
				ID: r.ID, Hash: r.Hash, Name: r.Name, Workspace: r.Workspace, Role: r.Role, CreatedBy: r.CreatedBy,
				Created: r.Created.time(), Expires: r.Expires.time(), Revoked: r.Revoked.time(),
			}
		},
		columns: []column[identity.Token]{{"scope", false, func(t *identity.Token) any { return t.Workspace }}},
		filter: func(w *where, f identity.TokenFilter) {
			w.and("workspace = ''")
			w.equal("scope", f.Workspace)
		},
		order: []string{"name"}, newest: true,
		position: func(t identity.Token) []any { return []any{t.ID} },
	})
}

type principalRow struct {
	AppID     string        `json:"app_id"`
	ObjectID  string        `json:"object_id"`
	Name      string        `json:"name"`
	Workspace string        `json:"workspace"`
	Role      identity.Role `json:"role"`
	Hash      string        `json:"hash"`
	CreatedBy string        `json:"created_by,omitempty"`
	Created   micros        `json:"created,omitempty"`
	Rotated   micros        `json:"rotated,omitempty"`
	Expires   micros        `json:"expires,omitempty"`
}

// Principals returns the store of service principals.
func (d *DB) Principals() identity.PrincipalStore {
	return newRepo(d, &table[identity.Principal, identity.PrincipalFilter, principalRow]{
		name: "principal", noun: "service principal", reason: "PrincipalNotFound", show: "zaffre principal list",
		key: identity.Principal.Key,
		encode: func(p identity.Principal) principalRow {
			return principalRow{
				p.AppID, p.ObjectID, p.Name, p.Workspace, p.Role, p.Hash, p.CreatedBy,
				toMicros(p.Created), toMicros(p.Rotated), toMicros(p.Expires),
			}
		},
		decode: func(r principalRow) identity.Principal {
			return identity.Principal{
				AppID: r.AppID, ObjectID: r.ObjectID, Name: r.Name, Workspace: r.Workspace, Role: r.Role, Hash: r.Hash,
				CreatedBy: r.CreatedBy, Created: r.Created.time(), Rotated: r.Rotated.time(), Expires: r.Expires.time(),
			}
		},
		columns: []column[identity.Principal]{{"scope", false, func(p *identity.Principal) any { return p.Workspace }}},
		filter: func(w *where, f identity.PrincipalFilter) {
			w.and("workspace = ''")
			w.equal("scope", f.Workspace)
		},
		order:    []string{"name"},
		position: func(p identity.Principal) []any { return []any{p.AppID} },
	})
}

type linkedRow struct {
	Workspace  string `json:"workspace"`
	Name       string `json:"name"`
	ID         string `json:"id"`
	ResourceID string `json:"resource_id,omitempty"`
	Type       string `json:"type,omitempty"`
	Document   []byte `json:"document,omitempty"`
	CreatedBy  string `json:"created_by,omitempty"`
	Created    micros `json:"created,omitempty"`
}

// LinkedServices returns the store of linked services.
func (d *DB) LinkedServices() workspace.LinkedStore {
	return newRepo(d, &table[workspace.LinkedService, workspace.LinkedFilter, linkedRow]{
		name: "linked_service", noun: "linked service", reason: "LinkedServiceNotFound", show: "zaffre workspace show",
		key: workspace.LinkedService.Key,
		encode: func(l workspace.LinkedService) linkedRow {
			return linkedRow{l.Workspace, l.Name, l.ID, l.ResourceID, l.Type, l.Document, l.CreatedBy, toMicros(l.Created)}
		},
		decode: func(r linkedRow) workspace.LinkedService {
			return workspace.LinkedService{
				Workspace: r.Workspace, Name: r.Name, ID: r.ID, ResourceID: r.ResourceID, Type: r.Type, Document: r.Document,
				CreatedBy: r.CreatedBy, Created: r.Created.time(),
			}
		},
		filter:   func(w *where, f workspace.LinkedFilter) { w.equal("workspace", f.Workspace) },
		order:    []string{"workspace", "name"},
		position: func(l workspace.LinkedService) []any { return []any{l.Workspace, l.Name} },
	})
}

type environmentRow struct {
	Workspace  string        `json:"workspace"`
	Name       string        `json:"name"`
	Version    int           `json:"version"`
	Definition definitionRow `json:"definition"`
	Digest     string        `json:"digest"`
	Document   []byte        `json:"document,omitempty"`
	Labels     []string      `json:"labels,omitempty"`
	CreatedBy  string        `json:"created_by,omitempty"`
	Created    micros        `json:"created,omitempty"`
}

// Environments returns the store of environment versions.
func (d *DB) Environments() environment.Store {
	return newRepo(d, &table[environment.Environment, environment.Filter, environmentRow]{
		name: "environment", noun: "environment", reason: "EnvironmentNotFound", show: "zaffre environment list",
		key: environment.Environment.Key,
		encode: func(e environment.Environment) environmentRow {
			return environmentRow{
				e.Workspace, e.Name, e.Version, encodeDefinition(e.Definition), e.Digest, e.Document, e.Labels, e.CreatedBy, toMicros(e.Created),
			}
		},
		decode: func(r environmentRow) environment.Environment {
			return environment.Environment{
				Workspace: r.Workspace, Name: r.Name, Version: r.Version, Definition: r.Definition.decode(),
				Digest: r.Digest, Document: r.Document, Labels: r.Labels, CreatedBy: r.CreatedBy, Created: r.Created.time(),
			}
		},
		columns: []column[environment.Environment]{
			{"base", true, func(e *environment.Environment) any { return e.Name }},
			{"rank", true, func(e *environment.Environment) any { return int64(-e.Version) }},
		},
		filter: func(w *where, f environment.Filter) {
			w.equal("workspace", f.Workspace)
			w.equal("base", f.Name)
		},
		order: []string{"workspace", "base", "rank"},
		position: func(e environment.Environment) []any {
			return []any{e.Workspace, e.Name, int64(-e.Version)}
		},
	})
}

type buildRow struct {
	Digest     string         `json:"digest"`
	Target     string         `json:"target"`
	TargetKey  string         `json:"target_key,omitempty"`
	Definition definitionRow  `json:"definition"`
	Status     buildStatusRow `json:"status"`
	Handed     bool           `json:"handed,omitempty"`
	Started    micros         `json:"started,omitempty"`
	Ended      micros         `json:"ended,omitempty"`
}

// Builds returns the store of environment builds.
func (d *DB) Builds() environment.BuildStore {
	return newRepo(d, &table[environment.Build, environment.BuildFilter, buildRow]{
		name: "build", noun: "build", reason: "BuildNotFound", show: "zaffre environment list",
		key: environment.Build.Key, encode: encodeBuild, decode: buildRow.decode,
		columns: []column[environment.Build]{
			{"started", false, func(b *environment.Build) any { return int64(toMicros(b.Started)) }},
		},
		filter: func(w *where, f environment.BuildFilter) { w.equal("workspace", f.Target) },
		order:  []string{"started", "workspace", "name"}, newest: true,
		position: func(b environment.Build) []any {
			return []any{int64(toMicros(b.Started)), b.Target, b.Digest}
		},
	})
}

var _ interface {
	store.Queue
	store.Claims
	store.Events
} = (*DB)(nil)
