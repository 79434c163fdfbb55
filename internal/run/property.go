package run

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// What properties may be that a face keeps with a run.
const (
	MaxProperties = 1000
	MaxProperty   = 2 << 20 // bytes of one
	MaxAll        = 8 << 20 // bytes of all
)

// KeepProperties sets properties of a run: what a face knows of it and zaffre only keeps. Runs of any
// origin and state take them. Twice is once.
func (s *Service) KeepProperties(ctx context.Context, k store.Key, set map[string]string) (Run, error) {
	const what = "cannot keep properties of the run"
	if err := s.mayLabel(ctx, k); err != nil {
		return Run{}, fault.Doing(what, err)
	}
	r, err := s.Runs.Update(ctx, k, func(r *Run) ([]store.Effect, error) {
		if err := r.alive(); err != nil {
			return nil, err
		}
		r.Properties = merged(r.Properties, set)
		return nil, checkProperties(r.Properties)
	})
	return r, fault.Doing(what, err)
}

// setProperties sets properties that never change once they are set.
func (r *Run) setProperties(set map[string]string) error {
	for name, value := range set {
		if old, ok := r.Properties[name]; ok && old != value {
			return &fault.Error{
				Code: fault.Invalid, Reason: "PropertyChanged", What: fmt.Sprintf("cannot set the property %q of run %q", name, r.Name),
				Why: fmt.Sprintf("it is %s already and properties never change; the new value is %s", shortened(old), shortened(value)),
				Fix: "set a tag, which may change", Field: "properties",
			}
		}
	}
	r.Properties = merged(r.Properties, set)
	return nil
}

func checkProperties(m map[string]string) error {
	total, why := 0, ""
	for name, value := range m {
		total += len(name) + len(value)
		if len(value) > MaxProperty || !utf8.ValidString(name) || !utf8.ValidString(value) {
			why = "one is larger than 2 MiB, or not text in UTF-8"
		}
	}
	if len(m) > MaxProperties || total > MaxAll {
		why = "there are more than 1,000, or more than 8 MiB in all"
	}
	if why == "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "PropertiesTooLarge", What: "the run takes no more properties", Why: why,
		Fix: "log less with the run, or as a file", Field: "properties",
	}
}
