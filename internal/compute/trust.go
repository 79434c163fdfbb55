package compute

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Trust holds a target from now on to what was seen of it last, instead of what was pinned: a new
// host key. It has the target looked at anew, as a new revision. fault.Precondition, Reason
// "NothingToTrust", where nothing changed.
func (s *Service) Trust(ctx context.Context, k store.Key) (Target, error) {
	what := fmt.Sprintf("cannot trust compute target %q", k.Name)
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return Target{}, fault.Doing(what, err)
	}
	if _, err := s.Get(ctx, k); err != nil {
		return Target{}, fault.Doing(what, err)
	}
	t, err := s.Targets.Update(ctx, k, func(t *Target) ([]store.Effect, error) {
		seen := t.Status.Seen.Pin
		if len(seen) == 0 || maps.Equal(seen, t.Status.Pinned) {
			return nil, nothingToTrust(*t)
		}
		state, err := t.Status.State.Move(Updating)
		if err != nil {
			return nil, err
		}
		t.Status.Pinned, t.Revision = maps.Clone(seen), t.Revision+1
		t.Status.State, t.Status.Changed = state, time.Now()
		return []store.Effect{wake(*t), emit(ctx, *t, "compute.trusted")}, nil
	})
	return t, fault.Doing(what, err)
}

func nothingToTrust(t Target) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "NothingToTrust", What: fmt.Sprintf("cannot trust compute target %q", t.Name),
		Why: "when it was last looked at, it showed nothing else than what is pinned", Fix: "look again; run: zaffre compute check " + t.Name,
	}
}

// pin keeps what is seen for the first time.
func (t *Target) pin(seen map[string]string) {
	kept := maps.Clone(t.Status.Pinned)
	for name, value := range seen {
		if _, is := kept[name]; is {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[name] = value
	}
	t.Status.Pinned = kept
}

// hold pins what the caller was shown and agreed to.
func (t *Target) hold(agreed map[string]string) error {
	for name, value := range agreed {
		if kept, is := t.Status.Pinned[name]; is && kept != value {
			return &fault.Error{
				Code: fault.Precondition, Reason: "PinDiffers", What: fmt.Sprintf("compute target %q cannot be held to this", t.Name),
				Why: "it is held to another " + name + " already, which it showed when it was attached",
				Fix: "find out which one is right; what it shows now is trusted by this, run: zaffre compute trust " + t.Name, Field: "pin." + name,
			}
		}
	}
	t.pin(agreed)
	return nil
}
