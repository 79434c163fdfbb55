package compute

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// nameFixes puts the target's name into the fixes, where a driver, which does not know it, wrote NAME.
func (t *Target) nameFixes() {
	name := func(fix string) string { return strings.ReplaceAll(fix, " NAME", " "+t.Name) }
	if t.Status.Error != nil {
		e := *t.Status.Error
		e.Fix = name(e.Fix)
		t.Status.Error = &e
	}
	t.Status.Seen.Checks = slices.Clone(t.Status.Seen.Checks)
	for i, c := range t.Status.Seen.Checks {
		t.Status.Seen.Checks[i].Fix = name(c.Fix)
	}
}
