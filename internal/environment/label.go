package environment

import (
	"context"
	"fmt"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// RegisterAs adds an environment as the version that e.Version says. The same again is no change; what is
// there with other contents is fault.Conflict, Reason "EnvironmentVersionTaken".
func (s *Service) RegisterAs(ctx context.Context, e Environment) (Environment, error) {
	what := fmt.Sprintf("cannot register environment %q as version %d", e.Name, e.Version)
	e, err := s.prepare(ctx, e)
	if err != nil {
		return e, fault.Doing(what, err)
	}
	err = s.Environments.Insert(ctx, e, e.registered())
	if fault.CodeOf(err) != fault.Exists {
		return e, fault.Doing(what, err)
	}
	old, err := s.Environments.Get(ctx, e.Key())
	if err == nil && !old.same(e) {
		err = &fault.Error{
			Code: fault.Conflict, Reason: "EnvironmentVersionTaken", What: what, Why: "there is that version, with another definition",
			Fix: "register it without a version, which makes the next one", Field: "version",
		}
	}
	return old, err
}

// Label puts labels on a version, beside those that it has; each goes from the version of the name that had
// it. "latest" cannot be put: it is the newest version. It takes a Contributor.
func (s *Service) Label(ctx context.Context, workspace, ref string, labels []string) (Environment, error) {
	what := fmt.Sprintf("cannot label environment %q", ref)
	if err := identity.Require(ctx, workspace, identity.Contributor); err != nil {
		return Environment{}, fault.Doing(what, err)
	}
	if err := checkLabels(labels); err != nil {
		return Environment{}, fault.Doing(what, err)
	}
	e, err := s.Get(ctx, workspace, ref)
	if err != nil {
		return e, fault.Doing(what, err)
	}
	// The new place first: dying in between leaves a label twice, and then the newer version has it.
	if e, err = s.Environments.Update(ctx, e.Key(), func(now *Environment) ([]store.Effect, error) {
		now.Labels = slices.Compact(slices.Sorted(slices.Values(slices.Concat(now.Labels, labels))))
		return nil, nil
	}); err != nil {
		return e, fault.Doing(what, err)
	}
	return e, fault.Doing(what, s.unlabel(ctx, e, labels))
}

// unlabel takes labels from the other versions of the name.
func (s *Service) unlabel(ctx context.Context, keep Environment, labels []string) error {
	has := func(l string) bool { return slices.Contains(labels, l) }
	return s.each(ctx, keep.Workspace, keep.Name, func(v Environment) error {
		if v.Version == keep.Version || !slices.ContainsFunc(v.Labels, has) {
			return nil
		}
		_, err := s.Environments.Update(ctx, v.Key(), func(now *Environment) ([]store.Effect, error) {
			now.Labels = slices.DeleteFunc(slices.Clone(now.Labels), has)
			return nil, nil
		})
		return err
	})
}

// Labelled returns the version that a label is on; fault.NotFound, Reason "EnvironmentNotFound". "latest" is
// the newest.
func (s *Service) Labelled(ctx context.Context, workspace, name, label string) (Environment, error) {
	if label == "latest" {
		return s.Get(ctx, workspace, name)
	}
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return Environment{}, err
	}
	var found []Environment
	err := s.each(ctx, workspace, name, func(v Environment) error {
		if len(found) == 0 && slices.Contains(v.Labels, label) {
			found = append(found, v)
		}
		return nil
	})
	if err != nil || len(found) > 0 {
		return append(found, Environment{})[0], err
	}
	return Environment{}, &fault.Error{
		Code: fault.NotFound, Reason: "EnvironmentNotFound", What: fmt.Sprintf("there is no environment %q with the label %q", name, label),
		Why: "no version of it has the label in workspace " + workspace, Fix: "run: zaffre environment list", Field: "label",
	}
}

// each calls do with the versions of a name, the newest first.
func (s *Service) each(ctx context.Context, workspace, name string, do func(Environment) error) error {
	cursor := ""
	for {
		list, next, err := s.Environments.List(ctx, Filter{Workspace: workspace, Name: name}, store.Page{Limit: 1000, Cursor: cursor})
		if err != nil {
			return err
		}
		for _, v := range list {
			if err := do(v); err != nil {
				return err
			}
		}
		if cursor = next; next == "" {
			return nil
		}
	}
}

func checkLabels(labels []string) error {
	for _, l := range labels {
		if err := id.CheckName("label", l); err != nil {
			return err
		}
		if l == "latest" {
			return &fault.Error{
				Code: fault.Invalid, Reason: "LabelReserved", What: "the label cannot be put on a version",
				Why: `"latest" is the newest version of each environment`, Fix: "choose another label, or register the version again", Field: "labels",
			}
		}
	}
	return nil
}
