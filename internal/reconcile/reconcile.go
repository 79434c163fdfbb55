// Package reconcile drives records towards their desired state.
package reconcile

import (
	"context"
	"time"
)

// Func moves one record one step towards its desired state and says when to look again.
//
// It is level-triggered: it is told which record, never what happened, so it reads the record,
// observes the world, and acts on the difference. A retryable fault is tried again with backoff;
// any other error is logged, and the record waits until something wakes it: what a user must know
// stands in the record itself.
type Func func(ctx context.Context, id string) (Result, error)

// Result says when to look again. Zero: when something wakes the record.
type Result struct{ After time.Duration }
