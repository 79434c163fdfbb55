package archtest

import (
	"path"
	"slices"
	"strings"
)

const module = "github.com/zaffre-ml/zaffre/"

// web is what only faces and clients may speak, db only sqlstore; heavy belongs to kinds and to
// sqlstore.
var (
	web   = []string{"net/http", "net/http/...", "html/template"}
	db    = []string{"database/sql", "database/sql/...", "github.com/jackc/...", "github.com/pressly/..."}
	heavy = []string{"k8s.io/...", "github.com/Azure/...", "modernc.org/..."}
	// shells is what only the CLI shows itself with.
	shells = []string{"github.com/spf13/...", "github.com/vbauerster/...", "golang.org/x/term"}
	all    = slices.Concat(web, db, heavy, shells)
)

// The packages by the names that the rows use.
var (
	leaves = []string{"internal/fault", "internal/id", "internal/conda", "internal/pyhook", "internal/relay"}
	base   = with(leaves, "internal/driver", "internal/store", "internal/reconcile", "internal/event",
		"internal/secret", "internal/blob", "internal/metric", "internal/object", "internal/snapshot", "internal/run/query", "internal/oci", "internal/uvx")
	// domain is in its order: a package may import those before it.
	domain = []string{
		"internal/identity", "internal/workspace", "internal/inventory", "internal/data", "internal/model",
		"internal/compute", "internal/environment", "internal/image", "internal/run", "internal/sweep", "internal/pipeline", "internal/deploy",
	}
	face     = slices.Concat(base, domain, []string{"internal/api/httpx"})
	kind     = with(leaves, "internal/driver", "internal/driver/drivertest", "internal/driver/internal/...", "internal/agent/carry", "internal/uvx")
	anything = []string{"client", "examples", "internal/...", "test/..."}
)

// A layer is one row: a package may import packages that match may, and those below its own
// folder, and nothing else of this module. The first row that matches wins.
type layer struct {
	pkg string   // path.Match pattern without the module's name; a trailing /... matches all below too
	may []string // patterns
	ban []string // full import paths that are banned
}

// layers returns the rows, bottom up; the domain's follow from its order.
func layers() []layer {
	rows := []layer{
		{"internal/fault", nil, all},
		{"internal/id", leaves[:1], all},
		{"internal/conda", leaves[:1], all},
		{"internal/pyhook", nil, all},
		{"internal/relay", nil, all},   // a table
		{"internal/azureml", nil, all}, // a table
		{"internal/pyscan", with(leaves, "internal/azureml"), all},
		{"internal/usql/...", with(leaves, "internal/usql/..."), all}, // a language, which the agent may run
		{"internal/source", leaves, all},                              // of the client: it knows nothing of a server

		{"internal/uvx", leaves, all}, // the server's own uv
		{"internal/oci", with(leaves, "internal/driver"), slices.Concat(db, heavy, shells)}, // images: it speaks to registries

		{"internal/driver", leaves, all},
		{"internal/driver/drivertest", with(leaves, "internal/driver"), slices.Concat(db, shells)},
		{"internal/driver/all", []string{"internal/driver", "internal/driver/*"}, all},
		{"internal/driver/internal/...", with(leaves, "internal/driver", "internal/driver/internal/...", "internal/agent/wire", "internal/agent/carry", "internal/uvx"), slices.Concat(db, shells)},
		{"internal/driver/adla", with(kind, "internal/usql/..."), slices.Concat(db, shells)}, // its runs are scripts of that language
		{"internal/driver/*", kind, slices.Concat(db, shells)},
		{"internal/driver/*/internal/*", kind, slices.Concat(db, shells)}, // a kind that has several ways to its engine

		{"internal/agent/wire", leaves, all},
		{"internal/agent/carry", nil, all},
		{"internal/agent/envbuild", with(leaves, "internal/agent/wire"), slices.Concat(db, heavy, shells)},
		{"internal/agent", with(leaves, "internal/agent/wire"), slices.Concat(db, heavy, shells)},

		{"internal/store", leaves, all},
		{"internal/store/sqlstore", slices.Concat(base, domain), slices.Concat(web, shells)},
		{"internal/store/storetest", slices.Concat(base, domain), slices.Concat(web, shells)},
		{"internal/store/faultsql", leaves, slices.Concat(web, shells)}, // an SQL driver that dies, for tests
		{"internal/reconcile", with(leaves, "internal/store"), all},
		{"internal/secret", leaves, all},
		{"internal/blob", leaves, slices.Concat(db, shells)},
		{"internal/metric", with(leaves, "internal/store"), all},
		{"internal/snapshot", with(leaves, "internal/driver", "internal/blob"), all},
		{"internal/object", with(leaves, "internal/store", "internal/blob"), all},
		{"internal/run/query", leaves, all},                                          // a language: faces and stores speak it
		{"internal/event", with(leaves, "internal/store", "internal/identity"), all}, // it asks who may read
		// For tests only: no row names it, so no package but an external test can import it.
		{"internal/domaintest", slices.Concat(base, domain, []string{"internal/store/sqlstore", "internal/store/faultsql", "internal/driver/fake"}), web},

		{"internal/image/imagetest", slices.Concat(base, domain, []string{"internal/store/sqlstore", "internal/api/httpx", "internal/api/registry"}), db},

		{"internal/api/httpx", with(base, "internal/identity"), slices.Concat(db, shells)},
		{"internal/api/native", with(face, "client"), slices.Concat(db, shells)}, // the client's types are the wire
		{"internal/api/v1/...", with(face, "internal/api/v1/..."), slices.Concat(db, shells)},
		{"internal/api/*", face, slices.Concat(db, shells)},
		{"internal/ui", face, slices.Concat(db, shells)},
		{"internal/router", face, slices.Concat(db, shells)},

		{"internal/azure", leaves, slices.Concat(db, shells)}, // asks real Azure; only the server imports it
		{"internal/config", leaves, all},
		{"internal/server", anything, []string{module + "internal/cli/..."}},
		{"internal/cli/...", with(leaves, "client", "examples", "internal/cli/...", "internal/config", "internal/source", "internal/azureml", "internal/pyscan", "internal/usql/..."), slices.Concat(db, heavy)},
		{"client", with(leaves, "internal/source"), slices.Concat(db, heavy, shells)},
		{"examples", nil, all},
		{"cmd/zaffre", []string{"internal/cli", "internal/server", "internal/agent", "internal/usql/job"}, all},
		{"cmd/zaffre-usql", []string{"internal/usql/job"}, all},
		{"cmd/zaffre-agent", []string{"internal/agent"}, all},

		{"internal/archtest", nil, all},
		{"test/...", anything, nil}, // programs that measure and torture what is built
	}
	for i, pkg := range domain {
		rows = append(rows, layer{pkg, slices.Concat(base, domain[:i]), all})
	}
	return rows
}

// layerOf returns the row of a package of this module, with what lies below its folder added.
func layerOf(pkg string) (layer, bool) {
	for _, l := range layers() {
		if match(l.pkg, pkg) {
			l.may = with(l.may, pkg+"/...")
			return l, true
		}
	}
	return layer{}, false
}

// allows reports whether the row lets its package import imp, a full import path.
func (l layer) allows(imp string) bool {
	in, ours := strings.CutPrefix(imp, module)
	return !matchAny(l.ban, imp) && (!ours || matchAny(l.may, in))
}

func with(list []string, more ...string) []string { return slices.Concat(list, more) }

func matchAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, s) })
}

func match(pattern, s string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return s == base || strings.HasPrefix(s, base+"/")
	}
	ok, _ := path.Match(pattern, s)
	return ok
}
