package driver

import (
	"context"
	"time"
)

// Session is what an interactive session is asked for with: an interpreter on the target, in which statements run
// one after the other and share their variables.
type Session struct {
	Name     string         // unique on the target while it lasts; [a-z0-9-]{1,63}
	Language string         // "pyspark", "spark" (Scala), "sparkr", "sql"
	Options  map[string]any // those of Kind.JobOptions, with defaults applied, typed as in Target.Options
}

// SessionState is the state of a session.
type SessionState string

const (
	SessionStarting SessionState = "starting"
	SessionIdle     SessionState = "idle" // waits for a statement
	SessionBusy     SessionState = "busy"
	SessionDead     SessionState = "dead" // ended by itself or from outside; Reason says why
)

// SessionStatus is what a target says of a session.
type SessionStatus struct {
	Name, Language string
	State          SessionState
	Reason         string    // of one that is dead: "SessionDied", "SessionExpired", "NotStarted"
	Message        string    // in the user's terms, with the last words of its log
	Statements     int       // how many were begun
	Started        time.Time // zero: not known
}

// StatementState is the state of a statement.
type StatementState string

const (
	StatementWaiting  StatementState = "waiting" // behind others
	StatementRunning  StatementState = "running"
	StatementDone     StatementState = "done"
	StatementFailed   StatementState = "failed" // it raised: see Error
	StatementCanceled StatementState = "canceled"
)

// Statement is what a target says of a statement.
type Statement struct {
	Number   int // from 0, in the order in which they were begun
	Code     string
	State    StatementState
	Progress float64           // 0 to 1, where the engine tells
	Output   map[string]string // by MIME type: what it printed and its value as "text/plain", tables as "application/json"
	Error    string            // "NameError: name 'x' is not defined"
	Trace    []string          // the engine's own lines
}

// Sessions is the capability to hold interactive sessions. One that the target does not know is
// fault.NotFound, Reason "SessionUnknown"; a statement of one that is dead is fault.Precondition, with
// the status's Reason; a statement that was not begun is fault.NotFound, Reason "StatementUnknown".
type Sessions interface {
	Conn
	// StartSession starts a session, or finds the one of that name. One of that name that is dead is
	// forgotten first. A language that the target has not is fault.Unsupported, Reason "LanguageUnsupported".
	StartSession(ctx context.Context, s Session) (SessionStatus, error)
	// ListSessions returns those that were started here and that the target still knows, by name.
	ListSessions(ctx context.Context) ([]SessionStatus, error)
	// SessionStatus reads the state of one.
	SessionStatus(ctx context.Context, name string) (SessionStatus, error)
	// BeginStatement begins statement number, which is as many as were begun before, or finds it if it was
	// begun with the same code. Another number is fault.Conflict, Reason "StatementOutOfOrder".
	BeginStatement(ctx context.Context, session string, number int, code string) (Statement, error)
	// ReadStatement reads the state of one.
	ReadStatement(ctx context.Context, session string, number int) (Statement, error)
	// CancelStatement asks it to stop; ReadStatement tells when it has.
	CancelStatement(ctx context.Context, session string, number int) error
	// StopSession ends a session and forgets it. One that is not there is no error.
	StopSession(ctx context.Context, name string) error
}
