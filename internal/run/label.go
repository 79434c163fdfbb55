package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// What tags and parameters may be. The client of MLflow knows 250, 6,000 and 8,000.
const (
	MaxLabelName  = 250  // characters
	MaxLabelValue = 8000 // characters
	MaxLabels     = 5000 // tags and parameters of a run
)

// Label sets tags and parameters of a run and removes tags: all of it or nothing. Runs of any origin and
// state take them; a deleted one is fault.Precondition, Reason "RunDeleted". A parameter that has another
// value already is fault.Invalid, Reason "ParamChanged". Twice is once.
func (s *Service) Label(ctx context.Context, k store.Key, tags, params map[string]string, removeTags []string) (Run, error) {
	const what = "cannot label the run"
	if err := checkLabels(tags, params); err != nil {
		return Run{}, fault.Doing(what, err)
	}
	if err := s.mayLabel(ctx, k); err != nil {
		return Run{}, fault.Doing(what, err)
	}
	r, err := s.Runs.Update(ctx, k, func(r *Run) ([]store.Effect, error) {
		if err := r.alive(); err != nil {
			return nil, err
		}
		return nil, r.label(tags, params, removeTags)
	})
	return r, fault.Doing(what, err)
}

// mayLabel fails unless the caller may log to the run and the run is there.
func (s *Service) mayLabel(ctx context.Context, k store.Key) error {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return err
	}
	_, err := s.Known(ctx, k)
	if fault.ReasonOf(err) == "RunDeleted" {
		return nil // as of now; the update looks again
	}
	return err
}

func (r *Run) alive() error {
	if r.Deleted.IsZero() {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "RunDeleted", What: fmt.Sprintf("run %q takes nothing more", r.Name),
		Why: "it was deleted", Fix: "run: zaffre run restore " + r.Name,
	}
}

func (r *Run) label(tags, params map[string]string, removeTags []string) error {
	for name, value := range params {
		if old, ok := r.Params[name]; ok && old != value {
			return &fault.Error{
				Code: fault.Invalid, Reason: "ParamChanged", What: fmt.Sprintf("cannot set the parameter %q of run %q", name, r.Name),
				Why: fmt.Sprintf("it is %s already and parameters never change; the new value is %s", shortened(old), shortened(value)),
				Fix: "log it under another name, or as a tag", Field: "params",
			}
		}
	}
	r.Params, r.Tags = merged(r.Params, params), merged(r.Tags, tags)
	for _, name := range removeTags {
		delete(r.Tags, name)
	}
	if n := len(r.Tags) + len(r.Params); n > MaxLabels {
		return &fault.Error{
			Code: fault.Invalid, Reason: "LabelsTooMany", What: fmt.Sprintf("run %q takes no more tags and parameters", r.Name),
			Why: fmt.Sprintf("it would have %d of them, and %d are possible", n, MaxLabels), Fix: "log them as a file", Field: "tags",
		}
	}
	return nil
}

// merged returns a map with what both have; that of b counts.
func merged(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	if out == nil && len(b) > 0 {
		out = make(map[string]string, len(b))
	}
	maps.Copy(out, b)
	return out
}

func shortened(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

func checkLabels(tags, params map[string]string) error {
	for field, m := range map[string]map[string]string{"tags": tags, "params": params} {
		for name, value := range m {
			if why := badLabel(name, value); why != "" {
				return &fault.Error{
					Code: fault.Invalid, Reason: "LabelInvalid", What: fmt.Sprintf("%s cannot be kept in %s", shortened(name), field),
					Why: why, Fix: "shorten it, or log it as a file", Field: field,
				}
			}
		}
	}
	return nil
}

func badLabel(name, value string) string {
	switch {
	case name == "":
		return "a name is missing"
	case !utf8.ValidString(name) || !utf8.ValidString(value) || strings.ContainsRune(name+value, 0):
		return "it is not text in UTF-8, or holds a NUL byte"
	case utf8.RuneCountInString(name) > MaxLabelName:
		return fmt.Sprintf("its name is longer than %d characters", MaxLabelName)
	case utf8.RuneCountInString(value) > MaxLabelValue:
		return fmt.Sprintf("its value has %d characters, and %d are possible", utf8.RuneCountInString(value), MaxLabelValue)
	}
	return ""
}

// with returns a list of its own that has s.
func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(slices.Clone(list), s)
}

// DeleteRun hides a run from lists until it is restored; it keeps all it has. Twice is once. A managed run
// has to have ended: fault.Precondition, Reason "RunActive".
func (s *Service) DeleteRun(ctx context.Context, k store.Key) (Run, error) {
	return s.setDeleted(ctx, k, func(r *Run) ([]store.Effect, error) {
		if !r.Deleted.IsZero() {
			return nil, nil
		}
		if r.Origin == Managed && !r.Status.State.Final() {
			return nil, &fault.Error{
				Code: fault.Precondition, Reason: "RunActive", What: fmt.Sprintf("cannot delete run %q", r.Name),
				Why: "it is " + string(r.Status.State), Fix: "cancel it first; run: zaffre run cancel " + r.Name,
			}
		}
		r.Deleted = time.Now()
		return []store.Effect{r.emit(identity.From(ctx).Name, "run.deleted")}, nil
	})
}

// RestoreRun takes a deletion back.
func (s *Service) RestoreRun(ctx context.Context, k store.Key) (Run, error) {
	return s.setDeleted(ctx, k, func(r *Run) ([]store.Effect, error) {
		if r.Deleted.IsZero() {
			return nil, nil
		}
		r.Deleted = time.Time{}
		return []store.Effect{r.emit(identity.From(ctx).Name, "run.restored")}, nil
	})
}

func (s *Service) setDeleted(ctx context.Context, k store.Key, change func(*Run) ([]store.Effect, error)) (Run, error) {
	if err := s.mayLabel(ctx, k); err != nil {
		return Run{}, err
	}
	defer s.known.forget(k)
	return s.Runs.Update(ctx, k, change)
}
