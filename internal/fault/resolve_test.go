package fault_test

import (
	"go/ast"
	"go/token"
	"slices"
)

// resolver finds the texts that an expression of a package may have: literals, constants, what a
// local variable is set to, and what callers pass for a parameter.
type resolver struct{ pkg *pkg }

func (r resolver) texts(e ast.Expr, fn *ast.FuncDecl, depth int) []string {
	if depth > 4 {
		return nil
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, ok := stringOf(e); ok {
			return []string{s}
		}
	case *ast.ParenExpr:
		return r.texts(e.X, fn, depth)
	case *ast.BinaryExpr:
		return []string{r.shape(e)}
	case *ast.CallExpr: // cmp.Or(x, "Reason")
		if typeName(e.Fun) == "fmt.Sprintf" {
			return []string{r.shape(e)}
		}
		var out []string
		for _, a := range e.Args {
			out = append(out, r.texts(a, fn, depth+1)...)
		}
		return out
	case *ast.SelectorExpr:
		return r.keyed(e.Sel.Name, depth)
	case *ast.Ident:
		if i, ok := paramIndex(fn, e.Name); ok {
			return append(r.passed(fn, i, depth), r.assigned(fn, e.Name, depth)...)
		}
		return append(r.assigned(fn, e.Name, depth), r.constants(e.Name)...)
	}
	return nil
}

func paramIndex(fn *ast.FuncDecl, name string) (int, bool) {
	if fn == nil {
		return 0, false
	}
	i := 0
	for _, field := range fn.Type.Params.List {
		for _, n := range field.Names {
			if n.Name == name {
				return i, true
			}
			i++
		}
	}
	return 0, false
}

// call is a call of a function of the package.
type call struct {
	args []ast.Expr
	in   *ast.FuncDecl
}

func (r resolver) calls(fn *ast.FuncDecl) []call {
	var out []call
	r.inspect(func(n ast.Node, in *ast.FuncDecl) {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		name := typeName(c.Fun)
		if sel, ok := c.Fun.(*ast.SelectorExpr); ok {
			name = sel.Sel.Name
		}
		if name == fn.Name.Name {
			out = append(out, call{c.Args, in})
		}
	})
	return out
}

// passed returns what the package's calls of fn pass as argument i.
func (r resolver) passed(fn *ast.FuncDecl, i, depth int) []string {
	var out []string
	for _, c := range r.calls(fn) {
		if i < len(c.args) {
			out = append(out, r.texts(c.args[i], c.in, depth+1)...)
		}
	}
	return out
}

// perCall returns a site once for each call of its function, with the parameters in its fields
// replaced by what that call passes, so that a reason goes with its own fix.
func (r resolver) perCall(f site) []site {
	id, ok := f.fields["Reason"].(*ast.Ident)
	if !ok {
		return []site{f}
	}
	if _, ok := paramIndex(f.fn, id.Name); !ok {
		return []site{f}
	}
	var out []site
	for _, c := range r.calls(f.fn) {
		g := f
		g.fields, g.fns = map[string]ast.Expr{}, map[string]*ast.FuncDecl{}
		for name, e := range f.fields {
			g.fields[name] = e
			if id, ok := e.(*ast.Ident); ok {
				if i, ok := paramIndex(f.fn, id.Name); ok && i < len(c.args) {
					g.fields[name], g.fns[name] = c.args[i], c.in
				}
			}
		}
		out = append(out, g)
	}
	return out
}

// assigned returns what fn sets a variable to.
func (r resolver) assigned(fn *ast.FuncDecl, name string, depth int) []string {
	var out []string
	if fn == nil {
		return nil
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || len(a.Lhs) != len(a.Rhs) {
			return true
		}
		for i, l := range a.Lhs {
			if typeName(l) == name {
				out = append(out, r.texts(a.Rhs[i], fn, depth+1)...)
			}
		}
		return true
	})
	return out
}

// keyed returns what the package's literals set a field of that name to.
func (r resolver) keyed(name string, depth int) []string {
	var out []string
	if ast.IsExported(name) {
		return nil // another package's field: what it holds was made elsewhere
	}
	r.inspect(func(n ast.Node, in *ast.FuncDecl) {
		if kv, ok := n.(*ast.KeyValueExpr); ok && typeName(kv.Key) == name {
			out = append(out, r.texts(kv.Value, in, depth+1)...)
		}
	})
	return out
}

func (r resolver) constants(name string) []string {
	var out []string
	r.inspect(func(n ast.Node, _ *ast.FuncDecl) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return
		}
		for i, id := range spec.Names {
			if id.Name == name && i < len(spec.Values) {
				if s, ok := stringOf(spec.Values[i]); ok {
					out = append(out, s)
				}
			}
		}
	})
	return out
}

func (r resolver) inspect(visit func(ast.Node, *ast.FuncDecl)) {
	for _, f := range r.pkg.files {
		for _, d := range f.Decls {
			fn, _ := d.(*ast.FuncDecl)
			ast.Inspect(d, func(n ast.Node) bool {
				if n != nil {
					visit(n, fn)
				}
				return true
			})
		}
	}
}

// shape returns the text of an expression with "…" for what is only known when it runs.
func (r resolver) shape(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := stringOf(e)
		return s
	case *ast.Ident:
		if c := r.constants(e.Name); len(c) == 1 {
			return c[0]
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return r.shape(e.X) + r.shape(e.Y)
		}
	case *ast.CallExpr:
		if typeName(e.Fun) == "fmt.Sprintf" && len(e.Args) > 0 {
			return verbs.ReplaceAllString(r.shape(e.Args[0]), "…")
		}
	}
	return "…"
}

// unique returns the sorted different values of list.
func unique(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
