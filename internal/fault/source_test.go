package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/zaffre-ml/zaffre/"

// pkg is a parsed package without its tests.
type pkg struct {
	path  string // below the module
	files map[string]*ast.File
}

// site is a composite literal of a fault.
type site struct {
	pkg    *pkg
	fn     *ast.FuncDecl // that it stands in; nil: none
	pos    token.Position
	fields map[string]ast.Expr
	fns    map[string]*ast.FuncDecl // where a field's words stand, if not in fn
	wire   bool                     // a client.Fault, whose words have other names
}

// texts returns the texts that a field may have.
func (f site) texts(name string) []string {
	fn, ok := f.fns[name]
	if !ok {
		fn = f.fn
	}
	return (resolver{f.pkg}).texts(f.fields[name], fn, 0)
}

// source is the whole module, and the faults in it.
type source struct {
	pkgs  map[string]*pkg
	sites []site
	err   error
}

// read parses the module once for all tests.
var read = sync.OnceValue(func() source {
	s := source{pkgs: map[string]*pkg{}}
	files := token.NewFileSet()
	root := filepath.Join("..", "..")
	s.err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || file != root && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		p := filepath.ToSlash(dir)
		if s.pkgs[p] == nil {
			s.pkgs[p] = &pkg{path: p, files: map[string]*ast.File{}}
		}
		s.pkgs[p].files[file] = f
		s.sites = append(s.sites, sitesOf(s.pkgs[p], f, files)...)
		return err
	})
	return s
})

func parsed(t *testing.T) source {
	t.Helper()
	s := read()
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s
}

// sitesOf finds the literals of fault.Error and client.Fault in a file.
func sitesOf(p *pkg, f *ast.File, files *token.FileSet) []site {
	types := map[string]bool{}
	if n, ok := importName(f, "internal/fault"); ok {
		types[n+".Error"] = false
	}
	if n, ok := importName(f, "client"); ok {
		types[n+".Fault"] = true
	}
	switch p.path {
	case "internal/fault":
		types["Error"] = false
	case "client":
		types["Fault"] = true
	}
	var out []site
	for _, decl := range f.Decls {
		fn, _ := decl.(*ast.FuncDecl)
		ast.Inspect(decl, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if wire, ok := types[typeName(lit.Type)]; ok {
				out = append(out, site{pkg: p, fn: fn, pos: files.Position(lit.Pos()), fields: fieldsOf(lit), wire: wire})
			}
			return true
		})
	}
	return out
}

func importName(f *ast.File, path string) (string, bool) {
	for _, spec := range f.Imports {
		if spec.Path.Value != strconv.Quote(module+path) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name, true
		}
		return path[strings.LastIndexByte(path, '/')+1:], true
	}
	return "", false
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	}
	return ""
}

func fieldsOf(lit *ast.CompositeLit) map[string]ast.Expr {
	fields := map[string]ast.Expr{}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			fields[typeName(kv.Key)] = kv.Value
		}
	}
	return fields
}

var camelCase = regexp.MustCompile(`^[A-Z][a-zA-Z0-9]+$`)

// TestEveryFaultIsComplete walks the source of the module: a fault without one of its five words
// leaves somebody without an answer.
func TestEveryFaultIsComplete(t *testing.T) {
	t.Parallel()
	s := parsed(t)
	n := 0
	for _, f := range s.sites {
		if f.wire {
			continue
		}
		n++
		for _, name := range []string{"Code", "Reason", "What", "Why", "Fix"} {
			if e, ok := f.fields[name]; !ok || isEmpty(e) {
				t.Errorf("%s: the fault lacks %s", f.pos, name)
			}
		}
		if lit, ok := stringOf(f.fields["Reason"]); ok && !camelCase.MatchString(lit) {
			t.Errorf("%s: the reason %q is not CamelCase", f.pos, lit)
		}
		if lit, ok := stringOf(f.fields["What"]); ok && strings.HasSuffix(lit, ".") {
			t.Errorf("%s: What ends in a full stop: %q", f.pos, lit)
		}
	}
	if n < 50 {
		t.Errorf("it found only %d faults", n)
	}
}

func isEmpty(e ast.Expr) bool {
	s, ok := stringOf(e)
	return ok && s == ""
}

// stringOf returns the value of a string literal.
func stringOf(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
