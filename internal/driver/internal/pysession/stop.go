package pysession

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// StopSession implements driver.Sessions.
func (s *Sessions) StopSession(ctx context.Context, name string) error {
	k, err := s.find(ctx, name)
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return s.end(ctx, k.record)
}

// end ends a session's job, waits until it has ended, and forgets both.
func (s *Sessions) end(ctx context.Context, r record) error {
	h, err := agentx.HandleOf(r.Job)
	if err != nil {
		return err
	}
	for {
		if err := s.Jobs.Cancel(ctx, h); err != nil {
			return err
		}
		st, err := s.Jobs.Poll(ctx, h)
		if err != nil {
			return err
		}
		if st.State.Final() {
			break
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	if err := s.Jobs.Release(ctx, h); err != nil {
		return err
	}
	a, err := s.Place.Ask(ctx, dropScript, s.Place.ID, r.Name, r.Job)
	if err == nil && a.Exit != 0 {
		err = unwritten(a.Said)
	}
	return err
}

// pauseFor is between two looks at a session that ends.
const pauseFor = 100 * time.Millisecond

func pause(ctx context.Context) error {
	select {
	case <-time.After(pauseFor):
		return nil
	case <-ctx.Done():
		return &fault.Error{
			Code: fault.Unavailable, Reason: "TimedOut", What: "the session has not ended in time", Why: "the time for the operation ran out",
			Fix: "nothing: it is tried again; if it stays so, check the target", Err: context.Cause(ctx),
		}
	}
}

// Clean ends all sessions, and says which there were; dryRun only says.
func (s *Sessions) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	all, err := s.all(ctx, "")
	if err != nil {
		return nil, err
	}
	var items []driver.Item
	for _, k := range all {
		if !dryRun && err == nil {
			err = s.end(ctx, k.record)
		}
		items = append(items, driver.Item{Type: "session", Name: k.Name, Removed: !dryRun && err == nil})
	}
	return items, err
}
