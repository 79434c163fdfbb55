package inventory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Declared is an entry of the server's configuration file.
type Declared struct {
	Request
	Place  string            // file:line
	Places map[string]string // file:line, by the name of the field
}

// Declare makes the entries of the configuration file those of the list: others that it declared before
// are taken away, and what was added by a request stays. It changes nothing where one of the list cannot
// be used: fault.Invalid, Reason "ConfigInvalid", which names the place. It takes the right over all
// workspaces.
func (s *Service) Declare(ctx context.Context, list []Declared) error {
	if err := identity.Require(ctx, identity.AllWorkspaces, identity.Owner); err != nil {
		return err
	}
	wanted := map[store.Key]string{}
	for _, d := range list {
		if err := check(d.Request); err != nil {
			return d.unusable(err)
		}
		k := d.entry().Key()
		if first, twice := wanted[k]; twice {
			return badPlace(d.Place, "the same resource ID stands at "+first)
		}
		wanted[k] = d.Place
	}
	for _, d := range list {
		if err := s.declare(ctx, d); err != nil {
			return err
		}
	}
	return s.retract(ctx, wanted)
}

func (d Declared) entry() Entry {
	return Entry{Workspace: d.Workspace, ResourceID: d.ResourceID, Source: d.Place}
}

// unusable is why the entry cannot be used, at its place. Values are in no fault of check.
func (d Declared) unusable(err error) error {
	f := fault.From(err)
	name := strings.TrimPrefix(f.Field, "settings.")
	place, why := d.Place, f.What+": "+f.Why
	if p := d.Places[name]; p != "" {
		place = p
	}
	if f.Reason == "FieldSecret" {
		why = name + " is a secret, which does not stand in the file: write " + name + "-file: FILE"
	}
	return badPlace(place, why)
}

func badPlace(place, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ConfigInvalid", What: "the configuration file cannot be used",
		Why: place + ": " + why, Fix: "correct it; run: zaffre config show", Field: "inventory",
	}
}

// declare writes one entry. What is the same already changes only its place, and tells nobody.
func (s *Service) declare(ctx context.Context, d Declared) error {
	if d.Allow == nil {
		d.Allow = []string{}
	}
	now := time.Now()
	fresh := d.entry()
	fresh.ID, fresh.CreatedBy, fresh.Created, fresh.Changed = id.New(), identity.From(ctx).Name, now, now
	old, err := s.Entries.Get(ctx, fresh.Key())
	if fault.CodeOf(err) == fault.NotFound {
		if fresh, err = s.with(ctx, fresh, d.Request); err == nil {
			err = s.Entries.Insert(ctx, fresh, fresh.emit(ctx, "inventory.added"))
		}
		_, _, err = s.changed(ctx, fresh, true, err)
		return err
	}
	if err != nil {
		return err
	}
	base := old
	base.Settings, base.Sealed, base.ResourceID, base.Source = nil, nil, d.ResourceID, d.Place
	next, err := s.with(ctx, base, d.Request)
	if err != nil {
		return err
	}
	same := s.same(ctx, old, next)
	if same {
		next.Sealed = old.Sealed
	} else {
		next.Changed = now
	}
	_, err = s.Entries.Update(ctx, fresh.Key(), func(e *Entry) ([]store.Effect, error) {
		if *e = next; same {
			return nil, nil
		}
		return []store.Effect{e.emit(ctx, "inventory.changed")}, nil
	})
	if err != nil || same {
		return err
	}
	_, _, err = s.changed(ctx, next, false, nil)
	return err
}

// retract takes away the entries of earlier files that are not wanted.
func (s *Service) retract(ctx context.Context, wanted map[store.Key]string) error {
	for page := (store.Page{Limit: 1000}); ; {
		list, next, err := s.Entries.List(ctx, Filter{}, page)
		if err != nil {
			return err
		}
		for _, e := range list {
			if _, is := wanted[e.Key()]; is || e.Source == "" {
				continue
			}
			err := s.Entries.Delete(ctx, e.Key(), e.emit(ctx, "inventory.removed"))
			if _, _, err = s.changed(ctx, e, false, err); err != nil {
				return fmt.Errorf("take the entry of %s away: %w", e.Source, err)
			}
		}
		if page.Cursor = next; next == "" {
			return nil
		}
	}
}
