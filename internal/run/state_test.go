package run_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// From every state, any walk along the allowed transitions can still reach a final state.
func TestEveryStateReachesAFinalOne(t *testing.T) {
	t.Parallel()
	for _, from := range run.States() {
		reached := []run.State{from}
		for i := 0; i < len(reached); i++ {
			for _, next := range run.States() {
				if _, err := run.Managed.Move(reached[i], next); err == nil && !slices.Contains(reached, next) {
					reached = append(reached, next)
				}
			}
		}
		if !slices.ContainsFunc(reached, run.State.Final) {
			t.Errorf("%s reaches no final state", from)
		}
	}
}

// A managed run never leaves a final state; an external one goes wherever its client says.
func TestMove(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom(run.States()).Draw(t, "from")
		next := rapid.SampledFrom(run.States()).Draw(t, "next")
		got, err := run.Managed.Move(from, next)
		if from.Final() && next != from && fault.CodeOf(err) != fault.Precondition {
			t.Fatalf("managed: %s to %s = %v, want failed_precondition", from, next, err)
		}
		if err != nil && got != from {
			t.Fatalf("a refused move from %s gave %s", from, got)
		}
		if _, err := run.External.Move(from, next); err != nil {
			t.Fatalf("external: %s to %s = %v, want it allowed", from, next, err)
		}
	})
}
