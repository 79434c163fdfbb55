package workspace

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Default is the name of the workspace that every server has.
const Default = "default"

// Service keeps workspaces. Its methods may be called from several goroutines.
type Service struct {
	workspaces Store
	linked     LinkedStore
	found      sync.Map // names of workspaces that exist
}

// New returns a Service.
func New(workspaces Store, linked LinkedStore) *Service {
	return &Service{workspaces: workspaces, linked: linked}
}

// Create makes a workspace, or finds it: created says which. It takes an Owner of all workspaces.
func (s *Service) Create(ctx context.Context, name string) (w Workspace, created bool, err error) {
	what := fmt.Sprintf("cannot create workspace %q", name)
	if err := id.CheckSlug("name", name); err != nil {
		return w, false, fault.Doing("cannot create the workspace", err)
	}
	if err := identity.Require(ctx, identity.AllWorkspaces, identity.Owner); err != nil {
		return w, false, fault.Doing(what, err)
	}
	actor := identity.From(ctx).Name
	w = Workspace{Name: name, ID: uuid.NewString(), CreatedBy: actor, Created: time.Now()}
	err = s.workspaces.Insert(ctx, w, store.Emit{
		Workspace: name, Subject: "workspace/" + name, Type: "workspace.created", Actor: actor, Data: map[string]string{"id": w.ID},
	})
	if fault.CodeOf(err) == fault.Exists {
		w, err = s.workspaces.Get(ctx, store.Key{Name: name})
		return w, false, fault.Doing(what, err)
	}
	return w, err == nil, fault.Doing(what, err)
}

// EnsureDefault makes the default workspace if there is none yet.
func (s *Service) EnsureDefault(ctx context.Context) (Workspace, error) {
	w, _, err := s.Create(identity.System(ctx), Default)
	return w, err
}

// Get returns a workspace; fault.NotFound, Reason "WorkspaceNotFound".
func (s *Service) Get(ctx context.Context, name string) (Workspace, error) {
	if err := identity.Require(ctx, name, identity.Reader); err != nil {
		return Workspace{}, err
	}
	w, err := s.workspaces.Get(ctx, store.Key{Name: name})
	if fault.CodeOf(err) == fault.NotFound {
		err = notFound(name)
	}
	return w, err
}

// Exists fails with fault.NotFound, Reason "WorkspaceNotFound", if there is no such workspace. It asks
// for no role. Workspaces stay, so that one that was found is not looked up again.
func (s *Service) Exists(ctx context.Context, name string) error {
	if _, ok := s.found.Load(name); ok {
		return nil
	}
	_, err := s.Get(identity.System(ctx), name)
	if err == nil {
		s.found.Store(name, struct{}{})
	}
	return err
}

// Enter fails unless the workspace exists and the caller may see it.
func (s *Service) Enter(ctx context.Context, name string) error {
	if err := identity.Require(ctx, name, identity.Reader); err != nil {
		return err
	}
	return s.Exists(ctx, name)
}

func notFound(name string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "WorkspaceNotFound", What: fmt.Sprintf("there is no workspace %q", name),
		Why: "nobody created it", Fix: "run: zaffre workspace list", Field: "workspace",
	}
}

// List returns the workspaces that the caller sees, by name.
func (s *Service) List(ctx context.Context, p store.Page) ([]Workspace, string, error) {
	caller := identity.From(ctx)
	if caller.RoleIn(identity.AllWorkspaces) != "" {
		return s.workspaces.List(ctx, Filter{}, p)
	}
	var out []Workspace
	for _, name := range slices.Sorted(maps.Keys(caller.Roles)) {
		w, err := s.workspaces.Get(ctx, store.Key{Name: name})
		if fault.CodeOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		out = append(out, w)
	}
	return out, "", nil
}
