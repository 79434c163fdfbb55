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
	Tags, Params, Properties    map[string]string
	Definition                  []byte // see Run.Definition
	Spec                        Spec   // what is known of what its client executes: for show only
	User                        string // whom the client names; "": the caller
	State                       State  // "": Running
	Started                     time.Time
	root                        string
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
	var err error
	if q.root, err = s.rootBelow(ctx, q.Workspace, q.Parent); err != nil {
		return err
	}
	if err := checkProperties(q.Properties); err != nil {
		return err
	}
	return checkLabels(q.Tags, q.Params)
}

func newExternal(ctx context.Context, q ExternalRequest) Run {
	now, uid := time.Now(), id.New()
	r := Run{
		Workspace: q.Workspace, Name: orElse(q.Name, uid), ID: uid, Experiment: q.Experiment, Display: q.Display, Parent: q.Parent, Root: q.root,
		Origin: External, Tags: maps.Clone(q.Tags), Params: maps.Clone(q.Params), Properties: maps.Clone(q.Properties), User: q.User,
		Definition: q.Definition, Spec: q.Spec,
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

// Change is what a client says of a run; nil stays as it is.
type Change struct {
	State      *State
	Display    *string
	Started    *time.Time
	Ended      *time.Time
	Error      *fault.Error      // of an external run; one that is opened again has none
	Warnings   []string          // that are not there yet
	Tags       map[string]string // to set
	RemoveTags []string
	Properties map[string]string // to set, once: another value is fault.Invalid, Reason "PropertyChanged"
	Kept       map[string]string // properties that a face keeps for itself, replaced
}

// UpdateExternal moves a run for its client: in any order, also out of a final state. A run that reaches a
// final state without a time of its end ended now, and one that is reopened has no end. It is all of the
// change or nothing.
//
// Of a managed run state, times and error stay: the client inside says of them what the reconciler sees for
// itself, and that is no error.
func (s *Service) UpdateExternal(ctx context.Context, k store.Key, c Change) (Run, error) {
	const what = "cannot change the run"
	if err := checkLabels(c.Tags, nil); err != nil {
		return Run{}, fault.Doing(what, err)
	}
	if err := s.mayLabel(ctx, k); err != nil {
		return Run{}, fault.Doing(what, err)
	}
	actor := identity.From(ctx).Name
	r, err := s.Runs.Update(ctx, k, func(r *Run) ([]store.Effect, error) {
		if err := r.alive(); err != nil {
			return nil, err
		}
		if err := r.describe(c); err != nil {
			return nil, err
		}
		if r.Origin != External {
			return nil, nil
		}
		return r.apply(c, actor), nil
	})
	return r, fault.Doing(what, err)
}

// describe does what a change may do to a run of any origin.
func (r *Run) describe(c Change) error {
	if c.Display != nil {
		r.Display = *c.Display
	}
	for _, w := range c.Warnings {
		r.Status.Warnings = with(r.Status.Warnings, w)
	}
	if len(c.Properties)+len(c.Kept) > 0 {
		if err := r.setProperties(c.Properties); err != nil {
			return err
		}
		r.Properties = merged(r.Properties, c.Kept)
		if err := checkProperties(r.Properties); err != nil {
			return err
		}
	}
	if len(c.Tags)+len(c.RemoveTags) == 0 {
		return nil
	}
	return r.label(c.Tags, nil, c.RemoveTags)
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
		} else {
			s.Error = nil
		}
	}
	if c.Ended != nil {
		s.Ended = *c.Ended
	}
	if c.Error != nil {
		s.Error = c.Error
	}
	if s.State == from {
		return nil
	}
	return []store.Effect{r.emit(actor, "run.state_changed", "from", string(from), "reason", fault.ReasonOf(orNil(s.Error)))}
}

// orNil keeps a missing fault a missing error.
func orNil(f *fault.Error) error {
	if f == nil {
		return nil
	}
	return f
}
