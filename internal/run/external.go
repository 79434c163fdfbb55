package run

import (
	"context"
	"maps"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// ExternalRequest makes a run that its client moves.
type ExternalRequest struct {
	Workspace, Name             string // Name "": the run's ID
	Experiment, Display, Parent string
	Tags, Params                map[string]string
	User                        string // whom the client names; "": the caller
	State                       State  // "": Running
	Started                     time.Time
}

// CreateExternal records a run that somebody else executes. The same name again is the same run: its tags
// and parameters are merged, and its display name is replaced unless the request has none. A name that a
// managed run has is fault.Conflict, Reason "RunDiffers".
func (s *Service) CreateExternal(ctx context.Context, q ExternalRequest) (r Run, created bool, err error) {
	const what = "cannot create the run"
	if err := s.checkExternal(ctx, &q); err != nil {
		return r, false, fault.Doing(what, err)
	}
	if q.Name != "" {
		if r, err = s.againExternal(ctx, q); fault.CodeOf(err) != fault.NotFound {
			return r, false, fault.Doing(what, err)
		}
	}
	r = newExternal(ctx, q)
	if r.Number, err = s.number(ctx, q.Workspace, q.Experiment); err != nil {
		return r, false, fault.Doing(what, err)
	}
	err = s.Runs.Insert(ctx, r, r.emit(r.CreatedBy, "run.submitted"))
	if fault.CodeOf(err) == fault.Exists { // the same request, at the same time
		r, err = s.againExternal(ctx, q)
		return r, false, fault.Doing(what, err)
	}
	return r, err == nil, fault.Doing(what, err)
}

func (s *Service) checkExternal(ctx context.Context, q *ExternalRequest) error {
	if err := identity.Require(ctx, q.Workspace, identity.Tracker); err != nil {
		return err
	}
	if q.Experiment == "" {
		q.Experiment = DefaultExperiment
	}
	if err := checkNames(&Request{Name: q.Name, Experiment: q.Experiment}); err != nil {
		return err
	}
	if q.Parent != "" {
		if _, err := s.Get(ctx, store.Key{Workspace: q.Workspace, Name: q.Parent}); err != nil {
			return err
		}
	}
	return checkLabels(q.Tags, q.Params)
}

func newExternal(ctx context.Context, q ExternalRequest) Run {
	now, uid := time.Now(), id.New()
	r := Run{
		Workspace: q.Workspace, Name: orElse(q.Name, uid), ID: uid, Experiment: q.Experiment, Display: q.Display, Parent: q.Parent,
		Origin: External, Tags: maps.Clone(q.Tags), Params: maps.Clone(q.Params), User: q.User,
		Status:    Status{State: State(orElse(string(q.State), string(Running))), Changed: now, Started: q.Started},
		CreatedBy: identity.From(ctx).Name, Created: now,
	}
	if r.Status.Started.IsZero() && r.Status.State != NotStarted && r.Status.State != Queued {
		r.Status.Started = now
	}
	return r
}

func (s *Service) againExternal(ctx context.Context, q ExternalRequest) (Run, error) {
	return s.Runs.Update(ctx, store.Key{Workspace: q.Workspace, Name: q.Name}, func(r *Run) ([]store.Effect, error) {
		if r.Origin != External || r.Experiment != q.Experiment {
			return nil, runDiffers(q.Name)
		}
		if q.Display != "" {
			r.Display = q.Display
		}
		return nil, r.label(q.Tags, q.Params, nil)
	})
}

// Change is what the client of an external run says of it; nil stays as it is.
type Change struct {
	State    *State
	Display  *string
	Started  *time.Time
	Ended    *time.Time
	Warnings []string // that are not there yet
}

// UpdateExternal moves a run for its client: in any order, also out of a final state. A run that reaches a
// final state without a time of its end ended now, and one that is reopened has no end.
//
// Of a managed run only the display name changes: the client inside says of its state what the reconciler
// sees for itself, and that is no error.
func (s *Service) UpdateExternal(ctx context.Context, k store.Key, c Change) (Run, error) {
	const what = "cannot change the run"
	if err := s.mayLabel(ctx, k); err != nil {
		return Run{}, fault.Doing(what, err)
	}
	actor := identity.From(ctx).Name
	r, err := s.Runs.Update(ctx, k, func(r *Run) ([]store.Effect, error) {
		if err := r.alive(); err != nil {
			return nil, err
		}
		if c.Display != nil {
			r.Display = *c.Display
		}
		if r.Origin != External {
			return nil, nil
		}
		return r.apply(c, actor), nil
	})
	return r, fault.Doing(what, err)
}

func (r *Run) apply(c Change, actor string) []store.Effect {
	s, from, now := &r.Status, r.Status.State, time.Now()
	if c.Started != nil {
		s.Started = *c.Started
	}
	if c.State != nil && *c.State != from {
		s.State, s.Changed, s.Ended = *c.State, now, time.Time{}
		if s.State.Final() {
			s.Ended = now
		}
	}
	if c.Ended != nil {
		s.Ended = *c.Ended
	}
	for _, w := range c.Warnings {
		s.Warnings = with(s.Warnings, w)
	}
	if s.State == from {
		return nil
	}
	return []store.Effect{r.emit(actor, "run.state_changed", "from", string(from), "reason", "")}
}
