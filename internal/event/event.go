// Package event lets callers read the event log of the workspaces they see.
package event

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Filter selects events of a workspace. Subject "" is any; one that ends in a slash is a prefix.
type Filter struct{ Workspace, Subject string }

// Service reads the log of events. Its methods may be called from several goroutines.
type Service struct{ events store.Events }

// New returns a Service.
func New(events store.Events) *Service { return &Service{events} }

// List returns at most limit events after a sequence number, in order; limit 0 is 100, more than 1000
// is 1000. It takes a Reader.
func (s *Service) List(ctx context.Context, f Filter, after int64, limit int) ([]store.Event, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = 100
	}
	return s.events.Events(ctx, f.Workspace, f.Subject, after, min(limit, 1000))
}

// Idle is called when nothing happens for a while: streams send a sign of life.
type Idle struct {
	Every time.Duration
	Call  func() error
}

// Follow calls emit with each event after a sequence number, in order, and with new ones as they come,
// until ctx ends or emit or idle fails; it returns the cause. It takes a Reader.
func (s *Service) Follow(ctx context.Context, f Filter, after int64, idle Idle, emit func(store.Event) error) error {
	changed, stop := s.events.Subscribe(f.Workspace, f.Subject)
	defer stop()
	tick := time.NewTicker(idle.Every)
	defer tick.Stop()
	for {
		list, err := s.List(ctx, f, after, 1000)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := emit(e); err != nil {
				return err
			}
			after = e.Sequence
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-tick.C:
			if err := idle.Call(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
