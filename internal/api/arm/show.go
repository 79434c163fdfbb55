package arm

import (
	"encoding/json"
	"maps"
	"net/url"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
)

func (a *api) computeID(ws, name string) string {
	return a.workspaceID(ws) + "/computes/" + url.PathEscape(name)
}

// foreignOf returns what this face kept of a target.
func foreignOf(t compute.Target) (f foreign) {
	if len(t.Spec.Foreign) > 0 {
		_ = json.Unmarshal(t.Spec.Foreign, &f) // we wrote it
	}
	return f
}

func merge(into *foreign, f foreign) {
	put := func(dst *map[string]any, src map[string]any) {
		if *dst == nil && len(src) > 0 {
			*dst = map[string]any{}
		}
		maps.Copy(*dst, src)
	}
	if f.Tags != nil {
		into.Tags = f.Tags // ARM replaces tags as a whole
	}
	if f.Identity != nil {
		into.Identity = f.Identity
	}
	put(&into.Outer, f.Outer)
	put(&into.Inner, f.Inner)
}

// wireType returns a target's computeType, "" for one that this face does not show.
func wireType(t compute.Target, kind driver.Kind, f foreign) string {
	switch {
	case t.Workspace == compute.ServerKey.Workspace:
		return ""
	case f.Type != "":
		return f.Type
	case len(kind.ComputeTypes) > 0:
		return kind.ComputeTypes[0]
	}
	return ""
}

func (a *api) shows(t compute.Target) bool {
	return wireType(t, a.kind(t), foreignOf(t)) != ""
}

// kind returns a target's kind. One that this build lacks has no options and no document.
func (a *api) kind(t compute.Target) driver.Kind {
	for _, k := range a.Computes.Kinds {
		if k.Name == t.Kind {
			return k
		}
	}
	return driver.Kind{}
}

func isAttached(kind driver.Kind, typ string) bool {
	if kind.Name != "" {
		return kind.Attached
	}
	known, _ := typeOf(typ)
	return known.attached
}

// show answers with a target, and nil for one that this face does not show. A list holds all of them or
// azureml-core reads none: whatever is missing is null, and whatever fails is left out.
func (a *api) show(t compute.Target, id string) *wireCompute {
	kind, f := a.kind(t), foreignOf(t)
	typ := wireType(t, kind, f)
	if typ == "" {
		return nil
	}
	known, _ := typeOf(typ)
	outer := map[string]any{"description": nil, "resourceId": nil, "disableLocalAuth": nil}
	inner := map[string]any{}
	fill(inner, known.inner)
	fill(inner, f.Inner)
	fill(outer, f.Outer)
	fillOptions(t, kind, outer, inner)
	if kind.Document != nil {
		fill(inner, kind.Document(driver.View{ComputeType: typ, CreatedBy: t.CreatedBy, Made: t.Spec.Made, Options: shownOptions(kind, t), Seen: t.Status.Seen}))
	}
	created := stamp(t.Created)
	outer["computeType"], outer["computeLocation"], outer["isAttachedCompute"] = typ, Location, !t.Spec.Made && isAttached(kind, typ)
	outer["createdOn"], outer["modifiedOn"] = created, stamp(t.Status.Changed)
	outer["provisioningState"], outer["provisioningErrors"] = string(t.Status.State), provisioningErrors(t)
	outer["properties"] = inner
	out := &wireCompute{
		ID: id, Name: t.Name, Type: Provider + "/workspaces/computes", Location: Location, Tags: f.Tags, Identity: f.Identity,
		SystemData: systemDataOf(t.CreatedBy, created), Properties: outer,
	}
	if out.Tags == nil {
		out.Tags = map[string]any{}
	}
	return out
}

// wireCompute is a compute target as ARM shows it. Properties are a map: bodies hold what they like.
type wireCompute struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Location   string         `json:"location"`
	Tags       map[string]any `json:"tags"`
	SKU        any            `json:"sku"`
	Identity   any            `json:"identity,omitempty"`
	SystemData systemData     `json:"systemData"`
	Properties map[string]any `json:"properties"`
}

// fillOptions shows the options that are no secrets where a body has them, what the inventory found among
// them.
func fillOptions(t compute.Target, kind driver.Kind, outer, inner map[string]any) {
	options := t.Options()
	for _, o := range kind.Options {
		v, given := options[o.Path]
		if o.Secret || !given {
			continue
		}
		if _, there := outer[o.Path]; there {
			outer[o.Path] = v
			continue
		}
		plant(inner, strings.Split(o.Path, "."), v)
	}
}

// shownOptions are a target's options with defaults, without the secret ones.
func shownOptions(kind driver.Kind, t compute.Target) map[string]any {
	out, options := map[string]any{}, t.Options()
	for _, o := range kind.Options {
		if o.Secret {
			continue
		}
		v, given := options[o.Path]
		if !given {
			v = o.Default
		}
		if v != nil {
			out[o.Path] = v
		}
	}
	return out
}

func plant(m map[string]any, path []string, v any) {
	if len(path) == 1 {
		m[path[0]] = v
		return
	}
	below, ok := m[path[0]].(map[string]any)
	if !ok {
		below = map[string]any{}
	} else {
		below = maps.Clone(below)
	}
	m[path[0]] = below
	plant(below, path[1:], v)
}

// fill copies what is in src into dst; a value that dst has goes.
func fill(dst, src map[string]any) {
	maps.Copy(dst, src)
}

func provisioningErrors(t compute.Target) any {
	if t.Status.Error == nil {
		return nil
	}
	return []any{map[string]any{"error": toOutcome(t.Status.Error)}}
}
