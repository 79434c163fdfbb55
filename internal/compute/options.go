package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// setOptions checks options against the kind and puts them into t: plain ones as they are, secrets
// sealed. first allows the immutable ones.
func (s *Service) setOptions(ctx context.Context, kind driver.Kind, t *Target, options map[string]any, first bool) error {
	known := map[string]driver.Option{}
	for _, o := range kind.Options {
		known[o.Path] = o
	}
	for _, path := range slices.Sorted(maps.Keys(options)) {
		o, ok := known[path]
		if !ok {
			return optionFault(path, "OptionUnknown", "kind "+kind.Name+" has no such option", "run: zaffre compute attach "+kind.Name+" --help")
		}
		if o.Only != "" && o.Only != t.origin() {
			return optionFault(path, "OptionElsewhere", "targets of kind "+kind.Name+" take it by "+string(o.Only)+" alone, and this one comes by "+string(t.origin()), "leave it out; run: zaffre compute kinds "+kind.Name)
		}
		v, err := normalise(o, options[path])
		if err != nil {
			return err
		}
		if !first && o.Immutable && !sameValue(v, t.Spec.Options[path]) {
			return optionFault(path, "OptionImmutable", "it cannot change while the target is attached", "detach the target and attach it again; run: zaffre compute detach "+t.Name)
		}
		if err := s.put(ctx, o, t, v); err != nil {
			return err
		}
	}
	return nil
}

// dropOthers drops the options whose group was given without them: an old password must not stay behind a
// new key.
func (t *Target) dropOthers(kind driver.Kind, options map[string]any) {
	given := map[string]bool{}
	for _, o := range kind.Options {
		if _, ok := options[o.Path]; ok && o.Group != "" {
			given[o.Group] = true
		}
	}
	for _, o := range kind.Options {
		if _, ok := options[o.Path]; !ok && given[o.Group] {
			delete(t.Spec.Options, o.Path)
			delete(t.Spec.Sealed, o.Path)
		}
	}
}

func required(kind driver.Kind, options map[string]any, secrets map[string]string) error {
	for _, o := range kind.Options {
		_, given := options[o.Path]
		if _, sealed := secrets[o.Path]; o.Required && !given && !sealed {
			return optionFault(o.Path, "OptionMissing", "kind "+kind.Name+" needs it: "+o.Help, "run: zaffre compute attach "+kind.Name+" --help")
		}
	}
	return nil
}

func optionFault(path, reason, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: reason, What: fmt.Sprintf("the option %q cannot be set", path),
		Why: why, Fix: fix, Field: "options." + path,
	}
}

func (s *Service) put(ctx context.Context, o driver.Option, t *Target, v any) error {
	if !o.Secret {
		if t.Spec.Options == nil {
			t.Spec.Options = map[string]any{}
		}
		t.Spec.Options[o.Path] = v
		return nil
	}
	sealed, err := s.Box.Seal(ctx, []byte(v.(string)), t.SecretPlace(o.Path))
	if err != nil {
		return err
	}
	if t.Spec.Sealed == nil {
		t.Spec.Sealed = map[string][]byte{}
	}
	t.Spec.Sealed[o.Path] = sealed
	return nil
}

// normalise returns v in the form in which it is stored: as its type says, a duration as a string.
func normalise(o driver.Option, v any) (any, error) {
	if !o.Many {
		return normaliseOne(o, v)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]any, 0, len(list))
	for _, item := range list {
		n, err := normaliseOne(o, item)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func normaliseOne(o driver.Option, v any) (any, error) {
	if o.Secret {
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, optionFault(o.Path, "OptionInvalid", "a secret is a string", "send it as a string")
	}
	typed, err := typedValue(o, v)
	if err != nil {
		return nil, err
	}
	if d, ok := typed.(time.Duration); ok {
		return d.String(), nil
	}
	return typed, nil
}

// typedValue returns v as the Go type that a driver.Target carries for the option's type.
func typedValue(o driver.Option, v any) (any, error) {
	text, isText := v.(string)
	switch o.Type {
	case driver.String, driver.TargetRef:
		if isText {
			return text, nil
		}
	case driver.Int:
		if n, ok := toInt(v); ok {
			return n, nil
		}
	case driver.Bool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
		if b, err := strconv.ParseBool(text); isText && err == nil {
			return b, nil
		}
	case driver.Duration:
		if d, err := time.ParseDuration(text); isText && err == nil {
			return d, nil
		}
	case driver.Object:
		if m, ok := v.(map[string]any); ok {
			return m, nil
		}
	}
	return nil, optionFault(o.Path, "OptionInvalid", fmt.Sprintf("its value is not of type %s", o.Type), "send a value of type "+string(o.Type))
}

func toInt(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	case string:
		i, err := strconv.ParseInt(n, 10, 64)
		return i, err == nil
	}
	return 0, false
}

// OptionsOf returns the options in force of a target, with defaults applied, as its driver has them.
func OptionsOf(kind driver.Kind, t Target) (map[string]any, error) {
	return typedOptions(kind.Options, t.Options())
}

// driverOptions returns the options with defaults applied, typed as the driver expects them.
func driverOptions(kind driver.Kind, t Target) (map[string]any, error) {
	return typedOptions(kind.Options, t.Spec.Options)
}

func typedOptions(known []driver.Option, options map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for _, o := range known {
		v, given := options[o.Path]
		if !given {
			v = o.Default
		}
		if v == nil || o.Secret {
			continue
		}
		typed, err := typedOption(o, v)
		if err != nil {
			return nil, err
		}
		out[o.Path] = typed
	}
	return out, nil
}

func typedOption(o driver.Option, v any) (any, error) {
	list, many := v.([]any)
	if !o.Many || !many {
		return typedDefault(o, v)
	}
	out := make([]any, 0, len(list))
	for _, item := range list {
		typed, err := typedDefault(o, item)
		if err != nil {
			return nil, err
		}
		out = append(out, typed)
	}
	return out, nil
}

func typedDefault(o driver.Option, v any) (any, error) {
	if d, ok := v.(time.Duration); ok {
		return d, nil
	}
	return typedValue(o, v)
}

// sameSpec reports whether two specs ask for the same, secrets opened.
func (s *Service) sameSpec(ctx context.Context, a, b Target) bool {
	if a.Spec.Shared != b.Spec.Shared || a.Spec.Made != b.Spec.Made || !bytes.Equal(a.Spec.Foreign, b.Spec.Foreign) || !SameOptions(a.Spec.Options, b.Spec.Options) || len(a.Spec.Sealed) != len(b.Spec.Sealed) {
		return false
	}
	for path, sealed := range a.Spec.Sealed {
		x, errX := s.Box.Open(ctx, sealed, a.SecretPlace(path))
		y, errY := s.Box.Open(ctx, b.Spec.Sealed[path], b.SecretPlace(path))
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			return false
		}
	}
	return true
}

// sameValue compares option values as JSON: what was read back from the store may have other types.
func sameValue(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// SameOptions reports whether two sets of options are equal, whether or not they were read back from the store.
func SameOptions(a, b map[string]any) bool { return sameValue(orEmpty(a), orEmpty(b)) }

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// references returns the keys of the targets on which t stands, by its own options and by what the inventory said.
func references(kind driver.Kind, t Target) map[string][]store.Key {
	out, options := map[string][]store.Key{}, t.Options()
	for _, o := range kind.Options {
		if o.Type != driver.TargetRef {
			continue
		}
		v := options[o.Path]
		if v == nil {
			v = o.Default
		}
		list, ok := v.([]any)
		if !ok && v != nil {
			list = []any{v}
		}
		for _, name := range list {
			out[o.Path] = append(out[o.Path], KeyOf(t.Workspace, fmt.Sprint(name)))
		}
	}
	return out
}
