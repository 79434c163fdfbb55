package run

import (
	"context"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

const resumeAtOnce = 100

// Resume has the runs looked at that were on their targets when the server ended: what became of them
// since, no target has told. Without it they would hold their slots until they are polled.
func (s *Service) Resume(ctx context.Context) error {
	ctx = identity.System(ctx)
	for _, state := range []State{Running, CancelRequested} {
		for page := (store.Page{Limit: resumeAtOnce}); ; {
			runs, next, err := s.Runs.List(ctx, Filter{State: state}, page)
			if err == nil {
				err = s.wakeAll(ctx, runs)
			}
			if err != nil {
				return err
			}
			if next == "" {
				break
			}
			page.Cursor = next
		}
	}
	return nil
}

// wakeAll wakes runs at the same time, so that they share commits.
func (s *Service) wakeAll(ctx context.Context, runs []Run) error {
	errs := make(chan error, len(runs))
	var wg sync.WaitGroup
	for _, r := range runs {
		if r.Origin != Managed {
			continue
		}
		wg.Go(func() { errs <- s.wake(ctx, r.Key()) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
