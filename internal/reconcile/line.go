package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// line works on the records of one kind. One goroutine claims them and keeps the books; each step
// has a goroutine of its own.
type line struct {
	queue   store.Queue
	log     *slog.Logger
	kind    string
	worker  Worker
	woken   <-chan struct{}
	done    chan *step
	running map[*step]struct{}
	more    bool      // more may be due than there were free workers for
	next    time.Time // when to look again, woken or not
	errors  int       // of the queue, in a row
	seen    time.Time // when it was planned last; zero: not yet
}

func newLine(l *Loop, kind string, w Worker) *line {
	w.N = max(w.N, 1)
	return &line{
		queue: l.queue, log: l.log.With("kind", kind), kind: kind, worker: w, woken: l.queue.Woken(kind),
		done: make(chan *step, w.N), running: map[*step]struct{}{},
	}
}

func (l *line) run(ctx context.Context) error {
	// What is claimed is worked on or given back: no call to the queue ends with ctx.
	work := context.WithoutCancel(ctx)
	look := time.NewTimer(0)
	defer look.Stop()
	extend := time.NewTicker(extendEvery)
	defer extend.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-l.woken:
			l.claim(work)
		case <-look.C:
			l.look(work)
		case s := <-l.done:
			l.finish(work, s)
		case <-extend.C:
			l.extend(work)
		}
		look.Reset(max(0, time.Until(l.next)))
	}
	return l.stop(work)
}

// look claims if a record is due, and else plans when to look again.
func (l *line) look(ctx context.Context) {
	if l.plan(ctx) {
		l.claim(ctx)
	}
}

// plan sets the time of the next look and reports whether a record is due already.
func (l *line) plan(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, queueWithin)
	defer cancel()
	now := time.Now()
	l.next = now.Add(pollEvery)
	l.recall(ctx, now)
	due, err := l.queue.NextDue(ctx, l.kind)
	if l.troubled(ctx, "cannot look for work", err) || due.IsZero() || due.After(l.next) {
		return false
	}
	if due.After(now) {
		l.next = now.Add(due.Sub(now)) // measured, whatever becomes of the clock
		return false
	}
	return true
}

// recall has the records looked at whose times are of a clock that was ahead: that of this machine, which was set back
// a moment ago, or before the server started. To be looked at too early harms no record.
func (l *line) recall(ctx context.Context, now time.Time) {
	later, since := now.Add(farthest), l.seen
	l.seen = now
	if !since.IsZero() {
		if now.Sub(since)-now.Round(0).Sub(since.Round(0)) < setBack { // without Round the difference is measured
			return
		}
		later = now
	}
	l.troubled(ctx, "cannot look for work that is due too late", l.queue.Recall(ctx, l.kind, later))
}

// claim starts a step for each record that is due, as far as workers are free.
func (l *line) claim(ctx context.Context) {
	free := l.worker.N - len(l.running)
	l.more = free == 0
	if l.more { // finish claims
		l.next = time.Now().Add(pollEvery)
		return
	}
	leases, err := l.lease(ctx, free)
	if l.troubled(ctx, "cannot claim work", err) {
		return
	}
	for _, lease := range leases {
		l.start(ctx, lease)
	}
	l.more = len(leases) == free
	if !l.more && l.plan(ctx) { // it became due this moment
		l.next = time.Now()
	}
}

func (l *line) lease(ctx context.Context, n int) ([]store.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, queueWithin)
	defer cancel()
	return l.queue.Claim(ctx, l.kind, n, leaseTTL)
}

// troubled reports whether the queue failed, and then looks again later and later.
func (l *line) troubled(ctx context.Context, message string, err error) bool {
	if err == nil {
		l.errors = 0
		return false
	}
	wait := backoff(l.errors, 0)
	l.errors++
	l.next = time.Now().Add(wait)
	l.log.WarnContext(ctx, message, "err", err, "again_in", wait)
	return true
}

func (l *line) start(ctx context.Context, lease store.Lease) {
	ctx, end := context.WithCancelCause(ctx)
	s := &step{lease: lease, since: time.Now(), end: end}
	l.running[s] = struct{}{}
	go func() {
		l.step(ctx, s)
		end(nil)
		l.done <- s
	}()
}

// finish closes the books on a step. Its worker is free for what is due, or looks when the record
// is due again.
func (l *line) finish(ctx context.Context, s *step) {
	delete(l.running, s)
	if !s.next.IsZero() && s.next.Before(l.next) {
		l.next = s.next
	}
	if l.more {
		l.claim(ctx)
	}
}

// extend keeps the leases of long steps. A step that has lost its lease is ended: another works on
// the record.
func (l *line) extend(ctx context.Context) {
	for s := range l.running {
		if time.Since(s.since) < extendEvery/2 {
			continue
		}
		err := l.prolong(ctx, s.lease)
		switch {
		case fault.CodeOf(err) == fault.Conflict:
			s.end(err)
		case err != nil:
			l.log.WarnContext(ctx, "cannot extend a lease", "id", s.lease.ID, "err", err)
		}
	}
}

func (l *line) prolong(ctx context.Context, lease store.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, queueWithin)
	defer cancel()
	return l.queue.Extend(ctx, lease, leaseTTL)
}

// settleTries is how often a lease is settled where the queue does not answer: the record would be due only when it
// ends. One that was settled, and only the answer lost, is lost the next time, which is as good.
const settleTries = 5

// settle ends a lease; an outcome that failed counts.
func (l *line) settle(ctx context.Context, lease store.Lease, o outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queueWithin)
	defer cancel()
	settle := l.queue.Settle
	if o.failed {
		settle = l.queue.Fail
	}
	err := settle(ctx, lease, o.next)
	for try := 1; fault.Retryable(err) && try < settleTries; try++ {
		err = settle(ctx, lease, o.next)
	}
	if err != nil && fault.CodeOf(err) != fault.Conflict {
		l.log.WarnContext(ctx, "cannot settle a lease: the record is due when it ends", "id", lease.ID, "err", err)
	}
}

// stop ends the running steps and gives back the records of those that do not end in time.
func (l *line) stop(ctx context.Context) error {
	for s := range l.running {
		s.end(ErrStop)
	}
	timeout := time.After(stopWithin)
	for len(l.running) > 0 {
		select {
		case s := <-l.done:
			delete(l.running, s)
		case <-timeout:
			return l.abandon(ctx)
		}
	}
	return nil
}

func (l *line) abandon(ctx context.Context) error {
	var ids []string
	for s := range maps.Keys(l.running) {
		ids = append(ids, s.lease.ID)
		l.settle(ctx, s.lease, outcome{next: time.Now()})
	}
	slices.Sort(ids)
	return &fault.Error{
		Code: fault.Unavailable, Reason: "StopTimedOut", What: "work did not stop in time",
		Why: fmt.Sprintf("%d steps of kind %s went on for %v", len(ids), l.kind, stopWithin),
		Fix: "nothing: their records are worked on again at the next start", Evidence: ids,
	}
}
