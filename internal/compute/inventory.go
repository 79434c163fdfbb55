package compute

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Inventory says what stands behind resource IDs.
type Inventory interface {
	// Resolve fails with fault.Precondition, Reason "ResourceUnknown", and with fault.Denied, Reason
	// "ResourceDenied", where the caller may not use what there is.
	Resolve(ctx context.Context, workspace, resourceID string) (inventory.Thing, error)
}

// optResource is the option of every kind that takes a resource ID.
// Source: ARM, properties.resourceId of Microsoft.MachineLearningServices/workspaces/computes.
const optResource = "resourceId"

// resourceOf returns the resource ID that says where the target is: "" where the target's own options
// do, which win.
func (s *Service) resourceOf(t Target) string {
	resource, _ := t.Spec.Options[optResource].(string)
	if s.Inventory == nil || inventory.Names(t.Spec.Options) {
		return ""
	}
	return resource
}

// stands returns the target with all options that it stands on, its own and the inventory's, and its
// secrets, opened. The caller must have the right to what it takes of the inventory.
func (s *Service) stands(ctx context.Context, kind driver.Kind, t Target) (Target, map[string]string, error) {
	secrets := map[string]string{}
	for path, sealed := range t.Spec.Sealed {
		plain, err := s.Box.Open(ctx, sealed, t.SecretPlace(path))
		if err != nil {
			return t, nil, err
		}
		secrets[path] = string(plain)
	}
	resource := s.resourceOf(t)
	if resource == "" {
		return t, secrets, nil
	}
	thing, err := s.Inventory.Resolve(ctx, t.Workspace, resource)
	if err != nil {
		return t, nil, err
	}
	beside := takeBeside(kind, secrets)
	t.Spec.Options, secrets = thing.Fill(t.Spec.Options, secrets, known(kind))
	maps.Copy(secrets, beside)
	t.Status.Found = nil // all is in Spec now
	return t, secrets, nil
}

// permit fails unless the caller may use all that the request takes of the inventory, and all that the
// kind needs is there.
func (s *Service) permit(ctx context.Context, kind driver.Kind, t Target) error {
	whole, secrets, err := s.stands(ctx, kind, t)
	if err != nil {
		return err
	}
	if err := s.permitBelow(ctx, kind, whole); err != nil {
		return err
	}
	return required(kind, whole.Spec.Options, secrets)
}

// permitBelow fails unless the caller may use the entries of the inventory that the target stands on. whole has
// what its own entry says of it.
func (s *Service) permitBelow(ctx context.Context, kind driver.Kind, whole Target) error {
	for _, keys := range references(kind, whole) {
		for _, k := range keys {
			if !isResource(k) {
				continue
			}
			if _, _, err := s.entryTarget(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func isResource(k store.Key) bool { return strings.HasPrefix(k.Name, "/") }

// entryTarget returns the jump host behind a resource ID as a target of its own, which is in no list.
// Nothing keeps what was seen of it, so that its entry must say which host key it has.
func (s *Service) entryTarget(ctx context.Context, k store.Key) (Target, driver.Kind, error) {
	r, err := id.ParseResource(k.Name)
	if err != nil {
		return Target{}, driver.Kind{}, err
	}
	kind, err := s.hostKind(r)
	if err != nil {
		return Target{}, kind, err
	}
	if s.Inventory == nil {
		return Target{}, kind, noJumpHost(k.Name, "this server has no inventory", "give the name of a compute target; run: zaffre compute list")
	}
	thing, err := s.Inventory.Resolve(ctx, k.Workspace, k.Name)
	if err != nil {
		return Target{}, kind, err
	}
	if thing.Options["hostKey"] == nil {
		return Target{}, kind, noJumpHost(k.Name, "its inventory entry does not say which host key it has",
			"say it, as ssh-keyscan and ssh-keygen -l show it; run: zaffre inventory add "+k.Name+" hostKey=SHA256:FINGERPRINT")
	}
	return Target{
		Workspace: k.Workspace, Name: k.Name, ID: "inv-" + thing.ID, Kind: kind.Name, Revision: thing.Revision,
		Spec: Spec{Options: map[string]any{optResource: k.Name}, By: byOf(ctx, k.Workspace)},
	}, kind, nil
}

func (s *Service) hostKind(r id.Resource) (driver.Kind, error) {
	for _, k := range s.Kinds {
		if driver.Can[driver.Host](k) && slices.ContainsFunc(k.ResourceTypes, r.IsType) {
			return k, nil
		}
	}
	return driver.Kind{}, noJumpHost(r.String(), "it is of the type "+r.Type()+", and no kind of this server reaches machines by that", "give the resource ID of a virtual machine, or the name of a compute target; run: zaffre compute list")
}

func noJumpHost(resource, why, fix string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "JumpHostUnusable", What: fmt.Sprintf("cannot go through %q", resource), Why: why, Fix: fix, Field: "options.via",
	}
}

// byOf returns who says what a target is.
func byOf(ctx context.Context, workspace string) By {
	c := identity.From(ctx)
	return By{c.Name, c.RoleIn(workspace)}
}

// as returns a context of whoever said what the target is, with the role that came with it: using an entry
// needs a right, and an entry may lose it. What an older zaffre recorded has the least that attaching takes.
func (t Target) as(ctx context.Context) context.Context {
	by := t.Spec.By
	if by.Name == "" {
		by = By{t.CreatedBy, identity.Contributor}
	}
	return identity.With(ctx, identity.Caller{Name: by.Name, Roles: map[string]identity.Role{t.Workspace: by.Role}})
}

// lookUp is the check "inventory" of a target that stands on entries: its own, and those of its hosts.
// found are the options that its own says, without secrets.
func (s *Service) lookUp(ctx context.Context, t Target) (checks []driver.Check, found map[string]any, err error) {
	kind, err := s.Kind(t.Kind)
	if err != nil {
		return nil, nil, err
	}
	t.Status.Found = nil
	if own := s.resourceOf(t); own != "" {
		thing, c, err := s.lookUpOne(ctx, t, own)
		if checks = append(checks, c); err != nil {
			return checks, nil, err
		}
		found = t.found(kind, thing)
		t.Status.Found = found
	}
	for _, keys := range references(kind, t) {
		for _, k := range keys {
			if s.Inventory == nil || !isResource(k) {
				continue
			}
			_, c, err := s.lookUpOne(ctx, t, k.Name)
			if checks = append(checks, c); err != nil {
				return checks, nil, err
			}
		}
	}
	return checks, found, nil
}

// lookUpOne asks for one resource ID, with the right of whoever said what the target is.
func (s *Service) lookUpOne(ctx context.Context, t Target, resource string) (inventory.Thing, driver.Check, error) {
	begin := time.Now()
	thing, err := s.Inventory.Resolve(t.as(ctx), t.Workspace, resource)
	c := driver.Check{Name: "inventory", Required: true, OK: err == nil, Duration: time.Since(begin), Evidence: []string{resource}}
	if f := fault.From(err); f != nil {
		c.Reason, c.Fix, c.Evidence = f.Reason, f.Fix, append(c.Evidence, f.Why)
		return thing, c, err
	}
	c.Evidence = append(c.Evidence, "found in: "+thing.Source)
	return thing, c, nil
}

// found returns the options that a thing adds to the target's own, or puts in their place.
func (t Target) found(kind driver.Kind, thing inventory.Thing) map[string]any {
	given := map[string]string{}
	for path := range t.Spec.Sealed {
		given[path] = "given" // only that there is one counts
	}
	takeBeside(kind, given)
	whole, _ := thing.Fill(t.Spec.Options, given, known(kind))
	maps.DeleteFunc(whole, func(path string, v any) bool { return sameValue(v, t.Spec.Options[path]) })
	return whole
}

// takeBeside takes the secrets that do not open the target out of the others.
func takeBeside(kind driver.Kind, secrets map[string]string) map[string]string {
	out := map[string]string{}
	for _, o := range kind.Options {
		if v, given := secrets[o.Path]; given && o.Beside {
			out[o.Path] = v
			delete(secrets, o.Path)
		}
	}
	return out
}

// known has the paths of all options of a kind.
func known(kind driver.Kind) map[string]bool {
	out := map[string]bool{}
	for _, o := range kind.Options {
		out[o.Path] = true
	}
	return out
}

// Reconsider has the targets looked at anew that stand on a resource ID, as new revisions: it means
// something else now. It goes on where one cannot be changed.
func (s *Service) Reconsider(ctx context.Context, workspace, resourceID string) {
	ctx = identity.System(ctx)
	for page := (store.Page{Limit: 1000}); ; {
		list, next, err := s.Targets.List(ctx, Filter{Workspace: workspace}, page)
		for _, t := range list {
			if s.standsOn(t, resourceID) {
				err = s.renew(ctx, t)
			}
			if err != nil {
				s.Log.WarnContext(ctx, "a target keeps its old connection", "workspace", workspace, "compute", t.Name, "err", err)
			}
		}
		if page.Cursor = next; next == "" {
			return
		}
	}
}

func (s *Service) standsOn(t Target, resourceID string) bool {
	if inventory.Same(s.resourceOf(t), resourceID) {
		return true
	}
	kind, err := s.Kind(t.Kind)
	if err != nil {
		return false
	}
	for _, keys := range references(kind, t) {
		if slices.ContainsFunc(keys, func(k store.Key) bool { return isResource(k) && inventory.Same(k.Name, resourceID) }) {
			return true
		}
	}
	return false
}

func (s *Service) renew(ctx context.Context, t Target) error {
	_, err := s.Targets.Update(ctx, t.Key(), func(t *Target) ([]store.Effect, error) {
		state, err := t.Status.State.Move(Updating)
		if err != nil || t.Spec.Refused {
			return nil, nil //nolint:nilerr // it is being detached
		}
		t.Revision++
		t.Status.State, t.Status.Changed = state, time.Now()
		return []store.Effect{wake(*t), emit(ctx, *t, "compute.updated")}, nil
	})
	return err
}
