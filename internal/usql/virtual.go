package usql

import (
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// conjuncts splits a condition at its ANDs.
func conjuncts(e syntax.Expr) []syntax.Expr {
	if b, ok := e.(*syntax.Binary); ok && (b.Op == "&&" || b.Op == "AND") {
		return append(conjuncts(b.X), conjuncts(b.Y)...)
	}
	if e == nil {
		return nil
	}
	return []syntax.Expr{e}
}

// wantFiles tells the inputs among the sources which files this query wants: those for which the parts of its
// condition that are about virtual columns alone are true. A query without such a part wants all.
func (s *selecting) wantFiles(parts []syntax.Expr) {
	for i, src := range s.sources {
		if src.rows.input == nil || len(src.rows.input.Virtual) == 0 {
			continue
		}
		var want []string
		for _, e := range parts {
			if sql, ok := s.onFiles(e, i); ok && !src.padded {
				want = append(want, sql)
			}
		}
		if len(want) == 0 {
			want = []string{"TRUE"}
		}
		src.rows.wants = append(src.rows.wants, strings.Join(want, " AND "))
	}
}

// onFiles compiles a part of a condition over the virtual columns of one source; ok is false if it reads
// others, or may fail.
func (s *selecting) onFiles(e syntax.Expr, i int) (sql string, ok bool) {
	noted := len(s.faults)
	v := s.expr(e)
	if len(s.faults) > noted || len(v.refs) == 0 || v.throws || v.t.Kind != dotnet.Bool {
		s.faults = s.faults[:noted]
		return "", false
	}
	for _, r := range v.refs {
		if r.source != i || !virtualIn(s.sources[i].cols, r.column) {
			return "", false
		}
	}
	alone := s.sources[i]
	alone.sql = "f"
	return (&scope{compiler: s.compiler, sources: []source{alone}}).expr(e).sql, true
}

func virtualIn(cols []column, name string) bool {
	for _, c := range cols {
		if c.name == name {
			return c.virtual
		}
	}
	return false
}

// filter is what any reader wants; "" is all files.
func (r *rowset) filter() string {
	for _, w := range r.wants {
		if w == "TRUE" {
			return ""
		}
	}
	if len(r.wants) == 0 {
		return ""
	}
	return "(" + strings.Join(r.wants, ") OR (") + ")"
}

// wantAll says that a reader wants all files.
func (r *rowset) wantAll() {
	if r.input != nil {
		r.wants = append(r.wants, "TRUE")
	}
}
