// Package model keeps registered models, their versions with files, and the models that runs logged.
//
// A version's files never change once it is Ready. They come from a run or a logged model, shared and
// not copied, or are uploaded while the version is Pending.
package model

import (
	"context"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Model is a registered model: a name for a row of versions.
type Model struct {
	Workspace, Name  string
	Description      string
	Tags             map[string]string
	Aliases          map[string]int // a version's number by alias
	Latest           int            // the greatest number of a Ready version; 0: there is none
	Numbered         int            // the greatest number that a version ever had: none is given twice
	CreatedBy        string
	Created, Updated time.Time
}

// Key returns the record's key.
func (m Model) Key() store.Key { return store.Key{Workspace: m.Workspace, Name: m.Name} }

// Subject is what the events of the model are about.
func (m Model) Subject() string { return "model/" + m.Name }

// Filter selects models; a zero field selects any.
type Filter struct{ Workspace string }

// Stage is where a version is used, as MLflow has it.
type Stage string

// The stages.
const (
	None       Stage = "None"
	Staging    Stage = "Staging"
	Production Stage = "Production"
	Archived   Stage = "Archived"
)

// Stages returns all stages.
func Stages() []Stage { return []Stage{None, Staging, Production, Archived} }

// Status says whether a version's files are there.
type Status string

// The statuses of versions, as MLflow names them.
const (
	Ready   Status = "READY"
	Pending Status = "PENDING_REGISTRATION"
	Failed  Status = "FAILED_REGISTRATION"
)

// Version is one version of a model.
type Version struct {
	Workspace, Model string
	Number           int    // from 1
	ID               string // ULID: the owner of its files
	Request          string // what the client named its request by, to repeat it; "" for none
	Run, RunID       string // name and ID of the run that it comes from; "" for none
	Logged           string // ID of the logged model that it comes from; "" for none
	Source           string // where its files come from, in the words of the client that registered it
	Snapshot         string // of the run
	Environment      string // of the run, or as given: "name:version"
	Stage            Stage
	Status           Status
	Message          string // of a status that is not Ready
	Framework        string // "ScikitLearn"
	FrameworkVersion string
	Description      string
	Tags             map[string]string
	Properties       map[string]string
	Definition       []byte // as its client sent it, for the face that took it to give back; nil: none
	CreatedBy        string
	Created, Updated time.Time
}

// Key returns the record's key: "model/version".
func (v Version) Key() store.Key {
	return store.Key{Workspace: v.Workspace, Name: v.Model + "/" + strconv.Itoa(v.Number)}
}

// ModelKey returns the key of the version's model.
func (v Version) ModelKey() store.Key { return store.Key{Workspace: v.Workspace, Name: v.Model} }

// VersionFilter selects versions; a zero field selects any.
type VersionFilter struct {
	Workspace, Model, Run string // Run is a run's ID
	Stage                 Stage
}

// Store keeps models, in the order of their names.
type Store = store.Repo[Model, Filter]

// VersionStore keeps versions, by model and then the newest first. Only Change inserts and deletes them.
type VersionStore interface {
	store.Repo[Version, VersionFilter]
	// Change reads a model and those of its versions that are wanted, calls change, and makes what it
	// leaves true, all in one transaction; changes of one model come one after the other. change may
	// be called several times: it must be a pure function. It fails with fault.NotFound, Reason
	// "ModelNotFound", and with fault.Exists if a new name is taken.
	Change(ctx context.Context, k store.Key, want Want, change func(*Family) ([]store.Effect, error)) (Family, error)
}

// Want selects versions for Change: those that any field names.
type Want struct {
	All     bool
	Number  int
	Request string
	Stage   Stage
}

// Family is a model and versions of it. A version taken out of Versions is deleted with its files, one
// put in is new. A model whose Name is "" is deleted; one that is renamed needs all its versions.
type Family struct {
	Model    Model
	Versions []Version
	Links    []object.Link // files to share in the same transaction
}

// LoggedStatus says how far a logged model is.
type LoggedStatus string

// The statuses of logged models.
const (
	LoggedPending LoggedStatus = "PENDING"
	LoggedReady   LoggedStatus = "READY"
	LoggedFailed  LoggedStatus = "FAILED"
)

// Logged is a model that a run logged and that needs no registered name, as MLflow 3 knows them. Its ID
// owns its files.
type Logged struct {
	Workspace, ID    string // "m-" and 32 hex digits
	Name             string
	Experiment       string // ID
	RunID            string
	Status           LoggedStatus
	Message          string // of the status
	Type             string
	Tags             map[string]string
	Params           map[string]string
	CreatedBy        string
	Created, Updated time.Time
}

// Key returns the record's key.
func (l Logged) Key() store.Key { return store.Key{Workspace: l.Workspace, Name: l.ID} }

// LoggedFilter selects logged models; a zero field selects any.
type LoggedFilter struct {
	Workspace   string
	Experiments []string // any of these IDs
	RunID       string
}

// LoggedStore keeps logged models, the newest first.
type LoggedStore = store.Repo[Logged, LoggedFilter]
