// Package fault defines the one error type that crosses package borders.
package fault

import (
	"context"
	"errors"
	"strings"
	"time"
)

// A Code is the class of a fault. Programs act on the code, never on the text. Codes are stored
// and sent on the wire: add, never rename.
type Code string

const (
	Invalid      Code = "invalid"             // the request can never succeed as sent
	NotFound     Code = "not_found"           // the named thing is not there
	Exists       Code = "already_exists"      // the name is taken
	Conflict     Code = "conflict"            // a concurrent change won: read again and retry
	Precondition Code = "failed_precondition" // the thing is in the wrong state for this
	Denied       Code = "permission_denied"   // the caller may not do this
	Unauthorized Code = "unauthenticated"     // the server does not know the caller
	Unsupported  Code = "unsupported"         // this kind, or this server, cannot do it
	Exhausted    Code = "resource_exhausted"  // quota or rate: RetryAfter says when, retried
	Unavailable  Code = "unavailable"         // the other side did not answer: retried
	Internal     Code = "internal"            // a bug here
)

// Error says what happened, why, and what to do about it. Every literal sets Code, Reason, What,
// Why and Fix; a test of this package walks the source to say so.
type Error struct {
	Code       Code
	Reason     string        // stable CamelCase, documented, key of the message catalogue: "HostKeyChanged"
	What       string        // one line without a full stop: `cannot attach compute target "gpu-vm"`
	Why        string        // the cause in the user's terms: "the SSH host key of 10.0.0.4:22 changed"
	Fix        string        // the next step; a command, where there is one, stands after "run: "
	Evidence   []string      // the remote's own words, without secrets
	Field      string        // JSON path of the offending request field, if any
	RetryAfter time.Duration // 0: no advice
	Err        error         // underlying: logged, never sent
}

// Error returns What and Why on one line.
func (e *Error) Error() string {
	s := e.What
	if e.Why != "" {
		s += ": " + e.Why
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the underlying error, for errors.Is and errors.AsType.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's tree, "" for nil, Unavailable for an ended
// context and Internal for any other error.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return From(err).Code
}

// ReasonOf returns the reason of the first Error in err's tree, and "" where there is none.
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// From returns the first Error in err's tree, or a new one for an error that is none: a bug, or a
// context that ended. It returns nil for nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &Error{
			Code: Unavailable, Reason: "TimedOut", What: "the operation did not finish",
			Why: "its time ran out or its caller went away", Fix: "try again", Err: err,
		}
	}
	return &Error{
		Code: Internal, Reason: "InternalError", What: "the operation failed",
		Why: "of an error inside zaffre", Fix: "look into the server's log for the request ID, and report it", Err: err,
	}
}

// Doing returns err as a fault whose What says what was being done. What went wrong then stands at
// the head of Why; the rest stays.
func Doing(what string, err error) error {
	if err == nil {
		return nil
	}
	e := *From(err)
	if e.What != what && !strings.HasPrefix(e.Why, e.What) {
		e.Why = strings.TrimSuffix(e.What+": "+e.Why, ": ")
	}
	e.What = what
	return &e
}

// Retryable reports whether the same call may succeed later: the retry policy of the whole
// program follows from the code alone.
func Retryable(err error) bool {
	c := CodeOf(err)
	return c == Unavailable || c == Exhausted
}
