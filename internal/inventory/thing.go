package inventory

import (
	"maps"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/id"
)

// Thing is the real thing behind a resource ID, as options of a compute kind by their paths.
type Thing struct {
	ID       string // of its entry, ULID; "" where there is none
	Revision int64  // grows with each change of the entry
	Source   string // who says it: "inventory", the place in the configuration file, "Azure"
	Options  map[string]any
	Secrets  map[string]string // opened
}

// Names reports whether a request says itself where the thing is: it then needs no entry.
func Names(options map[string]any) bool {
	resource, _ := options["resourceId"].(string)
	return names(resource, options)
}

// names reports whether options say where the thing behind a resource ID is. An account of Data Lake Analytics
// is where its store is: the server's own machine computes, if nothing says that another one does.
func names(resourceID string, options map[string]any) bool {
	if store, _ := options["store"].(string); store != "" && isAccount(resourceID) {
		return true
	}
	for _, f := range fields() {
		if f.part != place || slices.Contains([]string{"port", "via", "hostKey", "store", "master", "pool"}, f.name) {
			continue // these say how to get there or what is there, not where it is
		}
		if v, ok := options[f.path].(string); ok && v != "" {
			return true
		}
	}
	return false
}

// isAccount reports whether a resource ID is that of an account of Data Lake Analytics.
func isAccount(resourceID string) bool {
	r, err := id.ParseResource(resourceID)
	return err == nil && r.IsType("Microsoft.DataLakeAnalytics/accounts")
}

// Fill puts what t says into a request for it, which has no place of its own, and returns the whole.
// The place is t's: what the request says of it counts where t is silent. The account is the request's
// where it has a secret, else t's. With t's secrets the way there is all t's: who sends a request
// cannot have them shown to another port or through a jump host of his own. known has the paths of all
// options that there are; others of t's are left out.
func (t Thing) Fill(options map[string]any, secrets map[string]string, known map[string]bool) (map[string]any, map[string]string) {
	outOptions, outSecrets := maps.Clone(options), maps.Clone(secrets)
	if outOptions == nil {
		outOptions = map[string]any{}
	}
	own := false // the request's account counts
	for _, v := range secrets {
		own = own || v != ""
	}
	lends := !own && len(t.Secrets) > 0
	for _, f := range fields() {
		v, ok := t.Options[f.path]
		switch {
		case f.secret || !known[f.path]:
		case f.part == account && own && outOptions[f.path] != nil: // the request's
		case ok:
			outOptions[f.path] = v
		case lends && f.part == place && f.name != "hostKey":
			delete(outOptions, f.path)
		}
	}
	if !lends {
		return outOptions, outSecrets
	}
	outSecrets = map[string]string{}
	for path, v := range t.Secrets {
		if known[path] {
			outSecrets[path] = v
		}
	}
	return outOptions, outSecrets
}
