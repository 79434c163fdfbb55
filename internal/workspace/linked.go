package workspace

import (
	"context"
	"fmt"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// LinkedService is a service of somebody else's that a workspace knows by name, such as a Synapse
// workspace. zaffre keeps the record; what it says is between its clients.
type LinkedService struct {
	Workspace, Name string
	ID              string // UUID: what its identity is called by
	ResourceID      string
	Type            string // "Synapse"
	Document        []byte // JSON, as given, without secrets
	CreatedBy       string
	Created         time.Time
}

// Key returns the record's key.
func (l LinkedService) Key() store.Key { return store.Key{Workspace: l.Workspace, Name: l.Name} }

// LinkedFilter selects linked services.
type LinkedFilter struct{ Workspace string }

// LinkedStore keeps linked services, in the order of their names.
type LinkedStore = store.Repo[LinkedService, LinkedFilter]

// Link records a linked service, or brings the one with its name to what l says. created says which. It
// takes a Contributor.
func (s *Service) Link(ctx context.Context, l LinkedService) (_ LinkedService, created bool, err error) {
	what := fmt.Sprintf("cannot link the service %q", l.Name)
	if err := id.CheckSlug("name", l.Name); err != nil {
		return l, false, fault.Doing("cannot link the service", err)
	}
	if err := identity.Require(ctx, l.Workspace, identity.Contributor); err != nil {
		return l, false, fault.Doing(what, err)
	}
	l.CreatedBy, l.Created = identity.From(ctx).Name, time.Now()
	err = s.linked.Insert(ctx, l)
	if fault.CodeOf(err) != fault.Exists {
		return l, err == nil, fault.Doing(what, err)
	}
	l, err = s.linked.Update(ctx, l.Key(), func(old *LinkedService) ([]store.Effect, error) {
		old.ResourceID, old.Type, old.Document = l.ResourceID, l.Type, l.Document
		return nil, nil
	})
	return l, false, fault.Doing(what, err)
}

// Linked returns a linked service; fault.NotFound, Reason "LinkedServiceNotFound".
func (s *Service) Linked(ctx context.Context, k store.Key) (LinkedService, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
		return LinkedService{}, err
	}
	l, err := s.linked.Get(ctx, k)
	if fault.CodeOf(err) == fault.NotFound {
		err = &fault.Error{
			Code: fault.NotFound, Reason: "LinkedServiceNotFound", What: fmt.Sprintf("there is no linked service %q", k.Name),
			Why: "nobody linked it to workspace " + k.Workspace, Fix: "link it first: LinkedService.register of azureml-core", Field: "linkedService",
		}
	}
	return l, err
}

// ListLinked returns the linked services of a workspace.
func (s *Service) ListLinked(ctx context.Context, workspace string, p store.Page) ([]LinkedService, string, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.linked.List(ctx, LinkedFilter{Workspace: workspace}, p)
}

// Unlink forgets a linked service. One that is not there is no error. It takes a Contributor.
func (s *Service) Unlink(ctx context.Context, k store.Key) error {
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return fault.Doing(fmt.Sprintf("cannot unlink the service %q", k.Name), err)
	}
	return s.linked.Delete(ctx, k)
}
