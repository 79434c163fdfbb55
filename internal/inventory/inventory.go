// Package inventory says what real thing stands behind an ARM resource ID: scripts name machines and
// services by such IDs and mostly carry nothing else.
package inventory

import (
	"time"

	"github.com/zaffre-ml/zaffre/internal/id"
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
	Source    string // of an entry of the server's configuration file: where it stands, file:line; "" was added
	CreatedBy string
	Created   time.Time
	Changed   time.Time
}

// Key returns the record's key: all spellings of a resource ID have one. Entries of the configuration file
// have their own, so that what was added stays below them.
func (e Entry) Key() store.Key {
	name := keyOf(e.ResourceID)
	if e.Source != "" {
		name = "file:" + name // no resource ID begins so
	}
	return store.Key{Workspace: e.Workspace, Name: name}
}

// anyFile as a Source makes the key of an entry of the configuration file.
const anyFile = "file"

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

// Filter selects entries.
type Filter struct{ Workspace string }

// Store keeps entries, in the order of their resource IDs.
type Store = store.Repo[Entry, Filter]
