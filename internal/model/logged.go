package model

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// CreateLogged makes a logged model, Pending, with an ID of its own.
func (s *Service) CreateLogged(ctx context.Context, l Logged) (Logged, error) {
	if err := identity.Require(ctx, l.Workspace, identity.Tracker); err != nil {
		return l, err
	}
	if err := checkLogged(l); err != nil {
		return l, err
	}
	now, random := time.Now(), make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	l.ID = "m-" + hex.EncodeToString(random)
	l.Status, l.CreatedBy, l.Created, l.Updated = cmp.Or(l.Status, LoggedPending), identity.From(ctx).Name, now, now
	return l, s.Logged.Insert(ctx, l)
}

func checkLogged(l Logged) error {
	if err := id.CheckName("name", l.Name); err != nil {
		return err
	}
	return cmp.Or(checkLabels("tags", l.Tags), checkLabels("params", l.Params))
}

// GetLogged returns a logged model. It fails with fault.NotFound, Reason "LoggedModelNotFound".
func (s *Service) GetLogged(ctx context.Context, k store.Key) (Logged, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
		return Logged{}, err
	}
	return s.Logged.Get(ctx, k)
}

// SearchLogged returns logged models, the newest first.
func (s *Service) SearchLogged(ctx context.Context, f LoggedFilter, p store.Page) ([]Logged, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.Logged.List(ctx, f, p)
}

// LoggedChange says what to change of a logged model. Params are immutable once set: another value is
// fault.Invalid, Reason "ParamChanged".
type LoggedChange struct {
	Status       LoggedStatus // "" stays
	Message      string       // of the status
	Tags, Params map[string]string
	RemoveTags   []string
}

// UpdateLogged changes a logged model. Again, it changes nothing.
func (s *Service) UpdateLogged(ctx context.Context, k store.Key, c LoggedChange) (Logged, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return Logged{}, err
	}
	if err := cmp.Or(checkLabels("tags", c.Tags), checkLabels("params", c.Params)); err != nil {
		return Logged{}, err
	}
	now := time.Now()
	return s.Logged.Update(ctx, k, func(l *Logged) ([]store.Effect, error) {
		for name, value := range c.Params {
			if old, ok := l.Params[name]; ok && old != value {
				return nil, paramChanged(name)
			}
		}
		if c.Status != "" {
			l.Status, l.Message = c.Status, c.Message
		}
		l.Tags, l.Params, l.Updated = labels(l.Tags, c.Tags, c.RemoveTags), labels(l.Params, c.Params, nil), now
		return nil, nil
	})
}

func paramChanged(name string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ParamChanged", What: fmt.Sprintf("cannot change the parameter %.100q", name),
		Why: "it has another value already, and parameters are set once", Fix: "choose another name, or log a new model", Field: "params",
	}
}

// FinalizeLogged says how the logging of a model ended.
func (s *Service) FinalizeLogged(ctx context.Context, k store.Key, status LoggedStatus) (Logged, error) {
	return s.UpdateLogged(ctx, k, LoggedChange{Status: status})
}

// DeleteLogged deletes a logged model and its files; those that versions share stay there. One that is
// not there is no error.
func (s *Service) DeleteLogged(ctx context.Context, k store.Key) error {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return err
	}
	if _, err := s.Logged.Get(ctx, k); err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			return nil
		}
		return err
	}
	if err := s.Files.Clear(ctx, k.Name); err != nil { // files first: who dies here deletes again
		return err
	}
	return s.Logged.Delete(ctx, k)
}

// PutLoggedFile uploads a file of a logged model.
func (s *Service) PutLoggedFile(ctx context.Context, k store.Key, path string, body io.Reader) (object.File, error) {
	if err := cmp.Or(identity.Require(ctx, k.Workspace, identity.Tracker), object.CheckPath(path)); err != nil {
		return object.File{}, err
	}
	l, err := s.GetLogged(ctx, k)
	if err != nil {
		return object.File{}, err
	}
	return s.Files.Put(ctx, l.ID, path, object.Received(body, ""))
}

// LoggedFolder lists one level of a logged model's files.
func (s *Service) LoggedFolder(ctx context.Context, k store.Key, dir string, p store.Page) ([]object.Entry, string, error) {
	l, err := s.GetLogged(ctx, k)
	if err != nil {
		return nil, "", err
	}
	return s.Files.Folder(ctx, l.ID, strings.Trim(dir, "/"), p)
}

// OpenLoggedFile opens a file of a logged model. It fails with fault.NotFound, Reason
// "ArtifactNotFound".
func (s *Service) OpenLoggedFile(ctx context.Context, k store.Key, path string, offset int64) (object.File, io.ReadCloser, error) {
	l, err := s.GetLogged(ctx, k)
	if err != nil {
		return object.File{}, nil, err
	}
	return s.Files.Open(ctx, l.ID, path, offset)
}

// DeleteLoggedFile removes a file of a logged model; one that is not there is no error.
func (s *Service) DeleteLoggedFile(ctx context.Context, k store.Key, path string) error {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return err
	}
	l, err := s.GetLogged(ctx, k)
	if err != nil {
		return err
	}
	return s.Files.Delete(ctx, l.ID, path)
}
