package usql

import (
	"fmt"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// sourcesOf compiles FROM with its joins; it returns false where a rowset has faults.
func (s *selecting) sourcesOf() bool {
	ok := true
	for _, f := range s.q.From {
		src, good := s.source(f, len(s.sources)+1)
		ok = ok && good
		if good && s.hasAlias(src.alias) {
			s.note(invalid("NameTaken", f.At, "two rowsets in FROM have the name "+src.alias, "their columns could not be told apart", "give one of them an alias with AS"))
		}
		s.sources = append(s.sources, src)
	}
	if !ok {
		return false
	}
	for i, f := range s.q.From {
		s.join(f, i)
	}
	return true
}

// join writes one rowset of FROM, and marks those that it may fill with nulls.
func (s *selecting) join(f syntax.Source, i int) {
	src := s.sources[i]
	text := src.rows.view + " AS " + src.sql
	if f.Join == "" {
		s.from = text
		return
	}
	s.from += " " + f.Join + " JOIN " + text
	if f.On != nil {
		// The condition sees what is joined so far, before this join fills anything.
		on := &scope{compiler: s.compiler, sources: s.sources[:i+1]}
		s.from += " ON " + strings.Join(on.conditions(conjuncts(f.On), func(value) bool { return true }), " AND ")
	}
	for n := range s.sources[:i] {
		s.sources[n].padded = s.sources[n].padded || f.Join == "RIGHT" || f.Join == "FULL"
	}
	s.sources[i].padded = f.Join == "LEFT" || f.Join == "FULL"
}

func (s *selecting) source(f syntax.Source, n int) (source, bool) {
	out := source{alias: f.Alias, sql: fmt.Sprintf("s%d", n)}
	r, ok := s.rowsets[f.Rowset]
	switch {
	case f.Rowset != "" && !ok:
		s.note(invalid("NameUnknown", f.At, "there is no rowset @"+f.Rowset, "no statement before this one gives it rows", s.rowsetFix(f.Rowset)))
		return out, false
	case f.Rowset == "":
		r = s.inner(f)
	}
	if r == nil || r.cols == nil {
		return out, false
	}
	if out.alias == "" && f.Rowset != "" {
		out.alias = "@" + f.Rowset
	}
	out.rows, out.cols = r, r.cols
	s.out.uses = append(s.out.uses, r)
	if _, values := f.Query.(*syntax.Values); f.Columns != nil && !values {
		s.note(refused(f.At, "an alias with names of columns for a query", "name the columns with AS in the query"))
		return out, false
	}
	return out, true
}

func (s *selecting) rowsetFix(name string) string {
	for have := range s.rowsets {
		if strings.EqualFold(have, name) {
			return "write @" + have + ": names are the same only in the same case"
		}
	}
	return "define it before: @" + name + " = …"
}

func (s *selecting) inner(f syntax.Source) *rowset {
	if v, ok := f.Query.(*syntax.Values); ok {
		return s.values(v, f.Columns)
	}
	return s.query(f.Query)
}

// anyAggregate reports whether a query without GROUP BY has an aggregate.
func anyAggregate(q *syntax.Select) bool {
	for _, i := range q.Items {
		if hasAggregate(i.Value) {
			return true
		}
	}
	return hasAggregate(q.Having)
}

func hasAggregate(e syntax.Expr) bool {
	found := false
	syntax.Walk(e, func(e syntax.Expr) {
		if c, ok := e.(*syntax.Call); ok {
			n, ok := c.F.(*syntax.Name)
			found = found || ok && c.Over == nil && syntax.IsAggregate(n.Name)
		}
	})
	return found
}
