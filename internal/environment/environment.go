// Package environment keeps environments: names and versions, their digests, and their builds.
package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Environment is one version of a named definition. But for its labels it never changes.
type Environment struct {
	Workspace, Name string
	Version         int // from 1
	Definition      driver.Definition
	Digest          string   // of Definition
	Document        []byte   // JSON: the definition as a client of another API sent it, for its echo; nil: none
	Labels          []string // "prod": each is on one version of the name
	CreatedBy       string
	Created         time.Time
}

// Key returns the record's key: "name:version".
func (e Environment) Key() store.Key {
	return store.Key{Workspace: e.Workspace, Name: e.Name + ":" + strconv.Itoa(e.Version)}
}

// Filter selects environments. Name "" is all.
type Filter struct {
	Workspace, Name string
}

// Store keeps environments, by name and then the newest version first.
type Store = store.Repo[Environment, Filter]

// Digest returns the hash of a definition: equal definitions are built once per target.
func Digest(d driver.Definition) string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // a struct of strings, bytes and bools
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Build is the state of one digest on one target.
type Build struct {
	Digest, Target string    // Target is a compute target's ID
	TargetKey      store.Key // and its key
	Definition     driver.Definition
	Status         driver.BuildStatus
	Handed         bool // to the target
	Started, Ended time.Time
}

// Key returns the record's key: the target's ID stands in for a workspace.
func (b Build) Key() store.Key { return store.Key{Workspace: b.Target, Name: b.Digest} }

// Subject is what the events of the build are about, in the workspace of its target.
func (b Build) Subject() string { return "build/" + b.Target + "/" + b.Digest }

// WorkKind is the kind of the work rows of builds.
const WorkKind = "build"

// BuildFilter selects builds. Target "" is all.
type BuildFilter struct{ Target string }

// BuildStore keeps builds, the newest first.
type BuildStore = store.Repo[Build, BuildFilter]
