package run

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Code is a code snapshot by the name that a client made up for it: a GUID, of SDK v1. It never changes.
type Code struct {
	Workspace, Name string
	Snapshot        string // its ID
	Parent          string // name of the one that the client sent before, "" for none
	Properties      map[string]string
	CreatedBy       string
	Created         time.Time
}

// Key returns the record's key.
func (c Code) Key() store.Key { return store.Key{Workspace: c.Workspace, Name: c.Name} }

// CodeFilter selects code.
type CodeFilter struct{ Workspace string }

// CodeStore keeps code, the newest first.
type CodeStore = store.Repo[Code, CodeFilter]

// NameCode gives a snapshot a name. Again it changes nothing; with another snapshot it is fault.Conflict, Reason
// "CodeDiffers". It takes a Contributor.
func (s *Service) NameCode(ctx context.Context, c Code) (Code, error) {
	if err := identity.Require(ctx, c.Workspace, identity.Contributor); err != nil {
		return c, err
	}
	c.CreatedBy, c.Created = identity.From(ctx).Name, time.Now()
	err := s.Codes.Insert(ctx, c)
	if fault.CodeOf(err) != fault.Exists {
		return c, err
	}
	old, err := s.Codes.Get(ctx, c.Key())
	if err == nil && old.Snapshot != c.Snapshot {
		err = &fault.Error{
			Code: fault.Conflict, Reason: "CodeDiffers", What: "the code snapshot cannot be kept",
			Why: "another one has this name", Fix: "choose another name, as azureml-core does for each", Field: "name",
		}
	}
	return old, err
}

// CodeOf returns a snapshot by its name. It fails with fault.NotFound, Reason "CodeNotFound".
func (s *Service) CodeOf(ctx context.Context, k store.Key) (Code, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
		return Code{}, err
	}
	return s.Codes.Get(ctx, k)
}
