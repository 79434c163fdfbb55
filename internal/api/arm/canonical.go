package arm

import (
	"net/url"
	"strings"
)

// fixed are the words of paths that are no names, as our routes spell them. Azure compares them without
// regard to case.
var fixed = wordSet(
	"subscriptions", "resourceGroups", "providers", "Microsoft.MachineLearningServices", "Microsoft.Resources", "workspaces",
	"computes", "listKeys", "listNodes", "start", "stop", "restart", "checkComputeNameAvailability", "checkNameAvailability",
	"linkedServices", "locations", "vmSizes", "usages", "resources", "tenants", "operations", "discovery", "operationsStatus",
)

func wordSet(words ...string) map[string]string {
	out := make(map[string]string, len(words))
	for _, w := range words {
		out[strings.ToLower(w)] = w
	}
	return out
}

// Owns reports whether a path belongs to this face.
func Owns(path string) bool {
	first, rest, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	switch strings.ToLower(first) {
	case "subscriptions", "tenants", "discovery", "providers":
		return true
	case "rp":
		second, _, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		return strings.EqualFold(second, "workspaces")
	}
	return false
}

// canonical returns an escaped path in the one form that the routes have: one slash between segments and
// none at the end, fixed words in their case, the prefix /rp/workspaces of reads away, and a :verb as a
// segment of its own. Names stay as they are, to the byte.
func canonical(escaped string) string {
	parts := strings.FieldsFunc(escaped, func(r rune) bool { return r == '/' })
	if len(parts) > 2 && strings.EqualFold(parts[0], "rp") && strings.EqualFold(parts[1], "workspaces") && strings.EqualFold(parts[2], "subscriptions") {
		parts = parts[2:]
	}
	var b strings.Builder
	provider := false
	for i, p := range parts {
		verb := ""
		if i%2 == 0 || provider {
			provider = i%2 == 0 && strings.EqualFold(p, "providers")
			p, verb, _ = strings.Cut(p, ":")
			p = fold(p)
		}
		b.WriteString("/" + p)
		if verb != "" {
			b.WriteString("/:" + verb)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

func fold(word string) string {
	if w, ok := fixed[strings.ToLower(word)]; ok {
		return w
	}
	return word
}

// canonicalURL returns u with its path in canonical form. A path that is not escaped well stays.
func canonicalURL(u *url.URL) *url.URL {
	path := canonical(u.EscapedPath())
	plain, err := url.PathUnescape(path)
	if err != nil {
		return u
	}
	out := *u
	out.Path, out.RawPath = plain, path
	return &out
}
