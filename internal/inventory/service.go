package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Config is what a Service stands on.
type Config struct {
	Entries Store
	Box     secret.Box
	// Azure is asked what stands behind the resource IDs that have no entry; nil: nobody is.
	Azure Azure
	// Changed is told which resource ID means something else from now on; nil: nobody.
	Changed func(ctx context.Context, workspace, resourceID string)
}

// Service keeps inventories, one per workspace. Its methods may be called from several goroutines.
type Service struct {
	Config
	answers *answers
}

// New returns a Service.
func New(c Config) *Service { return &Service{c, newAnswers(c.Azure)} }

// Request asks for an entry. A field whose value is empty goes; fields that it does not name stay as
// they are. Allow nil keeps who may use the entry.
type Request struct {
	Workspace, ResourceID string
	Settings, Secrets     map[string]string // by the name of the field
	Allow                 []string
}

// Add makes an entry (created), or changes the one of that resource ID. The same again changes nothing.
// It takes an Owner: who says what an ID means gets the credentials that scripts send there.
func (s *Service) Add(ctx context.Context, q Request) (e Entry, created bool, err error) {
	what := fmt.Sprintf("cannot add %q to the inventory", q.ResourceID)
	e, created, err = s.add(ctx, q)
	if err != nil {
		return Entry{}, false, fault.Doing(what, err)
	}
	return e, created, nil
}

func (s *Service) add(ctx context.Context, q Request) (Entry, bool, error) {
	if err := identity.Require(ctx, q.Workspace, identity.Owner); err != nil {
		return Entry{}, false, err
	}
	if err := check(q); err != nil {
		return Entry{}, false, err
	}
	if err := s.checkOfFile(ctx, q.Workspace, q.ResourceID); err != nil {
		return Entry{}, false, err
	}
	now := time.Now()
	fresh := Entry{
		Workspace: q.Workspace, ResourceID: q.ResourceID, ID: id.New(),
		CreatedBy: identity.From(ctx).Name, Created: now, Changed: now,
	}
	old, err := s.Entries.Get(ctx, fresh.Key())
	if fault.CodeOf(err) == fault.NotFound {
		if fresh, err = s.with(ctx, fresh, q); err != nil {
			return Entry{}, false, err
		}
		err = s.Entries.Insert(ctx, fresh, fresh.emit(ctx, "inventory.added"))
		if fault.CodeOf(err) != fault.Exists {
			return s.changed(ctx, fresh, err == nil, err)
		}
		old, err = s.Entries.Get(ctx, fresh.Key()) // somebody was faster
	}
	if err != nil {
		return Entry{}, false, err
	}
	return s.change(ctx, old, q)
}

// checkOfFile fails where the configuration file says what stands behind the resource ID.
func (s *Service) checkOfFile(ctx context.Context, workspace, resourceID string) error {
	e, err := s.Entries.Get(ctx, Entry{Workspace: workspace, ResourceID: resourceID, Source: anyFile}.Key())
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "EntryOfFile", What: fmt.Sprintf("the inventory entry of %q does not change here", resourceID),
		Why: "it stands in the server's configuration file: " + e.Source, Field: "resourceId",
		Fix: "change it there, and start the server again; run: zaffre config show",
	}
}

func check(q Request) error {
	r, err := id.ParseResource(q.ResourceID)
	if err != nil {
		return err
	}
	if r.Type() == "" {
		return &fault.Error{
			Code: fault.Invalid, Reason: "ResourceIDInvalid", What: fmt.Sprintf("%q is the ID of no machine or service", q.ResourceID),
			Why: "it names a subscription or a resource group", Field: "resourceId",
			Fix: "use the form /subscriptions/<ID>/resourceGroups/<group>/providers/<namespace>/<type>/<name>",
		}
	}
	if err := checkFields(q.Settings, false); err != nil {
		return err
	}
	if err := checkFields(q.Secrets, true); err != nil {
		return err
	}
	for _, who := range q.Allow {
		if err := id.CheckName("allow", who); err != nil {
			return err
		}
	}
	return nil
}

// checkFields reports why values cannot be kept; sealed says which of the two kinds they are.
func checkFields(values map[string]string, sealed bool) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f, err := fieldNamed(name)
		switch {
		case err != nil:
		case f.secret && !sealed:
			err = fieldFault(name, "FieldSecret", "it is a secret: it must be sent, and is kept, as one")
		case !f.secret && sealed:
			err = fieldFault(name, "FieldInvalid", "it is no secret: it must be sent among the settings")
		case values[name] != "":
			err = f.check(values[name])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// with returns e with what the request sets.
func (s *Service) with(ctx context.Context, e Entry, q Request) (Entry, error) {
	e.Settings, e.Sealed = maps.Clone(e.Settings), maps.Clone(e.Sealed)
	for name, v := range q.Settings {
		delete(e.Settings, name)
		if v != "" {
			e.Settings = put(e.Settings, name, v)
		}
	}
	for name, v := range q.Secrets {
		delete(e.Sealed, name)
		if v == "" {
			continue
		}
		sealed, err := s.Box.Seal(ctx, []byte(v), e.SecretPlace(name))
		if err != nil {
			return e, err
		}
		e.Sealed = put(e.Sealed, name, sealed)
	}
	if q.Allow != nil {
		e.Allow = slices.Compact(slices.Sorted(slices.Values(q.Allow)))
	}
	return e, nil
}

func put[V any](m map[string]V, name string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[name] = v
	return m
}

func (s *Service) change(ctx context.Context, old Entry, q Request) (Entry, bool, error) {
	next, err := s.with(ctx, old, q)
	if err != nil || s.same(ctx, old, next) {
		return old, false, err
	}
	next.Changed = time.Now()
	e, err := s.Entries.Update(ctx, old.Key(), func(e *Entry) ([]store.Effect, error) {
		if e.ID != old.ID || !e.Changed.Equal(old.Changed) {
			return nil, &fault.Error{
				Code: fault.Conflict, Reason: "EntryChanged", What: "the inventory entry was not changed",
				Why: "somebody else changed it meanwhile", Fix: "look at it, and try again; run: zaffre inventory list",
			}
		}
		*e = next
		return []store.Effect{e.emit(ctx, "inventory.changed")}, nil
	})
	return s.changed(ctx, e, false, err)
}

// same reports whether two states of an entry say the same, secrets opened.
func (s *Service) same(ctx context.Context, a, b Entry) bool {
	if !maps.Equal(a.Settings, b.Settings) || !slices.Equal(a.Allow, b.Allow) || len(a.Sealed) != len(b.Sealed) {
		return false
	}
	for name := range a.Sealed {
		x, errX := s.open(ctx, a, name)
		y, errY := s.open(ctx, b, name)
		if errX != nil || errY != nil || x != y {
			return false
		}
	}
	return true
}

func (s *Service) open(ctx context.Context, e Entry, name string) (string, error) {
	plain, err := s.Box.Open(ctx, e.Sealed[name], e.SecretPlace(name))
	return string(plain), err
}

// changed tells of a change that was written.
func (s *Service) changed(ctx context.Context, e Entry, created bool, err error) (Entry, bool, error) {
	if err == nil && s.Changed != nil {
		s.Changed(context.WithoutCancel(ctx), e.Workspace, e.ResourceID)
	}
	return e, created, err
}

// inForce returns the entry that counts: that of the configuration file, else the one that was added.
func (s *Service) inForce(ctx context.Context, workspace, resourceID string) (Entry, error) {
	e, err := s.Entries.Get(ctx, Entry{Workspace: workspace, ResourceID: resourceID, Source: anyFile}.Key())
	if fault.CodeOf(err) == fault.NotFound {
		e, err = s.Entries.Get(ctx, Entry{Workspace: workspace, ResourceID: resourceID}.Key())
	}
	return e, err
}

// Get returns the entry that counts for a resource ID; fault.NotFound, Reason "ResourceNotFound".
func (s *Service) Get(ctx context.Context, workspace, resourceID string) (Entry, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return Entry{}, err
	}
	if _, err := id.ParseResource(resourceID); err != nil {
		return Entry{}, err
	}
	e, err := s.inForce(ctx, workspace, resourceID)
	if fault.CodeOf(err) == fault.NotFound {
		return e, &fault.Error{
			Code: fault.NotFound, Reason: "ResourceNotFound", What: fmt.Sprintf("the inventory has no entry for %q", resourceID),
			Why: "nobody added it to workspace " + workspace, Fix: "run: zaffre inventory list", Field: "resourceId",
		}
	}
	return e, err
}

// List returns the entries of a workspace. Their secrets stay sealed. One of the configuration file comes
// beside the one that was added for the same resource ID, which does not count as long.
func (s *Service) List(ctx context.Context, workspace string, p store.Page) ([]Entry, string, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.Entries.List(ctx, Filter{Workspace: workspace}, p)
}

// Remove takes an entry away. One that is not there is no error. It takes an Owner. Targets that stand on
// it cannot be reached from then on. One of the configuration file stays: fault.Precondition, Reason
// "EntryOfFile".
func (s *Service) Remove(ctx context.Context, workspace, resourceID string) error {
	what := fmt.Sprintf("cannot remove %q from the inventory", resourceID)
	if err := identity.Require(ctx, workspace, identity.Owner); err != nil {
		return fault.Doing(what, err)
	}
	if _, err := id.ParseResource(resourceID); err != nil {
		return fault.Doing(what, err)
	}
	e := Entry{Workspace: workspace, ResourceID: resourceID}
	if _, err := s.Entries.Get(ctx, e.Key()); fault.CodeOf(err) == fault.NotFound {
		return fault.Doing(what, s.checkOfFile(ctx, workspace, resourceID))
	}
	_, _, err := s.changed(ctx, e, false, s.Entries.Delete(ctx, e.Key(), e.emit(ctx, "inventory.removed")))
	return fault.Doing(what, err)
}

func (e Entry) emit(ctx context.Context, typ string) store.Effect {
	return store.Emit{
		Workspace: e.Workspace, Subject: "inventory/" + keyOf(e.ResourceID), Type: typ, Actor: identity.From(ctx).Name,
		Data: map[string]string{"fields": strings.Join(slices.Sorted(maps.Keys(e.Settings)), ","), "allow": strings.Join(e.Allow, ",")},
	}
}
