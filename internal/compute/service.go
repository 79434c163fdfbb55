package compute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Server is the name of the implicit target: the machine of the server. It is one record for all
// workspaces, with the key ServerKey.
const Server = "server"

// ServerKey is the key of the implicit target.
var ServerKey = store.Key{Workspace: store.Global, Name: Server}

// KeyOf returns the key of the target that a name means in a workspace.
func KeyOf(workspace, name string) store.Key {
	if name == Server {
		return ServerKey
	}
	return store.Key{Workspace: workspace, Name: name}
}

// Config is what a Service stands on.
type Config struct {
	Targets Store
	Box     secret.Box
	Kinds   []driver.Kind
	Log     *slog.Logger
	// Inventory says where targets are that are named by a resource ID alone; nil: nobody does.
	Inventory Inventory
	// Home connects to the server's own listener, for drivers that let jobs reach it: see driver.Target. nil: none.
	Home func(ctx context.Context) (net.Conn, error)
	// Tools is a folder of the server, for drivers that give machines programs: see driver.Target. "": none.
	Tools string
	// Installation is which server this is, for good; drivers get it with the target's name, as one opaque word. "":
	// what a detached target left is not told from what others have.
	Installation string
	// Images returns what makes images for a target, by its workspace and its ID: see driver.Target. nil: nothing does.
	Images func(workspace, target string) driver.Images
	// InUse returns how many active runs a target has. Detaching asks it.
	InUse func(ctx context.Context, target store.Key) (int, error)
}

// Service attaches, watches and detaches compute targets. Its methods may be called from several
// goroutines.
type Service struct {
	Config
	conns *pool
}

// New returns a Service. Close it.
func New(c Config) *Service {
	return &Service{Config: c, conns: newPool()}
}

// Close closes the connections to all targets. What runs on them goes on.
func (s *Service) Close() { s.conns.close() }

// Kind returns the kind with a name; fault.Invalid, Reason "KindUnknown", if there is none.
func (s *Service) Kind(name string) (driver.Kind, error) {
	var known []string
	for _, k := range s.Kinds {
		if k.Name == name {
			return k, nil
		}
		known = append(known, k.Name)
	}
	return driver.Kind{}, &fault.Error{
		Code: fault.Invalid, Reason: "KindUnknown", What: fmt.Sprintf("there is no kind of compute target %q", name),
		Why: "this server knows " + strings.Join(known, ", "), Fix: "run: zaffre compute kinds", Field: "kind",
	}
}

// Get returns a target; fault.NotFound, Reason "ComputeNotFound". Everybody who sees a workspace
// sees the implicit target.
func (s *Service) Get(ctx context.Context, k store.Key) (Target, error) {
	if k != ServerKey {
		if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
			return Target{}, err
		}
	}
	t, err := s.Targets.Get(ctx, k)
	if fault.CodeOf(err) == fault.NotFound {
		return t, s.notFound(ctx, k)
	}
	return t, err
}

func (s *Service) notFound(ctx context.Context, k store.Key) error {
	names := []string{Server}
	if list, _, err := s.Targets.List(ctx, Filter{Workspace: k.Workspace}, store.Page{Limit: 20}); err == nil {
		for _, t := range list {
			names = append(names, t.Name)
		}
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: "ComputeNotFound", What: fmt.Sprintf("there is no compute target %q", k.Name),
		Why: "workspace " + k.Workspace + " has " + strings.Join(names, ", "), Fix: "run: zaffre compute list", Field: "compute",
	}
}

// List returns the attached targets of a workspace; the implicit one is not among them.
func (s *Service) List(ctx context.Context, f Filter, p store.Page) ([]Target, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.Targets.List(ctx, f, p)
}

// AttachRequest asks for a target.
type AttachRequest struct {
	Workspace, Name, Kind string
	Options               map[string]any // by option path, secrets among them
	Shared                bool
	Made                  bool   // zaffre makes what the target stands for: see driver.Provisioner
	Foreign               []byte // JSON to keep beside the options, without secrets
	// Pin holds the target to what was seen of it before it was attached: see Identify. Without it the
	// first that is seen is taken.
	Pin map[string]string
}

// Attach records a target and has it looked at; nothing has been dialled when it returns. The same
// request again changes nothing; one with other options is an update. created is false for both.
func (s *Service) Attach(ctx context.Context, q AttachRequest) (t Target, created bool, err error) {
	what := fmt.Sprintf("cannot %s compute target %q", q.verb(), q.Name)
	if err := s.checkAttach(ctx, q); err != nil {
		return t, false, fault.Doing(what, err)
	}
	kind, err := s.Kind(q.Kind)
	if err != nil {
		return t, false, fault.Doing(what, err)
	}
	t = Target{
		Workspace: q.Workspace, Name: q.Name, ID: id.New(), Kind: q.Kind, Revision: 1,
		Spec:   Spec{Shared: q.Shared, Made: q.Made, Foreign: q.Foreign, By: byOf(ctx, q.Workspace)},
		Status: Status{State: Creating, Pinned: maps.Clone(q.Pin), Changed: time.Now()}, CreatedBy: identity.From(ctx).Name, Created: time.Now(),
	}
	if err := s.setOptions(ctx, kind, &t, q.options(kind), true); err != nil {
		return t, false, fault.Doing(what, err)
	}
	if err := s.permit(ctx, kind, t); err != nil {
		return t, false, fault.Doing(what, err)
	}
	err = s.Targets.Insert(ctx, t, wake(t), emit(ctx, t, "compute.attached"))
	if fault.CodeOf(err) != fault.Exists {
		return t, err == nil, err
	}
	t, err = s.reattach(ctx, q, t)
	return t, false, fault.Doing(what, err)
}

func (s *Service) checkAttach(ctx context.Context, q AttachRequest) error {
	if err := identity.Require(ctx, q.Workspace, identity.Contributor); err != nil {
		return err
	}
	if err := id.CheckSlug("name", q.Name); err != nil {
		return err
	}
	kind, err := s.Kind(q.Kind)
	if err != nil {
		return err
	}
	if err := q.makes(kind); err != nil {
		return err
	}
	if q.Name == Server || kind.Implicit {
		return &fault.Error{
			Code: fault.Invalid, Reason: "TargetImplicit", What: "this target is not attached",
			Why: `the machine of the server is there without attaching, as "server"`,
			Fix: "run: zaffre run submit --compute server SCRIPT", Field: "name",
		}
	}
	return nil
}

// reattach is Attach of a name that is taken: by the same kind, it is an update. fresh is what takes the
// place of a request that was refused.
func (s *Service) reattach(ctx context.Context, q AttachRequest, fresh Target) (Target, error) {
	k := store.Key{Workspace: q.Workspace, Name: q.Name}
	old, err := s.Targets.Get(ctx, k)
	if err != nil {
		return old, err
	}
	if old.Spec.Refused {
		return s.replace(ctx, fresh)
	}
	if old.Spec.Made != q.Made {
		return old, madeOtherwise(old)
	}
	if old.Kind != q.Kind || old.Spec.Shared != q.Shared {
		return old, &fault.Error{
			Code: fault.Exists, Reason: "ComputeExists", What: fmt.Sprintf("compute target %q exists", q.Name),
			Why: "it is of kind " + old.Kind + ", or was attached with another setting of shared",
			Fix: "choose another name, or detach it first; run: zaffre compute detach " + q.Name, Field: "name",
		}
	}
	return s.update(ctx, k, change{options: q.Options, whole: true, foreign: q.Foreign, pin: q.Pin})
}

// Update changes options of a target, secrets among them; others stay. What is the same already
// changes nothing, but a target that has failed is looked at again.
func (s *Service) Update(ctx context.Context, k store.Key, options map[string]any) (Target, error) {
	return s.update(ctx, k, change{options: options})
}

// change is what an update changes; what is nil stays.
type change struct {
	options map[string]any
	whole   bool // the options are all there are of each driver.Option.Group that they touch
	foreign []byte
	pin     map[string]string
}

func (s *Service) update(ctx context.Context, k store.Key, c change) (Target, error) {
	what := fmt.Sprintf("cannot update compute target %q", k.Name)
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return Target{}, fault.Doing(what, err)
	}
	old, err := s.Get(ctx, k)
	if err != nil {
		return old, fault.Doing(what, err)
	}
	if old.Spec.Refused {
		return old, fault.Doing(what, old.Status.Error)
	}
	kind, err := s.Kind(old.Kind)
	if err != nil {
		return old, fault.Doing(what, err)
	}
	next := old.clone()
	if c.foreign != nil {
		next.Spec.Foreign = c.foreign
	}
	if err := s.setOptions(ctx, kind, &next, c.options, false); err != nil {
		return old, fault.Doing(what, err)
	}
	if c.whole {
		next.dropOthers(kind, c.options)
	}
	if err := next.hold(c.pin); err != nil {
		return old, fault.Doing(what, err)
	}
	next.Spec.By = byOf(ctx, k.Workspace)
	lost := old.Status.State == Failed && old.Spec.By != next.Spec.By // the right of who said it before, perhaps
	if !lost && s.sameSpec(ctx, old, next) && maps.Equal(old.Status.Pinned, next.Status.Pinned) {
		if old.Status.State == Failed {
			return s.Retry(ctx, k)
		}
		return old, nil
	}
	if err := s.permit(ctx, kind, next); err != nil {
		return old, fault.Doing(what, err)
	}
	t, err := s.Targets.Update(ctx, k, func(t *Target) ([]store.Effect, error) {
		state, err := t.Status.State.Move(Updating)
		if err != nil {
			return nil, err
		}
		if err := t.hold(c.pin); err != nil { // it may have been looked at meanwhile
			return nil, err
		}
		t.Spec, t.Revision = next.Spec, t.Revision+1
		t.Status.State, t.Status.Changed = state, time.Now()
		return []store.Effect{wake(*t), emit(ctx, *t, "compute.updated")}, nil
	})
	return t, fault.Doing(what, err)
}

// Ensure makes the implicit target exist with these options, at the server's start.
func (s *Service) Ensure(ctx context.Context, k store.Key, kindName string, options map[string]any) error {
	kind, err := s.Kind(kindName)
	if err != nil {
		return err
	}
	t := Target{
		Workspace: k.Workspace, Name: k.Name, ID: id.New(), Kind: kindName, Revision: 1,
		Status: Status{State: Creating, Changed: time.Now()}, CreatedBy: identity.From(ctx).Name, Created: time.Now(),
	}
	if err := s.setOptions(ctx, kind, &t, options, true); err != nil {
		return err
	}
	if err := s.Targets.Insert(ctx, t, wake(t)); fault.CodeOf(err) != fault.Exists {
		return err
	}
	_, err = s.Targets.Update(ctx, k, func(old *Target) ([]store.Effect, error) {
		if !s.sameSpec(ctx, *old, t) {
			old.Spec, old.Revision = t.Spec, old.Revision+1
		}
		return []store.Effect{wake(*old)}, nil
	})
	return err
}

// Check looks at a target now and returns it as it was seen.
func (s *Service) Check(ctx context.Context, k store.Key) (Target, error) {
	if k != ServerKey {
		if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
			return Target{}, err
		}
	}
	if _, err := s.Get(ctx, k); err != nil {
		return Target{}, err
	}
	if _, err := s.Reconcile(ctx, k.String()); err != nil && (!fault.Retryable(err) || errors.Is(err, store.ErrUnanswered)) {
		return Target{}, err
	}
	return s.Get(ctx, k)
}

func (t Target) clone() Target {
	t.Spec.Options = maps.Clone(t.Spec.Options)
	t.Spec.Sealed = maps.Clone(t.Spec.Sealed)
	t.Status.Conditions = slices.Clone(t.Status.Conditions)
	t.Status.Orphans = slices.Clone(t.Status.Orphans)
	return t
}

func wake(t Target) store.Effect { return store.Wake{Kind: WorkKind, ID: t.Key().String()} }

func emit(ctx context.Context, t Target, typ string) store.Effect {
	return store.Emit{
		Workspace: t.Workspace, Subject: "compute/" + t.Name, Type: typ, Actor: identity.From(ctx).Name,
		Data: map[string]string{"kind": t.Kind, "state": string(t.Status.State)},
	}
}
