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
	// Changed is told which resource ID means something else from now on; nil: nobody.
	Changed func(ctx context.Context, workspace, resourceID string)
}

// Service keeps inventories, one per workspace. Its methods may be called from several goroutines.
type Service struct{ Config }

// New returns a Service.
func New(c Config) *Service { return &Service{c} }

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

// Get returns an entry; fault.NotFound, Reason "ResourceNotFound".
func (s *Service) Get(ctx context.Context, workspace, resourceID string) (Entry, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return Entry{}, err
	}
	if _, err := id.ParseResource(resourceID); err != nil {
		return Entry{}, err
	}
	e, err := s.Entries.Get(ctx, Entry{Workspace: workspace, ResourceID: resourceID}.Key())
	if fault.CodeOf(err) == fault.NotFound {
		return e, &fault.Error{
			Code: fault.NotFound, Reason: "ResourceNotFound", What: fmt.Sprintf("the inventory has no entry for %q", resourceID),
			Why: "nobody added it to workspace " + workspace, Fix: "run: zaffre inventory list", Field: "resourceId",
		}
	}
	return e, err
}

// List returns the entries of a workspace. Their secrets stay sealed.
func (s *Service) List(ctx context.Context, workspace string, p store.Page) ([]Entry, string, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.Entries.List(ctx, Filter{Workspace: workspace}, p)
}

// Remove takes an entry away. One that is not there is no error. It takes an Owner. Targets that stand on
// it cannot be reached from then on.
func (s *Service) Remove(ctx context.Context, workspace, resourceID string) error {
	what := fmt.Sprintf("cannot remove %q from the inventory", resourceID)
	if err := identity.Require(ctx, workspace, identity.Owner); err != nil {
		return fault.Doing(what, err)
	}
	if _, err := id.ParseResource(resourceID); err != nil {
		return fault.Doing(what, err)
	}
	e := Entry{Workspace: workspace, ResourceID: resourceID}
	_, _, err := s.changed(ctx, e, false, s.Entries.Delete(ctx, e.Key(), e.emit(ctx, "inventory.removed")))
	return fault.Doing(what, err)
}

// Resolve returns what stands behind a resource ID, secrets opened, to a caller who may use the entry. It
// fails with fault.Precondition, Reason "ResourceUnknown", which says what was tried, and with
// fault.Denied, Reason "ResourceDenied".
func (s *Service) Resolve(ctx context.Context, workspace, resourceID string) (Thing, error) {
	e, err := s.Get(identity.System(ctx), workspace, resourceID)
	if fault.CodeOf(err) == fault.NotFound {
		return Thing{}, unknown(workspace, resourceID)
	}
	if err != nil {
		return Thing{}, err
	}
	if caller := identity.From(ctx); !e.permits(caller) {
		return Thing{}, e.denied(caller)
	}
	t := Thing{ID: e.ID, Revision: e.Changed.UnixMicro(), Options: map[string]any{}, Secrets: map[string]string{}}
	for name, text := range e.Settings {
		f, err := fieldNamed(name)
		if err != nil {
			continue // a newer zaffre wrote it
		}
		if t.Options[f.path], err = f.value(text); err != nil {
			return Thing{}, err
		}
	}
	for name := range e.Sealed {
		f, err := fieldNamed(name)
		if err != nil {
			continue
		}
		if t.Secrets[f.path], err = s.open(ctx, e, name); err != nil {
			return Thing{}, err
		}
	}
	return t, nil
}

func unknown(workspace, resourceID string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ResourceUnknown", What: fmt.Sprintf("nothing says what stands behind %q", resourceID),
		Why: fmt.Sprintf("the request gives no address, the inventory of workspace %q has no entry for this resource ID, and this server asks no real Azure", workspace),
		Fix: "give an address, or add an entry; run: zaffre inventory add " + quote(resourceID) + " address=ADDRESS", Field: "options.resourceId",
	}
}

func (e Entry) denied(c identity.Caller) error {
	return &fault.Error{
		Code: fault.Denied, Reason: "ResourceDenied", What: fmt.Sprintf("%q may not use the inventory entry of %q", c.Name, e.ResourceID),
		Why: "it is for " + strings.Join(e.Allowed(), ", ") + " and for owners",
		Fix: "ask an owner for the right; they run: zaffre inventory add --allow NAME " + quote(e.ResourceID), Field: "options.resourceId",
	}
}

// Allowed returns who may use the entry, besides owners.
func (e Entry) Allowed() []string {
	if len(e.Allow) == 0 {
		return []string{string(identity.Contributor)}
	}
	return e.Allow
}

// quote makes one word of a shell of it.
func quote(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("-_./:", r) && !isWord(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func (e Entry) emit(ctx context.Context, typ string) store.Effect {
	return store.Emit{
		Workspace: e.Workspace, Subject: "inventory/" + e.Key().Name, Type: typ, Actor: identity.From(ctx).Name,
		Data: map[string]string{"fields": strings.Join(slices.Sorted(maps.Keys(e.Settings)), ","), "allow": strings.Join(e.Allow, ",")},
	}
}
