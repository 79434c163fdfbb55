package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
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

// candidate is a part of the question by whose index the runs can be found, and how many meet it.
type candidate struct {
	source
	runs int64 // no more than it was counted to
}

// choose looks for the part of the question to begin with. Few runs are looked up one by one; of many it
// looks up those of the part that fewest meet, if a walk in the order of the answer would see more.
func (s *search) choose(ctx context.Context) (source, error) {
	if s.f.Workspace == "" {
		return source{}, nil
	}
	list, err := s.count(ctx, s.db.few)
	if err != nil || len(list) == 0 {
		return source{}, err
	}
	if best := fewest(list); best.runs < int64(s.db.few) || len(list) == 1 {
		return best.unless(int64(s.db.few)), nil
	}
	if list, err = s.count(ctx, widely*s.db.few); err != nil {
		return source{}, err
	}
	var all int64
	text := fmt.Sprintf(`SELECT COUNT(*) FROM (SELECT 1 FROM run r WHERE r.workspace = $1 LIMIT %d) AS found`, 10*widely*s.db.few)
	if _, err := one(ctx, s.db.engine.once(), text, []any{s.f.Workspace}, &all); err != nil {
		return source{}, err
	}
	walk := float64(s.size)
	for _, c := range list {
		walk *= float64(max(all, 1)) / float64(max(c.runs, 1))
	}
	return fewest(list).unless(int64(min(walk, float64(all), float64(widely*s.db.few)))), nil
}

// widely is how many times few a search counts to where more than one part holds for more than few.
const widely = 10

func fewest(list []candidate) candidate {
	return slices.MinFunc(list, func(a, b candidate) int { return cmp.Compare(a.runs, b.runs) })
}

// unless returns the source if fewer runs meet it, and a walk otherwise.
func (c candidate) unless(runs int64) source {
	if c.runs >= runs {
		return source{}
	}
	c.empty = c.runs == 0
	return c.source
}

// count counts the runs that meet each part of the question, up to a number.
func (s *search) count(ctx context.Context, most int) (list []candidate, err error) {
	add := func(from source, rows string, w *where) error {
		c := candidate{source: from}
		text := fmt.Sprintf(`SELECT COUNT(*) FROM (SELECT 1 FROM %s%s LIMIT %d) AS found`, rows, w.text(), most)
		_, err := one(ctx, s.db.engine.once(), text, w.args, &c.runs)
		list = append(list, c)
		return err
	}
	w := &where{}
	if s.scope(w, "r.%s"); len(w.conditions) > 0 {
		w.and("r.workspace =", s.f.Workspace)
		if err := add(source{scope: true}, "run r", w); err != nil {
			return nil, err
		}
	}
	for _, q := range s.f.Where {
		if drives(q) {
			w := &where{}
			table := s.drive(w, "d", q)
			if err := add(source{clause: &q}, table+" d", w); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
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
	return conditions{where: w, run: "r", id: "r.id", sqlite: s.db.Engine() == "sqlite"}
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
	text("root", s.f.Root)
	if s.f.Top {
		w.and("r.parent = ''")
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
