package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestLayers reads the imports itself: a test that asks "go list" is cached by "go test" and
// stays green after a bad import, because only files that the test opens count as its inputs.
//
// A test file in an external package (package x_test) may import what it likes.
func TestLayers(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	eachFile(t, func(file, pkg string, f *ast.File) {
		seen[pkg] = true
		l, ok := layerOf(pkg)
		if !ok {
			t.Errorf("%s: the package %s is in no layer: add a row to layers_test.go", file, pkg)
			return
		}
		for _, spec := range f.Imports {
			if imp, _ := strconv.Unquote(spec.Path.Value); !l.allows(imp) && !isFree(file, imp) {
				t.Errorf("%s: %s may not import %s", file, pkg, imp)
			}
		}
	})
	if !seen["internal/fault"] || !seen["cmd/zaffre"] || len(seen) < 20 {
		t.Errorf("it read only %d packages", len(seen))
	}
}

// isFree reports whether a test file may import imp though its package may not: a test is no part
// of the binary, so only this module's own layers bind it.
func isFree(file, imp string) bool {
	return strings.HasSuffix(file, "_test.go") && !strings.HasPrefix(imp, module)
}

// eachFile calls visit for each Go file of the module but external tests.
func eachFile(t *testing.T, visit func(file, pkg string, f *ast.File)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || file != root && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if strings.HasSuffix(file, "_test.go") && strings.HasSuffix(f.Name.Name, "_test") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		visit(file, filepath.ToSlash(rel), f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTable tries imports that the layers forbid or allow.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pkg, imp string
		want     bool
	}{
		{"internal/fault", module + "internal/id", false},
		{"internal/id", module + "internal/fault", true},
		{"internal/conda", module + "internal/driver", false},
		{"internal/conda", "go.yaml.in/yaml/v3", true},
		{"internal/source", module + "internal/fault", true},
		{"internal/source", module + "internal/driver", false},
		{"internal/source", module + "internal/snapshot", false},

		{"internal/identity", module + "internal/workspace", false},
		{"internal/workspace", module + "internal/identity", true},
		{"internal/compute", module + "internal/run", false},
		{"internal/compute", module + "internal/environment", false},
		{"internal/environment", module + "internal/compute", true},
		{"internal/run", module + "internal/environment", true},
		{"internal/run", module + "internal/sweep", false},
		{"internal/pipeline", module + "internal/sweep", true},
		{"internal/run", module + "internal/image", true},
		{"internal/image", module + "internal/run", false},
		{"internal/image", module + "internal/oci", true},
		{"internal/image", "net/http", false},
		{"internal/oci", module + "internal/image", false},
		{"internal/driver/kubernetes", module + "internal/image", false},
		{"internal/driver/kubernetes", module + "internal/uvx", true},
		{"internal/run", module + "internal/snapshot", true},
		{"internal/run", module + "internal/router", false},
		{"internal/run", module + "internal/domaintest", false},
		{"internal/run", module + "internal/source", false},
		{"internal/run", "net/http", false},
		{"internal/run", "database/sql", false},
		{"internal/run", "k8s.io/client-go/rest", false},
		{"internal/run", "log/slog", true},

		{"internal/driver", module + "internal/store", false},
		{"internal/driver/all", module + "internal/driver/local", true},
		{"internal/driver/hdinsight", module + "internal/driver/sshvm", false},
		{"internal/driver/hdinsight", module + "internal/driver/internal/livy", true},
		{"internal/driver/sshvm", module + "internal/compute", false},
		{"internal/driver/sshvm", module + "internal/snapshot", false},
		{"internal/driver/kubernetes", "k8s.io/client-go/dynamic", true},
		{"internal/driver/internal/agentx", module + "internal/agent/wire", true},
		{"internal/driver/internal/agentx", module + "internal/agent", false},
		{"internal/agent", module + "internal/agent/wire", true},
		{"internal/agent", module + "internal/agent/envbuild", true},
		{"internal/agent", module + "internal/driver", false},
		{"internal/agent", "modernc.org/sqlite", false},
		{"internal/agent/envbuild", module + "internal/conda", true},
		{"internal/agent/envbuild", module + "internal/agent", false},

		{"internal/store/sqlstore", module + "internal/run", true},
		{"internal/store/sqlstore", module + "internal/api/arm", false},
		{"internal/store/sqlstore", "database/sql", true},
		{"internal/store/storetest", module + "internal/run", true},
		{"internal/store/storetest", module + "internal/store/sqlstore", false},
		{"internal/store/faultsql", "database/sql/driver", true},
		{"internal/reconcile", module + "internal/run", false},
		{"internal/snapshot", module + "internal/blob", true},
		{"internal/blob", module + "internal/snapshot", false},

		{"internal/api/native", module + "client", true},
		{"internal/api/native", "net/http", true},
		{"internal/api/arm", module + "client", false},
		{"internal/api/arm", module + "internal/api/mlflow", false},
		{"internal/api/arm", module + "internal/api/native", false},
		{"internal/api/arm", module + "internal/driver/sshvm", false},
		{"internal/api/arm", module + "internal/router", false},
		{"internal/api/arm", "database/sql", false},
		{"internal/api/v1/history", module + "internal/run", true},
		{"internal/api/v1/history", module + "internal/api/v1/wire", true},
		{"internal/api/httpx", module + "internal/run", false},

		{"internal/server", module + "internal/driver/all", true},
		{"internal/server", module + "internal/api/native", true},
		{"internal/server", module + "internal/azure", true},
		{"internal/inventory", module + "internal/azure", false},
		{"internal/inventory", "github.com/Azure/azure-sdk-for-go/sdk/azcore", false},
		{"internal/azure", "github.com/Azure/azure-sdk-for-go/sdk/azcore", true},
		{"internal/azure", module + "internal/inventory", false},
		{"internal/server", module + "internal/cli", false},
		{"internal/server", module + "internal/cli/run", false},
		{"internal/cli", module + "internal/config", true},
		{"internal/cli/run", module + "client", true},
		{"internal/cli/run", module + "internal/source", true},
		{"internal/cli/compute", module + "internal/compute", false},
		{"internal/cli/run", module + "internal/server", false},
		{"client", module + "internal/api/native", false},
		{"client", module + "internal/run", false},
		{"cmd/zaffre", module + "internal/agent", true},
		{"cmd/zaffre", module + "internal/run", false},
		{"cmd/zaffre-agent", module + "internal/agent", true},
		{"cmd/zaffre-agent", module + "internal/server", false},
	} {
		l, ok := layerOf(c.pkg)
		if got := ok && l.allows(c.imp); got != c.want {
			t.Errorf("%s may import %s: %v, want %v", c.pkg, c.imp, got, c.want)
		}
	}
	if _, ok := layerOf("internal/util"); ok {
		t.Error("a package in no row has a layer")
	}
}

// TestDomainIsWhole checks that each domain package has a row of its own in the table.
func TestDomainIsWhole(t *testing.T) {
	t.Parallel()
	for i, pkg := range domain {
		l, ok := layerOf(pkg)
		if !ok || l.pkg != pkg {
			t.Errorf("%s has the row of %q", pkg, l.pkg)
		}
		for j, other := range domain {
			if i != j && l.allows(module+other) != (j < i) {
				t.Errorf("%s may import %s: %v", pkg, other, !(j < i))
			}
		}
	}
}
