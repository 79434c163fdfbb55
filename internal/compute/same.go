package compute

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// record writes what was seen. If another target holds the computer, that is the target's error.
func (s *Service) record(ctx context.Context, t Target, seen look, observeErr error) (Target, error) {
	if observeErr == nil && t.alone() {
		away, err := s.awayAs(ctx, t, seen.Observation)
		if err != nil {
			return t, err
		}
		if away != "" {
			observeErr = sameComputerAway(t, away, seen.Lasting)
		}
	}
	return s.claim(ctx, t, seen, observeErr)
}

// alone reports whether t may not stand for a computer that another target stands for.
func (t Target) alone() bool { return !t.Spec.Shared && t.Workspace != store.Global }

// claim writes what was seen, and takes the computer for the target.
func (s *Service) claim(ctx context.Context, t Target, seen look, observeErr error) (Target, error) {
	effects := []store.Effect{store.Wake{Kind: PlacementKind, ID: t.Key().String()}}
	if observeErr == nil && t.alone() {
		effects = append(effects, store.Free{Space: identitySpace(t), Holder: t.Name}, store.Take{Space: identitySpace(t), Name: seen.Identity, Holder: t.Name})
	}
	out, err := s.write(ctx, t, seen, observeErr, effects)
	if fault.ReasonOf(err) != "Taken" {
		return out, err
	}
	return s.write(ctx, t, seen, sameComputer(t, fault.From(err).Evidence), nil)
}

func (s *Service) write(ctx context.Context, t Target, seen look, err error, effects []store.Effect) (Target, error) {
	return s.Targets.Update(ctx, t.Key(), func(now *Target) ([]store.Effect, error) {
		return observed(ctx, now, t.Revision, seen, err, effects)
	})
}

func identitySpace(t Target) string { return "identity/" + t.Workspace }

// awayAs returns the target of the workspace that stands for the same computer, as far as can be known: what
// lasts of the computer was seen there, and that target cannot be looked at now. One that can be looked at
// holds the identity that it shows, which the look renews: after a restart of the computer it is the one
// that t shows, and another if there are two computers made from one image. A target that has been seen on
// this computer before has been judged.
func (s *Service) awayAs(ctx context.Context, t Target, seen driver.Observation) (string, error) {
	if seen.Lasting == "" || seen.Lasting == t.Status.Seen.Lasting && maps.Equal(seen.Pin, t.Status.Pinned) {
		return "", nil
	}
	for page := (store.Page{Limit: 1000}); ; {
		list, next, err := s.Targets.List(ctx, Filter{Workspace: t.Workspace}, page)
		if err != nil {
			return "", err
		}
		for _, other := range list {
			if other.Name == t.Name || !other.lastsAs(seen) {
				continue
			}
			if other, err = s.lookAgain(ctx, other); err != nil {
				return "", err
			}
			if other.lastsAs(seen) && !other.answered() {
				return other.Name, nil
			}
		}
		if page.Cursor = next; next == "" {
			return "", nil
		}
	}
}

// lastsAs reports whether t was last seen on a computer of which the same lasts, under another identity.
// Computers made from one image that hold keys of their own are not the same.
func (t Target) lastsAs(seen driver.Observation) bool {
	was := t.Status.Seen
	holds := !t.Spec.Shared && !t.Spec.Refused && t.Status.State != Deleting && was.Identity != "" && was.Identity != seen.Identity
	return holds && was.Lasting == seen.Lasting && maps.Equal(t.Status.Pinned, seen.Pin)
}

// lookAgain looks at a target that answered when it was last looked at, and at no further one. Those that
// did not answer are looked at in their own time: they may be those that refuse our credentials.
func (s *Service) lookAgain(ctx context.Context, t Target) (Target, error) {
	if !t.answered() {
		return t, nil
	}
	seen, observeErr := s.observe(ctx, t)
	again, err := s.claim(ctx, t, seen, observeErr)
	if fault.CodeOf(err) == fault.NotFound {
		return Target{}, nil // detached meanwhile
	}
	return again, err
}

// answered reports whether the latest look at the target ended without an error.
func (t Target) answered() bool {
	i := slices.IndexFunc(t.Status.Conditions, func(c Condition) bool { return c.Type == "Ready" })
	if i < 0 {
		return false
	}
	ready := t.Status.Conditions[i]
	return ready.OK || ready.Reason != "" && ready.Reason == t.Status.Seen.Reason
}

func sameComputer(t Target, holder []string) error {
	other := strings.Join(holder, ", ")
	return &fault.Error{
		Code: fault.Exists, Reason: "SameComputer", What: fmt.Sprintf("cannot attach compute target %q", t.Name),
		Why: fmt.Sprintf("it is the same computer as compute target %q", other),
		Fix: "use that one, detach it first, or attach this one as shared; run: zaffre compute detach " + other,
	}
}

func sameComputerAway(t Target, other, lasting string) error {
	return &fault.Error{
		Code: fault.Exists, Reason: "SameComputer", What: fmt.Sprintf("cannot attach compute target %q", t.Name),
		Why:      fmt.Sprintf("it is the same computer as compute target %q, which does not answer now: it may have another address since it was started anew", other),
		Fix:      "correct the address of that one, detach it, or attach this one as shared; run: zaffre compute detach --force " + other,
		Evidence: []string{lasting},
	}
}
