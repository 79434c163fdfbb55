// Package inventory says what real thing stands behind an ARM resource ID: scripts name machines and
// services by such IDs and mostly carry nothing else.
package inventory

import (
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Entry is what is known of the thing behind a resource ID.
type Entry struct {
	Workspace  string
	ResourceID string            // in the spelling of who added it
	ID         string            // ULID: part of SecretPlace
	Settings   map[string]string // by the name of the field, without secrets
	Sealed     map[string][]byte // secrets, by the name of the field, sealed for SecretPlace
	// Allow holds roles and names of callers: who may use the entry. Empty is every Contributor. Owners
	// always may.
	Allow     []string
	CreatedBy string
	Created   time.Time
	Changed   time.Time
}

// Key returns the record's key: all spellings of a resource ID have one.
func (e Entry) Key() store.Key { return store.Key{Workspace: e.Workspace, Name: keyOf(e.ResourceID)} }

// SecretPlace names where a secret of e belongs, for sealing.
func (e Entry) SecretPlace(field string) string { return "inventory/" + e.ID + "/" + field }

// keyOf returns a form that is equal for all spellings of one resource ID.
func keyOf(resourceID string) string {
	r, err := id.ParseResource(resourceID)
	if err != nil {
		return resourceID
	}
	return r.Key()
}

// Same reports whether a and b are spellings of one resource ID.
func Same(a, b string) bool { return keyOf(a) == keyOf(b) }

// permits reports whether a caller may use the entry.
func (e Entry) permits(c identity.Caller) bool {
	role := c.RoleIn(e.Workspace)
	if role.Includes(identity.Owner) {
		return true
	}
	if len(e.Allow) == 0 {
		return role.Includes(identity.Contributor)
	}
	return slices.ContainsFunc(e.Allow, func(who string) bool {
		need := identity.Role(who)
		return need.Valid() && role.Includes(need) || !need.Valid() && role != "" && who == c.Name
	})
}

// Filter selects entries.
type Filter struct{ Workspace string }

// Store keeps entries, in the order of their resource IDs.
type Store = store.Repo[Entry, Filter]
