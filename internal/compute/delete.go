package compute

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
	"github.com/zaffre-ml/zaffre/internal/store"
)

const (
	unmakeWithin = 30 * time.Second // one attempt
	unmakeEvery  = time.Second      // while it goes
)

// Delete takes a target that zaffre made away, and what it stands for with all that is in it. It returns what goes,
// or would: where an item is not removed yet, the target is Deleting until it is, and its condition "Deleted" says
// what is left. Where the engine does not answer it is refused, unless forced: then only the record goes. A target
// that was attached is fault.Unsupported, Reason "DeleteUnsupported".
func (s *Service) Delete(ctx context.Context, k store.Key, o DetachOptions) ([]driver.Item, error) {
	what := fmt.Sprintf("cannot delete compute target %q", k.Name)
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return nil, fault.Doing(what, err)
	}
	t, err := s.Get(ctx, k)
	if err != nil {
		return nil, err
	}
	if !t.Spec.Made && !t.Spec.Refused {
		return nil, fault.Doing(what, undeletable(t))
	}
	if err := s.checkUnused(ctx, t, o); err != nil {
		return nil, fault.Doing(what, err)
	}
	if o.DryRun {
		items, err := s.unmake(ctx, t, true)
		return items, fault.Doing(what, err)
	}
	begun := t.Status.State == Deleting
	t, err = s.Targets.Update(ctx, k, func(t *Target) ([]store.Effect, error) {
		if t.Status.State != Deleting {
			t.Status.State, t.Status.Changed = Deleting, time.Now()
		}
		t.Status.Force = o.Force
		return []store.Effect{store.Wake{Kind: WorkKind, ID: k.String(), At: time.Now().Add(resumeAfter)}}, nil
	})
	if err != nil {
		return nil, fault.Doing(what, err)
	}
	items, _, err := s.unmakeOnce(context.WithoutCancel(ctx), t, begun)
	return items, fault.Doing(what, err)
}

// unmakeOn goes on with a target that is Deleting. It was begun: what the engine refuses now is tried again.
func (s *Service) unmakeOn(ctx context.Context, t Target) (reconcile.Result, error) {
	_, gone, err := s.unmakeOnce(ctx, t, true)
	switch {
	case gone:
		return reconcile.Result{}, err
	case err != nil:
		return reconcile.Result{After: observeSoon}, nil // its condition says why
	}
	return reconcile.Result{After: unmakeEvery}, nil
}

func (s *Service) unmakeOnce(ctx context.Context, t Target, begun bool) (items []driver.Item, gone bool, err error) {
	items, err = s.unmake(ctx, t, false)
	switch {
	case err != nil && t.Status.Force:
		s.Log.WarnContext(ctx, "a target is deleted, and what was made for it stays", "compute", t.Name, "items", items, "err", err)
	case err != nil && !begun:
		return items, false, s.refuse(ctx, t, err)
	case err != nil:
		_ = s.noteLeft(ctx, t, fault.ReasonOf(err), fault.From(err).Why)
		return items, false, err
	case len(left(items)) > 0:
		return items, false, s.noteLeft(ctx, t, "Deleting", "these are being deleted: "+strings.Join(left(items), ", "))
	}
	return items, true, s.drop(ctx, t, "compute.deleted")
}

// unmake has the driver take away what it made. Where making was never begun, nothing is there.
func (s *Service) unmake(ctx context.Context, t Target, dryRun bool) (items []driver.Item, err error) {
	if t.Spec.Refused || !t.Status.Made {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, unmakeWithin, context.DeadlineExceeded)
	defer cancel()
	err = s.use(ctx, t, func(c driver.Conn) error {
		p, err := driver.As[driver.Provisioner](c)
		if err == nil {
			items, err = p.Delete(ctx, dryRun)
		}
		return err
	})
	return items, err
}

func left(items []driver.Item) (names []string) {
	for _, i := range items {
		if !i.Removed {
			names = append(names, i.Type+" "+i.Name)
		}
	}
	return names
}

// noteLeft says in the record what is left of a target that goes, and has it looked at again.
func (s *Service) noteLeft(ctx context.Context, t Target, reason, message string) error {
	_, err := s.Targets.Update(ctx, t.Key(), func(t *Target) ([]store.Effect, error) {
		t.setCondition(Condition{Type: "Deleted", Reason: reason, Message: message, Since: time.Now()})
		return []store.Effect{store.Wake{Kind: WorkKind, ID: t.Key().String(), At: time.Now().Add(unmakeEvery)}}, nil
	})
	return err
}

func undeletable(t Target) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "DeleteUnsupported", What: fmt.Sprintf("cannot delete compute target %q", t.Name),
		Why: "the machine behind it was there before, and zaffre does not delete what it did not make",
		Fix: "detach it; run: zaffre compute detach " + t.Name,
	}
}

func undetachable(t Target) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "DetachUnsupported", What: fmt.Sprintf("cannot detach compute target %q", t.Name),
		Why: "zaffre made what it stands for, and nobody would find that any more",
		Fix: "delete it, with all that is in it; run: zaffre compute delete " + t.Name,
	}
}
