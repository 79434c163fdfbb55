package compute

import (
	"fmt"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// State is a target's provisioning state, in ARM's words.
type State string

const (
	Creating  State = "Creating"  // attached, not yet looked at
	Succeeded State = "Succeeded" // its first preflight passed
	Failed    State = "Failed"    // it did not: Status.Error says why; a target that heals becomes Succeeded
	Updating  State = "Updating"  // its settings changed, not yet looked at
	Deleting  State = "Deleting"  // being detached; then the record goes
)

// transitions is the whole state machine. Deleting ends with the record's deletion.
//
//	Creating ─┬─> Succeeded <──> Updating
//	          │       ^             │
//	          └─> Failed <──────────┘      Failed -> Succeeded: it healed
//	any ──> Deleting ─> (gone), or back where a refused detach found it
var transitions = map[State][]State{
	Creating:  {Succeeded, Failed, Updating, Deleting},
	Succeeded: {Updating, Deleting},
	Failed:    {Succeeded, Updating, Deleting},
	Updating:  {Succeeded, Failed, Deleting},
	Deleting:  {Succeeded, Failed},
}

// States returns every state.
func States() []State { return []State{Creating, Succeeded, Failed, Updating, Deleting} }

// Move returns next if a target in state s may become it, else a fault.Precondition with Reason
// "StateForbids".
func (s State) Move(next State) (State, error) {
	if s == next || slices.Contains(transitions[s], next) {
		return next, nil
	}
	return s, &fault.Error{
		Code: fault.Precondition, Reason: "StateForbids", What: "the compute target cannot become " + string(next),
		Why: fmt.Sprintf("it is %s, and from there it can become %v", s, transitions[s]), Fix: "wait until its state changes; run: zaffre compute list",
	}
}
