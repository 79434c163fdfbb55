package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// few is how many runs a search looks up one by one. Where each of its clauses holds for more, it walks the
// runs in the order of the answer instead: so many will not be far apart.
const few = 2000

// List implements store.Repo, and the search.
func (r runs) List(ctx context.Context, f run.Filter, p store.Page) ([]run.Run, string, error) {
	if len(f.Where)+len(f.Order)+len(f.Experiments) == 0 {
		return r.repo.List(ctx, f, p)
	}
	s := &search{db: r.db, f: f, columns: positionOf(f.Order), size: pageSize(p.Limit)}
	if p.Cursor != "" {
		var err error
		if s.after, err = parsePosition(p.Cursor, s.columns); err != nil {
			return nil, "", err
		}
	}
	found, err := s.find(ctx)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(found) > s.size {
		found = found[:s.size]
		next = cursor(found[s.size-1].position)
	}
	items, err := r.documents(ctx, found)
	return items, next, err
}

// hit is a run that a search found.
type hit struct {
	id       string
	position []any
}

// search is one question. Each statement that answers a part of it is made for itself: its text depends on
// what is asked.
type search struct {
	db      *DB
	f       run.Filter
	columns []positionColumn
	after   []any // position of the last run of the page before; nil: from the start
	size    int
}

// documents reads the runs that were found; one that was removed since is left out.
func (r runs) documents(ctx context.Context, found []hit) ([]run.Run, error) {
	ids := make([]string, len(found))
	for i, h := range found {
		ids[i] = h.id
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	text := `SELECT doc FROM run WHERE id IN (SELECT value FROM json_each($1))`
	if r.db.Engine() != "sqlite" {
		text = `SELECT doc FROM run WHERE id IN (SELECT jsonb_array_elements_text($1::jsonb))`
	}
	read, err := r.collect(ctx, text, []any{string(list)})
	if err != nil {
		return nil, err
	}
	byID := make(map[string]run.Run, len(read))
	for _, v := range read {
		byID[v.ID] = v
	}
	items := make([]run.Run, 0, len(found))
	for _, id := range ids {
		if v, ok := byID[id]; ok {
			items = append(items, v)
		}
	}
	return items, nil
}

// find returns up to size+1 runs in the order of the answer.
func (s *search) find(ctx context.Context) ([]hit, error) {
	best, err := s.choose(ctx)
	if err != nil {
		return nil, err
	}
	if best.empty {
		return nil, nil
	}
	if best.clause != nil || best.scope || len(s.f.Order) == 0 || s.f.Order[0].Field == query.Attribute {
		return s.run(ctx, best, s.size+1)
	}
	return s.inPhases(ctx)
}

// inPhases walks the metric or label that the answer is sorted by: first the runs that have it, then those
// for which it is not a number, and at the end those without it.
func (s *search) inPhases(ctx context.Context) (found []hit, err error) {
	phases := []int64{0, 1}
	if s.f.Order[0].Field == query.Metric {
		phases = []int64{0, 1, 2}
	}
	for _, p := range phases {
		if s.after != nil && s.after[0].(int64) > p {
			continue
		}
		more, err := s.run(ctx, source{phase: &p}, s.size+1-len(found))
		if err != nil {
			return nil, err
		}
		if found = append(found, more...); len(found) > s.size {
			break
		}
	}
	return found, nil
}

// source says where a statement begins: at the rows of a clause, at the runs of the filter's other fields, at
// a phase of the first column, or at all runs in their order.
type source struct {
	clause *query.Clause
	scope  bool
	phase  *int64
	empty  bool // nothing can be found
}

// choose looks for the part of the question that fewest runs meet, counting no further than few.
func (s *search) choose(ctx context.Context) (best source, err error) {
	least := int64(s.db.few)
	consider := func(c source, text string, args []any) error {
		var n int64
		if _, err := one(ctx, s.db.engine.once(), text, args, &n); err != nil {
			return err
		}
		if n < least {
			least, best = n, c
			best.empty = n == 0
		}
		return nil
	}
	if s.f.Workspace == "" {
		return best, nil
	}
	w := where{}
	if s.scope(&w, "r.%s"); len(w.conditions) > 0 {
		w.and("r.workspace =", s.f.Workspace)
		text := fmt.Sprintf(`SELECT COUNT(*) FROM (SELECT 1 FROM run r%s LIMIT %d) AS found`, w.text(), s.db.few)
		if err := consider(source{scope: true}, text, w.args); err != nil {
			return best, err
		}
	}
	for _, q := range s.f.Where {
		if !drives(q) || best.empty {
			continue
		}
		w := where{}
		table := s.drive(&w, "d", q)
		text := fmt.Sprintf(`SELECT COUNT(*) FROM (SELECT 1 FROM %s d%s LIMIT %d) AS found`, table, w.text(), s.db.few)
		if err := consider(source{clause: &q}, text, w.args); err != nil {
			return best, err
		}
	}
	return best, nil
}

// drives reports whether an index has the runs that meet a clause.
func drives(q query.Clause) bool {
	if q.Op == query.IsNull || q.Op == query.Like || q.Op == query.ILike {
		return false
	}
	return q.Field != query.Attribute
}

// drive selects the rows of a clause by their index.
func (s *search) drive(w *where, alias string, q query.Clause) (table string) {
	c := s.conditions(w)
	w.and(alias+".workspace =", s.f.Workspace)
	if q.Field == query.Metric {
		w.and(c.metric(alias, q))
		return "metric"
	}
	w.and(c.label(alias, q))
	return "run_label"
}

func (s *search) conditions(w *where) conditions {
	return conditions{where: w, run: "r", sqlite: s.db.Engine() == "sqlite"}
}

// scope selects by the fields of the filter that are columns of runs; form writes a column's name.
func (s *search) scope(w *where, form string) {
	text := func(name, value string) {
		if value != "" {
			w.and(fmt.Sprintf(form, name)+" =", value)
		}
	}
	text("experiment", s.f.Experiment)
	text("target", s.f.Target)
	text("state", string(s.f.State))
	if s.f.Parent != "" {
		w.and("r.parent <> ''") // the index is of these rows only
		text("parent", s.f.Parent)
	}
	if s.f.Active {
		w.and("r.active = 1")
	}
	if len(s.f.Experiments) > 0 {
		marks := make([]string, len(s.f.Experiments))
		for i, e := range s.f.Experiments {
			marks[i] = w.arg(e)
		}
		w.and(fmt.Sprintf(form, "experiment") + " IN (" + strings.Join(marks, ", ") + ")")
	}
}

// run asks for at most n runs from a source.
func (s *search) run(ctx context.Context, from source, n int) (found []hit, err error) {
	text, args := s.statement(from, n)
	err = each(ctx, s.db.engine.once(), text, args, func(rows *sql.Rows) error {
		h, into := hit{position: make([]any, len(s.columns))}, []any{nil}
		into[0] = &h.id
		for i := range s.columns {
			into = append(into, &h.position[i])
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range h.position {
			h.position[i] = plainValue(v)
		}
		found = append(found, h)
		return nil
	})
	return found, err
}

// plainValue is a value of a position as a cursor keeps it: a float as text.
func plainValue(v any) any {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return string(v)
	}
	return v
}

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
	if s.f.Workspace != "" {
		w.and("r.workspace =", s.f.Workspace)
	}
	form := "r.%s || ''"
	if from.scope {
		form = "r.%s"
	}
	s.scope(w, form)
	w.view("r.deleted", s.f.Deleted)
	c := s.conditions(w)
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
			expr = "+r.started"
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
