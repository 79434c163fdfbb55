package model

import (
	"context"
	"fmt"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Config is what a Service stands on.
type Config struct {
	Models   Store
	Versions VersionStore
	Logged   LoggedStore
	Assets   AssetStore
	Files    *object.Store
	// Run looks a run up by its name or its ID, for the caller in ctx. It fails with fault.NotFound,
	// Reason "RunNotFound".
	Run func(ctx context.Context, k store.Key) (Run, error)
}

// Run is what a version remembers of the run that it comes from.
type Run struct{ Name, ID, Snapshot, Environment string }

// Service registers models. Its methods may be called from several goroutines.
type Service struct{ Config }

// New returns a Service.
func New(c Config) *Service { return &Service{c} }

// Create makes a model without versions. It fails with fault.Exists, Reason "ModelExists".
func (s *Service) Create(ctx context.Context, m Model) (Model, error) {
	if err := identity.Require(ctx, m.Workspace, identity.Tracker); err != nil {
		return m, err
	}
	if err := checkModel(m); err != nil {
		return m, err
	}
	now := time.Now()
	m.Aliases, m.Latest, m.Numbered = nil, 0, 0
	m.CreatedBy, m.Created, m.Updated = identity.From(ctx).Name, now, now
	err := s.Models.Insert(ctx, m, m.emit(ctx, "model.created", nil))
	if fault.CodeOf(err) == fault.Exists {
		return m, exists(m.Name)
	}
	return m, err
}

// Ensure returns the model of that name, and makes it if it is not there.
func (s *Service) Ensure(ctx context.Context, m Model) (Model, error) {
	made, err := s.Create(ctx, m)
	if fault.CodeOf(err) != fault.Exists {
		return made, err
	}
	return s.Get(ctx, m.Key())
}

// Get returns a model. It fails with fault.NotFound, Reason "ModelNotFound".
func (s *Service) Get(ctx context.Context, k store.Key) (Model, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
		return Model{}, err
	}
	return s.Models.Get(ctx, k)
}

// List returns models, by name.
func (s *Service) List(ctx context.Context, f Filter, p store.Page) ([]Model, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.Models.List(ctx, f, p)
}

// Change says what to change of a model or a version; a nil field stays. Tags and Properties are added
// to those that are there, RemoveTags taken away.
type Change struct {
	Description      *string
	Tags, Properties map[string]string
	RemoveTags       []string
}

// Update changes a model. Again, it changes nothing.
func (s *Service) Update(ctx context.Context, k store.Key, c Change) (Model, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return Model{}, err
	}
	if err := checkLabels("tags", c.Tags); err != nil {
		return Model{}, err
	}
	now := time.Now()
	return s.Models.Update(ctx, k, func(m *Model) ([]store.Effect, error) {
		if c.Description != nil {
			m.Description = *c.Description
		}
		m.Tags, m.Updated = labels(m.Tags, c.Tags, c.RemoveTags), now
		return []store.Effect{m.emit(ctx, "model.updated", nil)}, nil
	})
}

// Rename gives a model another name, with all its versions, aliases and files. It fails with
// fault.Exists, Reason "ModelExists".
func (s *Service) Rename(ctx context.Context, k store.Key, name string) (Model, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return Model{}, err
	}
	if err := checkModel(Model{Name: name}); err != nil {
		return Model{}, err
	}
	now := time.Now()
	f, err := s.Versions.Change(ctx, k, Want{All: true}, func(f *Family) ([]store.Effect, error) {
		f.Model.Name, f.Model.Updated = name, now
		for i := range f.Versions {
			f.Versions[i].Model = name
		}
		return []store.Effect{f.Model.emit(ctx, "model.renamed", map[string]string{"from": k.Name})}, nil
	})
	if fault.CodeOf(err) == fault.Exists {
		err = exists(name)
	}
	return f.Model, err
}

// Delete deletes a model with all its versions and their files. One that is not there is no error.
func (s *Service) Delete(ctx context.Context, k store.Key) error {
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return err
	}
	_, err := s.Versions.Change(ctx, k, Want{All: true}, func(f *Family) ([]store.Effect, error) {
		then := []store.Effect{f.Model.emit(ctx, "model.deleted", nil)}
		f.Model.Name, f.Versions = "", nil
		return then, nil
	})
	if fault.ReasonOf(err) == "ModelNotFound" {
		return nil
	}
	return err
}

// SetAlias has an alias mean a version, and no other one any more.
func (s *Service) SetAlias(ctx context.Context, k store.Key, alias string, number int) (Model, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return Model{}, err
	}
	if err := checkAlias(alias); err != nil {
		return Model{}, err
	}
	now := time.Now()
	f, err := s.Versions.Change(ctx, k, Want{Number: number}, func(f *Family) ([]store.Effect, error) {
		if len(f.Versions) == 0 {
			return nil, versionNotFound(k.Name, fmt.Sprint(number))
		}
		f.Model.Aliases = labels(f.Model.Aliases, map[string]int{alias: number}, nil)
		f.Model.Updated = now
		return []store.Effect{f.Model.emit(ctx, "model.alias_set", map[string]string{"alias": alias, "version": fmt.Sprint(number)})}, nil
	})
	return f.Model, err
}

// DeleteAlias takes an alias away; one that is not there is no error.
func (s *Service) DeleteAlias(ctx context.Context, k store.Key, alias string) (Model, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return Model{}, err
	}
	now := time.Now()
	return s.Models.Update(ctx, k, func(m *Model) ([]store.Effect, error) {
		if _, ok := m.Aliases[alias]; !ok {
			return nil, nil
		}
		m.Aliases, m.Updated = labels(m.Aliases, nil, []string{alias}), now
		return []store.Effect{m.emit(ctx, "model.alias_deleted", map[string]string{"alias": alias})}, nil
	})
}

func (m Model) emit(ctx context.Context, typ string, data map[string]string) store.Effect {
	return store.Emit{Workspace: m.Workspace, Subject: m.Subject(), Type: typ, Actor: identity.From(ctx).Name, Data: data}
}
