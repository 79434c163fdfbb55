package model

import (
	"cmp"
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Asset names files that a client of SDK v1 is about to register as a model. It holds none of them: those that
// were uploaded for it wait as object.Upload does.
type Asset struct {
	Workspace, ID           string // ULID
	Name, Type, Description string
	Run                     string   // name of the run that the client says; "" for none
	Files                   []string // where they are, in the words of the client: files, or folders
	Tags, Properties, Meta  map[string]string
	CreatedBy               string
	Created                 time.Time
}

// Key returns the record's key.
func (a Asset) Key() store.Key { return store.Key{Workspace: a.Workspace, Name: a.ID} }

// AssetFilter selects assets; a zero field selects any.
type AssetFilter struct{ Workspace, Run string }

// AssetStore keeps assets, in the order of their IDs.
type AssetStore = store.Repo[Asset, AssetFilter]

// CreateAsset makes an asset with an ID of its own.
func (s *Service) CreateAsset(ctx context.Context, a Asset) (Asset, error) {
	if err := identity.Require(ctx, a.Workspace, identity.Tracker); err != nil {
		return a, err
	}
	if err := cmp.Or(checkLabels("tags", a.Tags), checkLabels("properties", a.Properties), checkLabels("meta", a.Meta)); err != nil {
		return a, err
	}
	a.ID, a.CreatedBy, a.Created = id.New(), identity.From(ctx).Name, time.Now()
	return a, s.Assets.Insert(ctx, a)
}

// GetAsset returns an asset. It fails with fault.NotFound, Reason "AssetNotFound".
func (s *Service) GetAsset(ctx context.Context, k store.Key) (Asset, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
		return Asset{}, err
	}
	return s.Assets.Get(ctx, k)
}

// ListAssets returns assets, the oldest first.
func (s *Service) ListAssets(ctx context.Context, f AssetFilter, p store.Page) ([]Asset, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.Assets.List(ctx, f, p)
}

// DeleteAsset forgets an asset; the models that were registered with it stay. One that is not there is no
// error.
func (s *Service) DeleteAsset(ctx context.Context, k store.Key) error {
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return err
	}
	return s.Assets.Delete(ctx, k)
}
