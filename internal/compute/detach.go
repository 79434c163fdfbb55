package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// DetachOptions says how to detach.
type DetachOptions struct {
	Force  bool // though runs are active, or the machine does not answer
	Leave  bool // though the machine does not answer: what is on it stays
	DryRun bool // only say what would go
}

const (
	cleanWithin = time.Minute
	// tryWithin is for a target that was never seen well: nothing should be on it.
	tryWithin = 5 * time.Second
	// resumeAfter is when the reconciler finishes a detach whose request died.
	resumeAfter = 2 * cleanWithin
)

// Detach takes a target out of its workspace and what zaffre left on it away; the machine stays. It
// returns what was removed, or would be. A target that is not there is no error: it was detached.
func (s *Service) Detach(ctx context.Context, k store.Key, o DetachOptions) ([]driver.Item, error) {
	what := fmt.Sprintf("cannot detach compute target %q", k.Name)
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return nil, fault.Doing(what, err)
	}
	t, err := s.Get(ctx, k)
	if err != nil {
		return nil, err
	}
	if t.Spec.Made && !t.Spec.Refused {
		return nil, fault.Doing(what, undetachable(t))
	}
	if err := s.checkUnused(ctx, t, o); err != nil {
		return nil, fault.Doing(what, err)
	}
	if o.DryRun {
		items, err := s.clean(ctx, t, true)
		if fault.CodeOf(err) == fault.Unavailable && len(items) > 0 {
			err = nil // where nobody answers, the driver says what would be there
		}
		return items, fault.Doing(what, err)
	}
	t, err = s.Targets.Update(ctx, k, func(t *Target) ([]store.Effect, error) {
		t.Status.State, t.Status.Force, t.Status.Changed = Deleting, o.Force || o.Leave, time.Now()
		return []store.Effect{store.Wake{Kind: WorkKind, ID: k.String(), At: time.Now().Add(resumeAfter)}}, nil
	})
	if err != nil {
		return nil, fault.Doing(what, err)
	}
	items, err := s.remove(context.WithoutCancel(ctx), t, t.Status.Force)
	return items, fault.Doing(what, err)
}

func (s *Service) checkUnused(ctx context.Context, t Target, o DetachOptions) error {
	if t.Workspace == store.Global {
		return &fault.Error{
			Code: fault.Invalid, Reason: "TargetImplicit", What: "this target is not detached",
			Why: "the machine of the server is always there", Fix: "run: zaffre compute list",
		}
	}
	if o.Force || o.DryRun {
		return nil
	}
	if err := s.checkAlone(ctx, t); err != nil || s.InUse == nil {
		return err
	}
	n, err := s.InUse(ctx, t.Key())
	if err != nil || n == 0 {
		return err
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "RunsActive", What: "the compute target is in use",
		Why: fmt.Sprintf("%d of its runs have not ended", n),
		Fix: "wait for them, cancel them, or end them with --force; run: zaffre run list --active --compute " + t.Name,
	}
}

// checkAlone fails where other targets stand on t, by their options or by what the inventory said of them.
func (s *Service) checkAlone(ctx context.Context, t Target) error {
	var names []string
	for page := (store.Page{Limit: 1000}); ; {
		list, next, err := s.Targets.List(ctx, Filter{Workspace: t.Workspace}, page)
		if err != nil {
			return err
		}
		for _, other := range list {
			if s.standsOnTarget(other, t.Key()) {
				names = append(names, other.Name)
			}
		}
		if page.Cursor = next; next == "" {
			break
		}
	}
	if len(names) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "TargetNeeded", What: "the compute target is in use",
		Why: "other targets stand on it: " + strings.Join(names, ", "),
		Fix: "detach them first, or detach it all the same with --force; run: zaffre compute detach " + names[0],
	}
}

func (s *Service) standsOnTarget(t Target, k store.Key) bool {
	kind, err := s.Kind(t.Kind)
	if err != nil {
		return false
	}
	for _, keys := range references(kind, t) {
		if slices.Contains(keys, k) {
			return true
		}
	}
	return false
}

// remove cleans the target and drops its record. A machine that does not answer keeps what is on
// it only if the user forces that; otherwise the target goes back to where it was.
func (s *Service) remove(ctx context.Context, t Target, force bool) ([]driver.Item, error) {
	items, err := s.clean(ctx, t, false)
	if err != nil && !force {
		return items, s.refuse(ctx, t, err)
	}
	if err != nil {
		s.Log.WarnContext(ctx, "a target is detached, and what is on its machine stays", "compute", t.Name, "items", items, "err", err)
	}
	return items, s.drop(ctx, t, "compute.detached")
}

// drop takes the record away.
func (s *Service) drop(ctx context.Context, t Target, event string) error {
	s.conns.forget(t.ID)
	effects := append(freeOrphans(t), store.Free{Space: identitySpace(t), Holder: t.Name}, emit(ctx, t, event),
		store.Wake{Kind: PlacementKind, ID: t.Key().String()})
	return s.Targets.Delete(ctx, t.Key(), effects...)
}

func (s *Service) refuse(ctx context.Context, t Target, cause error) error {
	_, err := s.Targets.Update(ctx, t.Key(), func(t *Target) ([]store.Effect, error) {
		if t.Status.State == Deleting {
			t.Status.State, t.Status.Changed = Succeeded, time.Now()
			if t.Status.Error != nil {
				t.Status.State = Failed
			}
		}
		return []store.Effect{wake(*t)}, nil
	})
	if err != nil {
		return err
	}
	f := *fault.From(cause)
	verb := "detach"
	if t.Spec.Made {
		verb = "delete"
	}
	f.Fix = "make it answer, or leave what is on it; run: zaffre compute " + verb + " --force " + t.Name
	return &f
}

func (s *Service) clean(ctx context.Context, t Target, dryRun bool) (items []driver.Item, err error) {
	if t.Spec.Refused {
		return nil, nil // nothing was ever done there
	}
	within := cleanWithin
	if !t.seenWell() {
		within = tryWithin
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, context.DeadlineExceeded)
	defer cancel()
	err = patiently(ctx, func() error {
		var some []driver.Item
		err := s.use(ctx, t, func(c driver.Conn) error {
			cleaner, err := driver.As[driver.Cleaner](c)
			if err != nil {
				return nil // a kind that leaves nothing has nothing to clean
			}
			some, err = cleaner.Clean(ctx, dryRun)
			return err
		})
		items = append(slices.DeleteFunc(items, func(i driver.Item) bool { return !i.Removed }), some...)
		return err
	})
	if err != nil && !t.seenWell() {
		return nil, nil // no run was ever placed on it, so it holds nothing of ours
	}
	return items, err
}

// seenWell reports whether a preflight of t ever passed: see keepSeen.
func (t Target) seenWell() bool {
	return t.Status.Seen.Identity != "" || len(t.Status.Seen.Machines) > 0
}
