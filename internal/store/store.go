// Package store states what the control plane needs of its database.
package store

import (
	"context"
	"errors"
	"strings"
	"time"
)

// ErrUnanswered is in the chain of every fault.Unavailable of a database: it tells them from those of what a record
// stands for, such as a machine that does not answer. The write may have happened.
var ErrUnanswered = errors.New("the database did not answer")

// Key names a record inside a workspace. Workspace names hold no slash; names may.
type Key struct{ Workspace, Name string }

// Global is the workspace of records that all workspaces share. No user can take the name.
const Global = "-"

// String returns "workspace/name": the ID of the record's work row.
func (k Key) String() string { return k.Workspace + "/" + k.Name }

// ParseKey is the inverse of Key.String.
func ParseKey(s string) Key {
	ws, name, _ := strings.Cut(s, "/")
	return Key{ws, name}
}

// Page asks for at most Limit records after Cursor. Limit 0 means 100; more than 1000 is 1000.
type Page struct {
	Limit  int
	Cursor string // as the last List returned it; "" from the start
}

// Repo holds the records of one type. F filters a list. A write with a context of WithOrigin fails with
// fault.Precondition, Reason "Fenced", where its job is not the run's current one, and where it is known, since it
// arrived before, it changes nothing and succeeds.
type Repo[T, F any] interface {
	// Insert fails with fault.Exists if the key is taken, and then changes nothing.
	Insert(ctx context.Context, v T, then ...Effect) error
	// Get fails with fault.NotFound.
	Get(ctx context.Context, k Key) (T, error)
	// List returns a page in the order that the type's table documents, and the cursor of the next
	// page: "" at the end.
	List(ctx context.Context, filter F, p Page) (items []T, next string, err error)
	// Update reads the record, calls change, and writes the result and its effects, all in one
	// transaction. change may be called several times: it must be a pure function. When it fails,
	// nothing changes and Update returns its error. A record that change left equal is not written,
	// but its effects happen.
	Update(ctx context.Context, k Key, change func(*T) ([]Effect, error)) (T, error)
	// Delete succeeds when the record is not there, and then its effects do not happen.
	Delete(ctx context.Context, k Key, then ...Effect) error
}

// Effect is something that becomes true in the same transaction as a write: Wake, Emit, Take, Free or
// Fence.
type Effect interface{ effect() }

// Wake makes the reconciler look at a record at time At, or earlier. Zero At is now.
type Wake struct {
	Kind, ID string
	At       time.Time
}

// Emit appends an event to the log that watchers read. The store adds sequence and time.
type Emit struct {
	Workspace string
	Subject   string // "run/<name>"
	Type      string // "run.state_changed"
	Actor     string // who caused it
	Data      map[string]string
}

// Take claims a unique thing for a holder: a slot of a machine, the identity of a computer. If
// another holder has it, the whole write fails with fault.Conflict, Reason "Taken", and the
// holder's name in Evidence. Taking what the same holder has changes nothing.
type Take struct{ Space, Name, Holder string }

// Free gives back everything that a holder took in a space.
type Free struct{ Space, Holder string }

// Fence makes an attempt of a run, by its ULID, the one whose job may write: see Origin. What was known of the
// writes of others is forgotten. Attempt 0 is the run's end: no job of it writes any more.
type Fence struct {
	Run     string
	Attempt int
}

func (Wake) effect()  {}
func (Emit) effect()  {}
func (Take) effect()  {}
func (Free) effect()  {}
func (Fence) effect() {}

// Claims reads what was taken.
type Claims interface {
	// Taken returns the claims in a space, by name.
	Taken(ctx context.Context, space string) ([]Take, error)
}

// Queue is the reconciler's side: the records that are due.
type Queue interface {
	// Claim leases at most n due records for ttl. Leases keep two workers from doing the same
	// work at once; they are an optimisation, the guarantee is that the work is idempotent.
	Claim(ctx context.Context, kind string, n int, ttl time.Duration) ([]Lease, error)
	// Extend, Settle and Fail fail with fault.Conflict, Reason "LeaseLost", if the lease was lost.
	Extend(ctx context.Context, l Lease, ttl time.Duration) error
	// Settle ends a lease; the record is due again at next, or when woken if next is zero. A
	// record woken since Claim keeps its due time if that is earlier.
	Settle(ctx context.Context, l Lease, next time.Time) error
	// Fail is Settle that counts: it increments Attempt, which Settle sets back to 0.
	Fail(ctx context.Context, l Lease, next time.Time) error
	// Wake has a record looked at without writing it. Unlike the effect Wake it may be lost with the
	// machine's power: for news that polling would bring too.
	Wake(ctx context.Context, w Wake) error
	// NextDue returns when the earliest record of a kind is due; zero when none is.
	NextDue(ctx context.Context, kind string) (time.Time, error)
	// Recall makes the records of a kind due now that nobody works on and that are due later than a time: for who
	// finds that the clock was set back, by which their times are far off.
	Recall(ctx context.Context, kind string, later time.Time) error
	// Woken returns a channel that receives after a commit that woke records of a kind. It may
	// miss wake-ups of other processes: whoever waits on it also looks at NextDue now and then.
	Woken(kind string) <-chan struct{}
}

// Lease is the right to work on a record for a while.
type Lease struct {
	Kind, ID, Token string
	Attempt         int   // failures in a row, for backoff
	Wakes           int64 // how often the record had been woken at Claim
}

// Event is an entry of the event log, as Emit asked for it.
type Event struct {
	Sequence int64
	Time     time.Time
	Emit
}

// Events reads the event log.
type Events interface {
	// Events returns at most limit events of a workspace ("" for all) after a sequence number, in
	// order. subject "" means any; a subject ending in "/" is a prefix.
	Events(ctx context.Context, workspace, subject string, after int64, limit int) ([]Event, error)
	// Subscribe returns a channel that receives after a commit that emitted an event with the
	// subject in the workspace ("" for any; a subject ending in "/" is a prefix). Several commits may be
	// told once. stop ends it.
	Subscribe(workspace, subject string) (changed <-chan struct{}, stop func())
}
