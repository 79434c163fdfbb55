// Package compute keeps compute targets: attach, update, detach, health, and their connections. Their interactive
// sessions are in no table: the engine behind a target is the truth about them.
package compute

import (
	"maps"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Target is an attached compute target.
type Target struct {
	Workspace, Name string
	ID              string // ULID: what drivers know it by
	Kind            string
	Spec            Spec
	Status          Status
	CreatedBy       string
	Created         time.Time
	Revision        int64 // counts changes of Spec; a connection belongs to one revision
}

// Spec is what the user asked for.
type Spec struct {
	Options map[string]any    // as given, without defaults and secrets
	Sealed  map[string][]byte // secrets, by option path, sealed for SecretPlace
	Shared  bool              // may stand for a computer that another target stands for
	Foreign []byte            // JSON that a face keeps beside the options, to echo it; no secrets
	Made    bool              // zaffre makes what it stands for, and takes that away with it
	Refused bool              // the request was not accepted, Status.Error says why: nothing is ever looked at
	By      By                // who said so last: entries of the inventory are used with their right
}

// By is who said what a target is: a name, and the role in the workspace that came with it.
type By struct {
	Name string
	Role identity.Role
}

// Status is what the reconciler saw.
type Status struct {
	State      State
	Error      *fault.Error // of a failed attach, update or detach
	Conditions []Condition
	Seen       driver.Observation // the latest
	Found      map[string]any     // options that the inventory said last, where Spec names a resource ID; no secrets
	Pinned     map[string]string  // what the target is held to, from its first good observation or by Trust
	Revision   int64              // of Spec when it was last observed
	Force      bool               // detach though runs are active
	Made       bool               // making it was begun: something of it may be there
	Changed    time.Time          // of State
	Answered   time.Time          // when it answered last
	Orphans    []Orphan           // jobs of unknown runs that go on, as after a backup was restored
}

// Condition is one aspect of a target's health.
type Condition struct {
	Type            string // "Reachable", "Ready"
	OK              bool
	Reason, Message string
	Since           time.Time
}

// Key returns the record's key.
func (t Target) Key() store.Key { return store.Key{Workspace: t.Workspace, Name: t.Name} }

// SecretPlace names where a secret of t belongs, for sealing.
func (t Target) SecretPlace(path string) string {
	return "compute/" + t.ID + "/" + path
}

// Options returns the options in force, without secrets: those of Spec, and what the inventory said of a
// target that names no place of its own.
func (t Target) Options() map[string]any {
	if inventory.Names(t.Spec.Options) || len(t.Status.Found) == 0 {
		return t.Spec.Options
	}
	all := maps.Clone(t.Spec.Options)
	maps.Copy(all, t.Status.Found)
	return all
}

// Filter selects targets. "" means any. Machine selects those whose latest observation has it.
type Filter struct{ Workspace, Kind, Machine string }

// Store keeps targets, in the order of their names. Those of a list have no checks in what was seen.
type Store = store.Repo[Target, Filter]

// WorkKind is the kind of the work rows of targets. PlacementKind is that of the queues of runs that
// wait for them, which package run works on; both have the target's key as ID.
const (
	WorkKind      = "compute"
	PlacementKind = "placement"
)
