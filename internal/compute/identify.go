package compute

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// Identify shows who answers where a target is to be attached: what a user agrees to before a password
// goes there. It keeps nothing, and uses no credential of the target's own, given or from the inventory.
// It takes what Attach takes, and fails where that would be refused, or where nobody proves who it is:
// fault.Unsupported, Reason "CapabilityMissing", where targets of the kind prove nothing.
func (s *Service) Identify(ctx context.Context, q AttachRequest) (driver.Observation, error) {
	o, err := s.identify(ctx, q)
	return o, fault.Doing(fmt.Sprintf("cannot attach compute target %q", q.Name), err)
}

func (s *Service) identify(ctx context.Context, q AttachRequest) (o driver.Observation, err error) {
	if err := s.checkAttach(ctx, q); err != nil {
		return o, err
	}
	kind, err := s.Kind(q.Kind)
	if err != nil {
		return o, err
	}
	t := Target{
		Workspace: q.Workspace, Name: q.Name, ID: id.New(), Kind: q.Kind, Revision: 1, Status: Status{Pinned: q.Pin},
		Spec: Spec{By: byOf(ctx, q.Workspace)},
	}
	if err := s.setOptions(ctx, kind, &t, public(kind, q.Options), true); err != nil {
		return o, err
	}
	whole, _, err := s.stands(ctx, kind, t)
	if err != nil {
		return o, err
	}
	if err := s.permitBelow(ctx, kind, whole); err != nil {
		return o, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, observeWithin, context.DeadlineExceeded)
	defer cancel()
	defer s.conns.forget(t.ID)
	err = s.Use(ctx, t, func(c driver.Conn) error {
		who, err := driver.As[driver.Identifier](c)
		if err == nil {
			o, err = who.Identify(ctx)
		}
		return err
	})
	if o.Observed.IsZero() {
		o.Observed = time.Now()
	}
	return o, t.notYet(err)
}

// public returns the options that are no secrets.
func public(kind driver.Kind, options map[string]any) map[string]any {
	out := maps.Clone(options)
	for _, o := range kind.Options {
		if o.Secret {
			delete(out, o.Path)
		}
	}
	return out
}

// notYet tells to attach the target with other settings, where a driver tells to update it.
func (t Target) notYet(err error) error {
	e := fault.From(err)
	if e == nil {
		return nil
	}
	c := *e
	for _, verb := range []string{"update ", "check "} {
		c.Fix = strings.ReplaceAll(c.Fix, "zaffre compute "+verb+t.Name, "zaffre compute attach "+t.Kind+" "+t.Name)
	}
	return &c
}
