package frame

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
)

// Pairs is a flag of the form KEY=VALUE that may be given more than once.
type Pairs struct{ Into *map[string]string }

// String returns "": help shows no default.
func (p *Pairs) String() string { return "" }

// Type is how help names the value.
func (p *Pairs) Type() string { return "K=V" }

// Set adds a pair.
func (p *Pairs) Set(s string) error {
	k, v, ok := strings.Cut(s, "=")
	if !ok || k == "" {
		return errors.New("it is not of the form KEY=VALUE")
	}
	if *p.Into == nil {
		*p.Into = map[string]string{}
	}
	(*p.Into)[k] = v
	return nil
}

// Options is a flag of the form PATH=VALUE, for what is said to the engine behind a target. A path that is given
// again makes a list.
type Options struct{ Into *map[string]any }

// String returns "": help shows no default.
func (o Options) String() string { return "" }

// Type is how help names the value.
func (o Options) Type() string { return "PATH=VALUE" }

// Set adds a value.
func (o Options) Set(s string) error {
	path, value, ok := strings.Cut(s, "=")
	if !ok || path == "" {
		return errors.New("it is not of the form PATH=VALUE")
	}
	if *o.Into == nil {
		*o.Into = map[string]any{}
	}
	switch before := (*o.Into)[path].(type) {
	case nil:
		(*o.Into)[path] = value
	case []any:
		(*o.Into)[path] = append(before, value)
	default:
		(*o.Into)[path] = []any{before, value}
	}
	return nil
}

// PairText writes pairs in the order of their keys.
func PairText(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, " ")
}

// ModelNames lists the registered models of the workspace.
func (a *App) ModelNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.Model], error) {
		return s.Models(ctx, s.WS, client.Cursor{Limit: 200})
	}, func(m client.Model) string { return m.Name })
}
