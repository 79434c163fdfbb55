package run

import (
	"fmt"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// State is the state of a run, in the words of Azure Machine Learning.
type State string

const (
	NotStarted      State = "NotStarted"      // accepted; a run without an environment begins as Queued
	Preparing       State = "Preparing"       // its environment is being built
	Queued          State = "Queued"          // waiting for slots, or started and not yet running
	Running         State = "Running"         // its process runs
	Finalizing      State = "Finalizing"      // slots free; logs and outputs are being copied
	CancelRequested State = "CancelRequested" // its process was asked to end
	Completed       State = "Completed"       // final
	Failed          State = "Failed"          // final: Status.Error says why
	Canceled        State = "Canceled"        // final
)

// transitions is the whole state machine of managed runs. A state without an entry is final.
//
//	NotStarted -> Preparing -> Queued -> Running -> Finalizing -> Completed | Failed | Canceled
//	   └───────────┴──────────┴─────────┴─> CancelRequested -> Finalizing | Canceled
//	Running, Finalizing -> Queued: the next attempt. All but the last three may become Failed.
var transitions = map[State][]State{
	NotStarted:      {Preparing, Queued, CancelRequested, Failed},
	Preparing:       {Queued, CancelRequested, Failed},
	Queued:          {Running, Finalizing, CancelRequested, Failed},
	Running:         {Finalizing, Queued, CancelRequested, Failed},
	CancelRequested: {Finalizing, Canceled, Failed},
	Finalizing:      {Completed, Failed, Canceled, Queued},
}

// States returns every state.
func States() []State {
	return []State{NotStarted, Preparing, Queued, Running, Finalizing, CancelRequested, Completed, Failed, Canceled}
}

// Final reports whether a managed run stays in s for ever.
func (s State) Final() bool { return len(transitions[s]) == 0 }

// Origin says who moves a run.
type Origin string

const (
	Managed  Origin = "managed"  // the reconciler, along transitions
	External Origin = "external" // its client, in any order, also out of a final state
)

// Move returns the next state, or a fault.Precondition, Reason "StateForbids", that says what is
// possible from here.
func (o Origin) Move(from, to State) (State, error) {
	if o == External || from == to || slices.Contains(transitions[from], to) {
		return to, nil
	}
	next := "it is final"
	if !from.Final() {
		next = fmt.Sprintf("from there it can become %v", transitions[from])
	}
	return from, &fault.Error{
		Code: fault.Precondition, Reason: "StateForbids", What: fmt.Sprintf("the run cannot become %s", to),
		Why: fmt.Sprintf("it is %s: %s", from, next), Fix: "look at its state; run: zaffre run show ID",
	}
}
