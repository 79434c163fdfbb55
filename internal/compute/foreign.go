package compute

import (
	"context"
	"fmt"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// UpdateForeign is Update that also replaces what a face keeps beside the options; nil keeps it.
func (s *Service) UpdateForeign(ctx context.Context, k store.Key, options map[string]any, foreign []byte) (Target, error) {
	return s.update(ctx, k, change{options: options, foreign: foreign})
}

// Refuse records a request to attach that cannot be accepted, with the cause, as a target that Failed: for
// faces whose clients read the cause from there. Options are not kept. The next Attach of the name
// replaces it. A name that another target has stays that target's, which is then returned with
// fault.Exists, Reason "ComputeExists". It takes what Attach takes.
func (s *Service) Refuse(ctx context.Context, q AttachRequest, cause error) (Target, error) {
	what := fmt.Sprintf("cannot %s compute target %q", q.verb(), q.Name)
	if err := identity.Require(ctx, q.Workspace, identity.Contributor); err != nil {
		return Target{}, fault.Doing(what, err)
	}
	if err := id.CheckSlug("name", q.Name); err != nil {
		return Target{}, fault.Doing(what, err)
	}
	now := time.Now()
	t := Target{
		Workspace: q.Workspace, Name: q.Name, ID: id.New(), Kind: q.Kind, Revision: 1,
		Spec:      Spec{Made: q.Made, Foreign: q.Foreign, Refused: true},
		Status:    Status{State: Failed, Error: fault.From(fault.Doing(what, cause)), Revision: 1, Changed: now},
		CreatedBy: identity.From(ctx).Name, Created: now,
	}
	err := s.Targets.Insert(ctx, t, emit(ctx, t, "compute.refused"))
	if fault.CodeOf(err) != fault.Exists {
		return t, err
	}
	old, err := s.Targets.Get(ctx, t.Key())
	if err != nil {
		return old, err
	}
	if !old.Spec.Refused {
		return old, existing(old)
	}
	return s.replace(ctx, t)
}

func existing(t Target) error {
	return &fault.Error{
		Code: fault.Exists, Reason: "ComputeExists", What: fmt.Sprintf("compute target %q exists", t.Name),
		Why: "it is of kind " + t.Kind, Fix: "choose another name, or detach it first; run: zaffre compute detach " + t.Name, Field: "name",
	}
}

// replace puts fresh in the place of a request that was refused.
func (s *Service) replace(ctx context.Context, fresh Target) (Target, error) {
	return s.Targets.Update(ctx, fresh.Key(), func(t *Target) ([]store.Effect, error) {
		if !t.Spec.Refused {
			return nil, existing(*t)
		}
		revision := t.Revision
		*t = fresh
		t.Revision = revision + 1
		if t.Spec.Refused {
			t.Status.Revision = t.Revision
			return []store.Effect{emit(ctx, *t, "compute.refused")}, nil
		}
		return []store.Effect{wake(*t), emit(ctx, *t, "compute.attached")}, nil
	})
}

// Retry has a target that Failed looked at anew, as a new revision. It changes no other target.
func (s *Service) Retry(ctx context.Context, k store.Key) (Target, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return Target{}, err
	}
	return s.Targets.Update(ctx, k, func(t *Target) ([]store.Effect, error) {
		if t.Status.State != Failed || t.Spec.Refused {
			return nil, nil
		}
		t.Revision++
		t.Status.State, t.Status.Changed = Updating, time.Now()
		return []store.Effect{wake(*t), emit(ctx, *t, "compute.updated")}, nil
	})
}
