package id

import (
	"fmt"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Resource is an Azure Resource Manager ID, taken apart:
//
//	/subscriptions/S/resourceGroups/G/providers/P/type1/name1/type2/name2
//
// Azure compares IDs without regard to case: use Key to look one up. Names and types keep the
// case they came in, and the fixed words take the one that Azure documents.
type Resource struct {
	Subscription string
	Group        string   // "": a resource of the subscription itself
	Provider     string   // "Microsoft.Compute"; "": the ID of a resource group or a subscription
	Types        []string // "virtualMachines"; as many as Names, from the outermost in
	Names        []string
}

// maxResource bounds an ID in bytes: Azure's longest name, 260, eight levels deep, and its type.
const maxResource = 4096

// ParseResource takes an ID apart. It fails with fault.Invalid, Reason "ResourceIDInvalid".
func ParseResource(s string) (Resource, error) {
	var r Resource
	if len(s) > maxResource {
		return r, invalidResource(s, fmt.Sprintf("it is longer than %d bytes", maxResource))
	}
	rest, ok := strings.CutPrefix(s, "/")
	if !ok {
		return r, invalidResource(s, "it does not start with a slash")
	}
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for _, p := range parts {
		if why := checkSegment(p); why != "" {
			return r, invalidResource(s, why)
		}
	}
	if r.Subscription, parts, ok = cut(parts, "subscriptions"); !ok {
		return r, invalidResource(s, "it does not start with /subscriptions/<ID>")
	}
	r.Group, parts, _ = cut(parts, "resourceGroups")
	if len(parts) == 0 {
		return r, nil
	}
	if r.Provider, parts, ok = cut(parts, "providers"); !ok {
		return Resource{}, invalidResource(s, "after the resource group or subscription comes /providers/<namespace>")
	}
	if len(parts) == 0 || len(parts)%2 != 0 {
		return Resource{}, invalidResource(s, "after the provider come pairs of a type and a name")
	}
	for i := 0; i < len(parts); i += 2 {
		r.Types, r.Names = append(r.Types, parts[i]), append(r.Names, parts[i+1])
	}
	return r, nil
}

// cut takes a fixed word and the name after it from the front of parts.
func cut(parts []string, word string) (name string, rest []string, ok bool) {
	if len(parts) < 2 || !strings.EqualFold(parts[0], word) {
		return "", parts, false
	}
	return parts[1], parts[2:], true
}

// checkSegment says why p can be no part of an ID. Sources: ARM, resource names may not hold
// <>%&\?/ and control characters, and may not end in a space or a full stop.
func checkSegment(p string) string {
	switch {
	case p == "":
		return "a part of it is empty"
	case strings.ContainsAny(p, `<>%&\?#`) || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }):
		return `a part of it holds one of < > % & \ ? #, a control character, or no UTF-8`
	case strings.HasSuffix(p, ".") || strings.TrimSpace(p) != p:
		return "a part of it starts or ends with a space, or ends with a full stop"
	}
	return ""
}

// String returns the ID in its canonical form: fixed words as Azure writes them, no slash at the end.
func (r Resource) String() string {
	var b strings.Builder
	b.WriteString("/subscriptions/" + r.Subscription)
	if r.Group != "" {
		b.WriteString("/resourceGroups/" + r.Group)
	}
	if r.Provider != "" {
		b.WriteString("/providers/" + r.Provider)
	}
	for i := range r.Types {
		b.WriteString("/" + r.Types[i] + "/" + r.Names[i])
	}
	return b.String()
}

// Key returns a form that is equal for all spellings of one ID.
func (r Resource) Key() string { return strings.ToLower(r.String()) }

// Type returns the full type, "Microsoft.Compute/virtualMachines", and "" for what has no provider.
func (r Resource) Type() string {
	if r.Provider == "" {
		return ""
	}
	return r.Provider + "/" + strings.Join(r.Types, "/")
}

// IsType reports whether the resource has the full type t, without regard to case.
func (r Resource) IsType(t string) bool { return strings.EqualFold(r.Type(), t) }

// Name returns the innermost name: that of the resource, its group or its subscription.
func (r Resource) Name() string {
	switch {
	case len(r.Names) > 0:
		return r.Names[len(r.Names)-1]
	case r.Group != "":
		return r.Group
	}
	return r.Subscription
}

func invalidResource(s, why string) error {
	if len(s) > 256 {
		s = s[:256] + "…"
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "ResourceIDInvalid", What: fmt.Sprintf("%q is no resource ID", s), Why: why,
		Fix: "use the form /subscriptions/<ID>/resourceGroups/<group>/providers/<namespace>/<type>/<name>", Field: "resourceId",
	}
}
