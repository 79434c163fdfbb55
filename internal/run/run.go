// Package run keeps experiments and runs: submit, placement, cancel, logs, artifacts.
package run

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run/query"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Run is one execution of a script, with all its attempts.
type Run struct {
	Workspace, Name string // Name is the client's own, unique in the workspace; else it is ID
	ID              string // ULID
	Experiment      string
	Number          int64 // of the run in its experiment, from 1
	Display         string
	Parent          string // name of the run that it is a child of
	Root            string // name of the run at the top of its tree; "": its own
	Origin          Origin
	Tags            map[string]string
	Params          map[string]string // never change once they are set
	Properties      map[string]string
	Definition      []byte // as its client sent it, for the face that took it to give back; nil: none
	Spec            Spec
	Status          Status
	User            string // whom the client names as its owner; "": CreatedBy
	CreatedBy       string
	Created         time.Time
	Deleted         time.Time // zero: not; lists leave deleted runs out unless they are asked for
}

// Owner returns whose run it is, as its client says.
func (r Run) Owner() string {
	if r.User != "" {
		return r.User
	}
	return r.CreatedBy
}

// Start returns when the run began: when its first process did, and before that when it was made.
func (r Run) Start() time.Time {
	if r.Status.Started.IsZero() {
		return r.Created
	}
	return r.Status.Started
}

// Top returns the name of the run at the top of its tree, which may be itself.
func (r Run) Top() string {
	if r.Root != "" {
		return r.Root
	}
	return orElse(r.Parent, r.Name)
}

// Key returns the record's key.
func (r Run) Key() store.Key { return store.Key{Workspace: r.Workspace, Name: r.Name} }

// Spec is what the user asked for. It never changes after submit.
type Spec struct {
	Target      string            // name of a compute target in the workspace
	Command     []string          // argv; a first word "python" is the environment's interpreter
	Dir         string            // working folder below the code
	Snapshot    string            // snapshot ID; "": no code
	Environment string            // "name:version"; "": the target's own interpreter
	Digest      string            // of the environment; "" for none
	Env         map[string]string // variables
	GPUs        int
	CPU         float64 // cores
	Memory      int64   // bytes
	Priority    int     // higher goes first
	Timeout     time.Duration
	LostAfter   time.Duration  // of silence of the target its job is given up as lost; 0: never
	Retries     int            // how many more attempts after one that failed or was lost
	Options     map[string]any // what is said to the engine behind the target: see driver.Kind.JobOptions
}

// Status is what became of it.
type Status struct {
	State      State
	Attempts   []Attempt // the last is the current one
	Error      *fault.Error
	Conditions []Condition // why it waits, was retried, was rebuilt: the newest of each type
	Warnings   []string
	Cancel     bool // the user asked for the end
	Changed    time.Time
	Started    time.Time // of the first attempt's process
	Ended      time.Time
}

// Attempt is one try to run it. It is written before anything starts, and is never removed.
type Attempt struct {
	Number  int
	JobID   string // "z-<ulid>-<number>"
	Target  string // ID of the compute target
	Slots   []driver.Slot
	Handle  *driver.Handle // nil: not known to be started
	Runtime driver.Runtime
	Outcome driver.JobStatus // as last polled
	// Abandoned says that it was given up while its target was silent: what it has there is to be ended and taken away.
	Abandoned bool
}

// Condition tells one thing about a run in words.
type Condition struct {
	Type            string // "Placed", "Environment", "Retried", "Reachable", "Usable"
	OK              bool
	Reason, Message string
	Since           time.Time
}

// Attempt returns the current attempt, nil before the first.
func (r *Run) Attempt() *Attempt {
	if n := len(r.Status.Attempts); n > 0 {
		return &r.Status.Attempts[n-1]
	}
	return nil
}

// TargetKey returns the key of the run's compute target.
func (r Run) TargetKey() store.Key { return compute.KeyOf(r.Workspace, r.Spec.Target) }

// Waiting reports whether the run waits for slots.
func (r Run) Waiting() bool {
	a := r.Attempt()
	return r.Origin == Managed && r.Status.State == Queued && (a == nil || a.Outcome.State.Final())
}

// Filter selects runs; a zero field selects any, but Deleted. The list's order is the newest first.
//
// With Where, Order or Experiments the list is a search: it is sorted by Order, then by Start, the last one
// first, then by name. In a search the attribute run_id is Run.Name, run_name Display, status Status.State,
// user_id Owner, start_time Start, and end_time Status.Ended.
type Filter struct {
	Workspace   string
	Experiment  string
	Target      string
	Parent      string
	Root        string // name of a run: it and all below it
	Top         bool   // without those that have a parent
	State       State
	Active      bool   // not in a final state
	Tag         string // "name" or "name=value"
	Deleted     View
	Experiments []string       // names of some
	Where       []query.Clause // all of them hold
	Order       []query.Order
}

// View says whether a list has what was deleted.
type View string

const (
	Live        View = ""
	DeletedOnly View = "deleted"
	All         View = "all"
)

// Shows reports whether the view has what was deleted at a time; zero: what was not.
func (v View) Shows(deleted time.Time) bool {
	return v == All || deleted.IsZero() == (v == Live)
}

// Store keeps runs, the newest first.
type Store interface {
	// List of a search walks the runs in order where many match, and looks up those that match where few do.
	store.Repo[Run, Filter]
	// Queue returns at most n runs that wait for a target (see Run.Waiting), in the order in which
	// they are to start: by priority, then by age.
	Queue(ctx context.Context, target store.Key, n int) ([]Run, error)
}

// ExperimentStore keeps experiments, in the order of their names.
type ExperimentStore = store.Repo[Experiment, ExperimentFilter]

// Experiment is a set of runs with a name.
type Experiment struct {
	Workspace, Name string
	ID              string // digits, unique in the workspace; "0" is DefaultExperiment
	Runs            int64  // how many were ever submitted: the last run's Number
	Tags            map[string]string
	CreatedBy       string
	Created         time.Time
	Updated         time.Time // of its tags; zero: never
	Deleted         time.Time // zero: not
}

// Key returns the record's key.
func (e Experiment) Key() store.Key { return store.Key{Workspace: e.Workspace, Name: e.Name} }

// ExperimentFilter selects experiments; a zero field selects any, but Deleted.
type ExperimentFilter struct {
	Workspace string
	ID        string
	Deleted   View
}

// WorkKind is the kind of the work rows of runs.
const WorkKind = "run"
