package usql

import (
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// where compiles WHERE. Its parts that cannot fail stand alone, so that DuckDB joins by them and computes them
// early; the others are computed for the rows that those and the joins leave.
func (s *selecting) where() string {
	if s.q.Where == nil {
		s.wantFiles(nil)
		return ""
	}
	parts := conjuncts(s.q.Where)
	s.wantFiles(parts)
	calm := s.conditions(parts, func(v value) bool { return !s.risky(v) })
	noted := len(s.faults)
	risky := s.conditions(parts, s.risky)
	s.faults = s.faults[:noted] // the same as those of the first time
	if len(risky) == 0 {
		return " WHERE " + strings.Join(calm, " AND ")
	}
	guard := append(s.joined(), calm...)
	sql := risky[len(risky)-1]
	for i := len(risky) - 2; i >= 0; i-- {
		sql = "CASE WHEN " + risky[i] + " THEN " + sql + " ELSE FALSE END"
	}
	if len(guard) > 0 {
		sql = "CASE WHEN " + strings.Join(guard, " AND ") + " THEN " + sql + " ELSE FALSE END"
	}
	return " WHERE " + strings.Join(append(calm, "("+sql+")"), " AND ")
}

// conditions compiles the parts that are wanted.
func (s *scope) conditions(parts []syntax.Expr, wanted func(value) bool) (out []string) {
	for _, e := range parts {
		if v := s.to(s.expr(e), plain(dotnet.Bool), e.Place()); wanted(v) {
			out = append(out, v.sql)
		}
	}
	return out
}

// risky reports whether a condition may end the run for a row that others leave out. One that compares two
// rowsets and can only be too large for a number is not: it may be what they are joined by.
func (s *selecting) risky(v value) bool {
	if !v.throws || placed.MatchString(v.sql) {
		return v.throws
	}
	for _, r := range v.refs {
		if r.source != v.refs[0].source {
			return false
		}
	}
	return true
}

// joined is a condition that is always true and reads all rowsets of FROM: what stands behind it is not
// computed before they are joined.
func (s *selecting) joined() []string {
	if len(s.sources) < 2 {
		return nil
	}
	var cols []string
	for _, src := range s.sources {
		cols = append(cols, src.sql+"."+name(src.cols[0].name))
	}
	return []string{"hash(" + strings.Join(cols, ", ") + ") IS NOT NULL"}
}
