package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// step is one record being worked on.
type step struct {
	lease store.Lease
	since time.Time
	end   context.CancelCauseFunc
	next  time.Time // when the record is due again; zero: when something wakes it
}

// panicked is a panic of a Func.
type panicked struct {
	value any
	stack []byte
}

// Error returns the panic's value.
func (p *panicked) Error() string { return fmt.Sprint("panic: ", p.value) }

// step works on a record and settles its lease, also when its context has ended.
func (l *line) step(ctx context.Context, s *step) {
	r, err := call(ctx, l.worker.Func, s.lease.ID)
	stopped := err != nil && errors.Is(context.Cause(ctx), ErrStop)
	if err != nil && !stopped {
		l.report(ctx, s, err)
	}
	o := judge(stopped, s.lease.Attempt, r, err, time.Now())
	s.next = o.next
	l.settle(ctx, s.lease, o)
}

func call(ctx context.Context, f Func, id string) (r Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, debug.Stack()}
		}
	}()
	return f(ctx, id)
}

// report logs why a step failed: a warning where it is tried again, an error where it is not.
func (l *line) report(ctx context.Context, s *step, err error) {
	attrs := []any{"id", s.lease.ID, "attempt", s.lease.Attempt + 1, "err", err}
	if p, ok := errors.AsType[*panicked](err); ok {
		l.log.ErrorContext(ctx, "a step panicked and is tried again", append(attrs, "stack", string(p.stack))...)
		return
	}
	if fault.Retryable(err) {
		l.log.WarnContext(ctx, "a step failed and is tried again", attrs...)
		return
	}
	l.log.ErrorContext(ctx, "a step failed", attrs...)
}

// outcome is what a step leads to: when the record is due again, and whether it was a failure.
type outcome struct {
	next   time.Time // zero: when something wakes the record
	failed bool
}

// judge decides what follows from the result of a step.
func judge(stopped bool, attempt int, r Result, err error, now time.Time) outcome {
	_, bug := errors.AsType[*panicked](err)
	switch {
	case stopped:
		return outcome{next: now}
	case bug:
		return outcome{next: now.Add(backoff(attempt, 0)), failed: true}
	case err != nil && fault.Retryable(err):
		return outcome{next: now.Add(backoff(attempt, fault.From(err).RetryAfter)), failed: true}
	case err != nil:
		return outcome{failed: true}
	case r.After > 0:
		return outcome{next: now.Add(r.After)}
	}
	return outcome{}
}
