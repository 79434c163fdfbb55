// Package workspace keeps workspaces: the rooms in which everything else has its name.
package workspace

import (
	"time"

	"github.com/zaffre-ml/zaffre/internal/store"
)

// Workspace is a room for experiments, runs, computes and environments.
type Workspace struct {
	Name      string // a slug
	ID        string // UUID, fresh for each: clients cache by it
	CreatedBy string
	Created   time.Time
}

// Key returns the record's key: workspaces live in no workspace.
func (w Workspace) Key() store.Key { return store.Key{Name: w.Name} }

// Filter selects all.
type Filter struct{}

// Store keeps workspaces, in the order of their names.
type Store = store.Repo[Workspace, Filter]
