package sqlstore

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/run/query"
)

// statement writes the question from a source.
func (s *search) statement(from source, n int) (string, []any) {
	w := &where{}
	tables, order := "run r", ""
	switch {
	case from.clause != nil:
		tables = s.drive(w, "d", *from.clause) + " d CROSS JOIN run r"
		w.and("r.id = d.run")
	case from.phase != nil:
		tables, order = s.phase(w, *from.phase)
	}
	for i, o := range s.f.Order {
		if from.phase == nil || i > 0 {
			tables += leftJoin(w, alias(i), o)
		}
	}
	s.filter(w, from)
	s.behind(w, from)
	var names []string
	for _, c := range s.columns {
		names = append(names, c.in(from))
	}
	text := `SELECT r.id, ` + strings.Join(names, ", ") + ` FROM ` + tables + w.text() + ` ORDER BY ` + order + s.orderBy(from)
	return text + ` LIMIT ` + w.arg(n), w.args
}

// filter adds what a run must meet, in a form that leaves the choice of the index to the source.
func (s *search) filter(w *where, from source) {
	form, postgres := "r.%s || ''", s.db.Engine() != "sqlite"
	switch {
	case s.f.Workspace == "":
	case postgres: // it knows its tables: what hides an index misleads it
		form = "r.%s"
		w.and("r.workspace =", s.f.Workspace)
	case from.clause != nil || from.phase != nil && *from.phase < s.missing():
		w.and("r.workspace || '' =", s.f.Workspace) // the run is found by its ID
	default:
		w.and("r.workspace =", s.f.Workspace)
	}
	if from.scope {
		form = "r.%s"
	}
	s.scope(w, form)
	w.view("r.deleted", s.f.Deleted)
	c := s.conditions(w)
	switch { // what needs no look at the run comes before it
	case from.clause != nil:
		c.id = "d.run"
	case from.phase != nil && *from.phase < s.missing():
		c.id = alias(0) + ".run"
	}
	if s.f.Tag != "" {
		w.and(c.clause(tagClause(s.f.Tag)))
	}
	for _, q := range s.f.Where {
		if from.clause == nil || !sameClause(q, *from.clause) {
			w.and(c.clause(q))
		}
	}
}

func sameClause(a, b query.Clause) bool {
	return a.Field == b.Field && a.Name == b.Name && a.Op == b.Op && a.Value == b.Value && a.Number == b.Number && len(a.Values)+len(b.Values) == 0
}

// phase selects the rows of the metric or label of the first column, or the runs without any, and returns
// what sorts by an index before the columns do.
func (s *search) phase(w *where, class int64) (tables, order string) {
	o := s.f.Order[0]
	a, table, has := alias(0), "run_label", ""
	if o.Field == query.Metric {
		table, has = "metric", " AND (x.value IS NOT NULL OR "+notNumber("x")+")"
	}
	kind := ""
	if o.Field != query.Metric {
		kind = ".kind = '" + string(o.Field) + "' AND "
	}
	of := func(alias string) string {
		if kind == "" {
			return alias + ".name = "
		}
		return alias + kind + alias + ".name = "
	}
	if class == s.missing() {
		w.and("NOT EXISTS (SELECT 1 FROM " + table + " x WHERE x.run = r.id AND " + of("x") + w.arg(o.Name) + has + ")")
		return "run r", ""
	}
	if s.f.Workspace != "" {
		w.and(a+".workspace =", s.f.Workspace)
	}
	w.and(of(a) + w.arg(o.Name))
	w.and("r.id = " + a + ".run")
	switch {
	case o.Field != query.Metric:
		order = head(a) + direction(o.Desc) + ", "
	case class == 0:
		w.and(a + ".value IS NOT NULL")
	default:
		w.and(notNumber(a))
	}
	return table + " " + a + " CROSS JOIN run r", order
}

// missing is the class of runs that lack the first column.
func (s *search) missing() int64 {
	if s.f.Order[0].Field == query.Metric {
		return 2
	}
	return 1
}

// orderBy sorts by the columns; by the index of the walk only where that is the source.
func (s *search) orderBy(from source) string {
	var parts []string
	for i, c := range s.columns {
		if from.phase != nil && (i == 0 || i == 1 && *from.phase > 0) {
			continue // the same for all
		}
		expr := c.in(from)
		if expr == "r.started" && (from.clause != nil || from.scope) {
			expr = "r.started + 0" // not by the index of the walk
		}
		parts = append(parts, expr+direction(c.desc))
	}
	return strings.Join(parts, ", ")
}

func direction(desc bool) string {
	if desc {
		return " DESC"
	}
	return ""
}

// behind selects what comes after the last run of the page before.
func (s *search) behind(w *where, from source) {
	if s.after == nil {
		return
	}
	first := 0
	if from.phase != nil {
		if s.after[0].(int64) < *from.phase {
			return // all of this phase
		}
		if first = 1; *from.phase > 0 {
			first = 2
		}
	}
	marks := make([]string, len(s.columns))
	for i := first; i < len(s.columns); i++ {
		marks[i] = s.columns[i].mark(w, s.after[i])
	}
	w.and(fmt.Sprintf("%s %s %s", s.columns[first].in(from), s.columns[first].compare()+"=", marks[first])) // for the index
	var ways []string
	for i := first; i < len(s.columns); i++ {
		way := ""
		for j := first; j < i; j++ {
			way += s.columns[j].in(from) + " = " + marks[j] + " AND "
		}
		ways = append(ways, way+s.columns[i].in(from)+" "+s.columns[i].compare()+" "+marks[i])
	}
	w.and("(" + strings.Join(ways, " OR ") + ")")
}

// mark adds the value of a position.
func (c positionColumn) mark(w *where, v any) string {
	if c.float {
		return "CAST(" + w.arg(v) + " AS DOUBLE PRECISION)"
	}
	return w.arg(v)
}

// parsePosition reads a cursor of a search: numbers are whole, and floats are text.
func parsePosition(cursor string, columns []positionColumn) ([]any, error) {
	position, err := parseCursor(cursor, len(columns))
	if err != nil {
		return nil, err
	}
	for i, c := range columns {
		text, isText := position[i].(string)
		if c.float && isText {
			if position[i], err = strconv.ParseFloat(text, 64); err != nil {
				return nil, badCursor(err)
			}
		} else if c.text != isText {
			return nil, badCursor(nil)
		}
	}
	return position, nil
}
