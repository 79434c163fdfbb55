package run

import (
	"context"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// watchers knows which targets are watched, and whose jobs they are.
type watchers struct {
	mu      sync.Mutex
	targets map[string]bool      // by target ID
	jobs    map[string]store.Key // by job ID
}

func newWatchers() *watchers {
	return &watchers{targets: map[string]bool{}, jobs: map[string]store.Key{}}
}

func (w *watchers) add(job string, run store.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs[job] = run
}

func (w *watchers) remove(job string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.jobs, job)
}

func (w *watchers) run(job string) (store.Key, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, ok := w.jobs[job]
	return k, ok
}

// first reports whether nobody watches the target yet, and that somebody does from now on.
func (w *watchers) first(target string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.targets[target] {
		return false
	}
	w.targets[target] = true
	return true
}

func (w *watchers) over(target string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.targets, target)
}

// rewatchAfter is how long a watch that broke waits; polling goes on meanwhile.
const rewatchAfter = time.Second

// watchTarget has a target tell of changes, which wake the runs they concern. There is one watch
// per target, until the service closes or the target is gone.
func (s *Service) watchTarget(t compute.Target) {
	kind, err := s.Computes.Kind(t.Kind)
	if err != nil || !driver.Can[driver.Watcher](kind) || s.ctx.Err() != nil || !s.watchers.first(t.ID) {
		return
	}
	id := t.ID
	s.wg.Go(func() {
		defer s.watchers.over(id)
		for s.ctx.Err() == nil {
			if t, err = s.Computes.Get(s.ctx, t.Key()); err != nil || t.ID != id { // another one may have its name
				return
			}
			err := s.Computes.Use(s.ctx, t, func(c driver.Conn) error {
				w, err := driver.As[driver.Watcher](c)
				if err != nil {
					return err
				}
				return w.Watch(s.ctx, s.wakeJob)
			})
			s.Log.DebugContext(s.ctx, "watch ended", "compute", t.Name, "err", err)
			if fault.ReasonOf(err) == "CapabilityMissing" {
				return // others of its kind tell of changes
			}
			select {
			case <-s.ctx.Done():
			case <-time.After(rewatchAfter):
			}
		}
	})
}

func (s *Service) wakeJob(job string) {
	k, ok := s.watchers.run(job)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeoutCause(s.ctx, callWithin, context.DeadlineExceeded)
	defer cancel()
	if err := s.wake(ctx, k); err != nil {
		s.Log.DebugContext(ctx, "run not woken", "run", k.Name, "err", err)
	}
}

// wake has the reconciler look at a run now.
func (s *Service) wake(ctx context.Context, k store.Key) error {
	return s.Queue.Wake(ctx, store.Wake{Kind: WorkKind, ID: k.String()})
}
