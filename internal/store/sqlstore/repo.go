package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// table says how records of type T are kept. R is the form in which they are written as JSON.
type table[T, F, R any] struct {
	name     string // of the table
	noun     string // in faults: "compute target"
	reason   string // of a fault.NotFound
	show     string // the command that lists the records
	key      func(T) store.Key
	encode   func(T) R
	decode   func(R) T
	columns  []column[T]
	filter   func(*where, F)
	order    []string // columns, unique together
	position func(T) []any
	newest   bool // the order is descending
	beside   *beside[T]
	listed   func(doc []byte) (T, error) // decodes for lists, leaving out what they do not show; nil: as Get
}

// beside keeps rows of another table that say what a record says, in the record's own transactions.
type beside[T any] struct {
	of   func(*T) any                        // what the rows are to hold, apart from the record
	put  func(t *tx, v *T, before any) error // before is what of returned; nil for a new record
	drop func(t *tx, k store.Key) error      // the record's row is there still
}

// column is one that lists filter or sort by.
type column[T any] struct {
	name  string
	fixed bool // no update changes it
	value func(*T) any
}

// repo implements store.Repo for a table.
type repo[T, F, R any] struct {
	db *DB
	*table[T, F, R]
	insertSQL, getSQL, docSQL, updateSQL, deleteSQL string
}

func newRepo[T, F, R any](db *DB, t *table[T, F, R]) *repo[T, F, R] {
	const row = ` WHERE workspace = $1 AND name = $2`
	names, marks, set := "workspace, name, doc, revision", "$1, $2, $3, 1", "doc = $3"
	i := 3
	for _, c := range t.columns {
		names, marks = names+", "+c.name, fmt.Sprintf("%s, $%d", marks, i+1)
		i++
	}
	i = 3
	for _, c := range t.columns {
		if !c.fixed {
			set = fmt.Sprintf("%s, %s = $%d", set, c.name, i+1)
			i++
		}
	}
	return &repo[T, F, R]{
		db: db, table: t,
		insertSQL: `INSERT INTO ` + t.name + ` (` + names + `) VALUES (` + marks + `) ON CONFLICT DO NOTHING`,
		getSQL:    `SELECT doc FROM ` + t.name + row,
		docSQL:    `UPDATE ` + t.name + ` SET doc = $3, revision = revision + 1` + row,
		updateSQL: `UPDATE ` + t.name + ` SET ` + set + `, revision = revision + 1` + row,
		deleteSQL: `DELETE FROM ` + t.name + row,
	}
}

// Insert implements store.Repo.
func (r *repo[T, F, R]) Insert(ctx context.Context, v T, then ...store.Effect) error {
	k := r.key(v)
	if err := r.checkKey(k); err != nil {
		return err
	}
	doc, err := json.Marshal(r.encode(v))
	if err != nil {
		return fmt.Errorf("encode a %s: %w", r.noun, err)
	}
	args := append([]any{k.Workspace, k.Name, string(doc)}, r.values(&v, true)...)
	part := r.part(ctx, k)
	return r.db.write(ctx, func(t *tx) error {
		if err := t.admit(part); err != nil {
			return err
		}
		n, err := t.exec(r.insertSQL, args...)
		if err != nil {
			return err
		}
		if n == 0 {
			return r.exists(k)
		}
		if r.beside != nil {
			if err := r.beside.put(t, &v, nil); err != nil {
				return err
			}
		}
		return t.apply(then)
	})
}

// part names a write of the record, where a job makes it.
func (r *repo[T, F, R]) part(ctx context.Context, k store.Key) *store.Part {
	return store.NextPart(ctx, r.name+"/"+k.String())
}

// values returns the values of the columns; without the fixed ones for an update.
func (r *repo[T, F, R]) values(v *T, fixed bool) []any {
	values := make([]any, 0, len(r.columns))
	for _, c := range r.columns {
		if fixed || !c.fixed {
			values = append(values, c.value(v))
		}
	}
	return values
}

// Get implements store.Repo.
func (r *repo[T, F, R]) Get(ctx context.Context, k store.Key) (v T, err error) {
	var doc []byte
	found, err := one(ctx, r.db.engine.read(), r.getSQL, []any{k.Workspace, k.Name}, &doc)
	if err != nil {
		return v, err
	}
	if !found {
		return v, r.notFound(k)
	}
	return r.parse(doc)
}

func (r *repo[T, F, R]) parse(doc []byte) (v T, err error) {
	var row R
	if err := json.Unmarshal(doc, &row); err != nil {
		return v, fmt.Errorf("decode a %s: %w", r.noun, err)
	}
	return r.decode(row), nil
}

// Update implements store.Repo. change must not use the database: on SQLite it runs on the one
// goroutine that writes. Of a write that is known it returns the record as it is.
func (r *repo[T, F, R]) Update(ctx context.Context, k store.Key, change func(*T) ([]store.Effect, error)) (v T, err error) {
	part := r.part(ctx, k)
	err = r.db.write(ctx, func(t *tx) error {
		var doc []byte
		found, err := t.one(r.getSQL+" FOR UPDATE", []any{k.Workspace, k.Name}, &doc)
		if err != nil {
			return err
		}
		if !found {
			return r.notFound(k)
		}
		if v, err = r.parse(doc); err != nil {
			return err
		}
		if err := t.admit(part); err != nil {
			return err
		}
		return r.change(t, k, &v, string(doc), change)
	})
	if err != nil {
		return *new(T), err
	}
	return v, nil
}

// change runs an update on the record v, which was read as doc.
func (r *repo[T, F, R]) change(t *tx, k store.Key, v *T, doc string, change func(*T) ([]store.Effect, error)) error {
	before, rows := r.values(v, false), any(nil)
	if r.beside != nil {
		rows = r.beside.of(v)
	}
	then, err := change(v)
	if err != nil {
		return err
	}
	row := r.encode(*v)
	now, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode a %s: %w", r.noun, err)
	}
	*v = r.decode(row)
	if string(now) != doc {
		if err := r.store(t, k, string(now), before, r.values(v, false)); err != nil {
			return err
		}
		if r.beside != nil {
			if err := r.beside.put(t, v, rows); err != nil {
				return err
			}
		}
	}
	return t.apply(then)
}

// store writes a record, with the index columns only if they changed.
func (r *repo[T, F, R]) store(t *tx, k store.Key, doc string, before, after []any) error {
	text, args := r.docSQL, []any{k.Workspace, k.Name, doc}
	if !slices.Equal(before, after) {
		text, args = r.updateSQL, append(args, after...)
	}
	_, err := t.exec(text, args...)
	return err
}

// Delete implements store.Repo.
func (r *repo[T, F, R]) Delete(ctx context.Context, k store.Key, then ...store.Effect) error {
	part := r.part(ctx, k)
	return r.db.write(ctx, func(t *tx) error {
		if err := t.admit(part); err != nil {
			return err
		}
		if r.beside != nil {
			if err := r.beside.drop(t, k); err != nil {
				return err
			}
		}
		n, err := t.exec(r.deleteSQL, k.Workspace, k.Name)
		if err != nil {
			return err
		}
		if n == 0 {
			return errUndo
		}
		return t.apply(then)
	})
}

// List implements store.Repo.
func (r *repo[T, F, R]) List(ctx context.Context, f F, p store.Page) ([]T, string, error) {
	w := where{}
	r.filter(&w, f)
	if err := w.after(r.order, r.newest, p.Cursor); err != nil {
		return nil, "", err
	}
	size := pageSize(p.Limit)
	items, err := r.query(ctx, &w, size+1)
	if err != nil || len(items) <= size {
		return items, "", err
	}
	items = items[:size]
	return items, cursor(r.position(items[size-1])), nil
}

// parseListed decodes a record of a list.
func (r *repo[T, F, R]) parseListed(doc []byte) (v T, err error) {
	if r.listed == nil {
		return r.parse(doc)
	}
	if v, err = r.listed(doc); err != nil {
		return v, fmt.Errorf("decode a %s: %w", r.noun, err)
	}
	return v, nil
}

// query returns at most n records in the table's order.
func (r *repo[T, F, R]) query(ctx context.Context, w *where, n int) ([]T, error) {
	order := strings.Join(r.order, ", ")
	if r.newest {
		order = strings.Join(r.order, " DESC, ") + " DESC"
	}
	text := `SELECT doc FROM ` + r.name + w.text() + ` ORDER BY ` + order + ` LIMIT ` + w.arg(n)
	return r.collect(ctx, text, w.args)
}

// collect returns the records of a query for their documents.
func (r *repo[T, F, R]) collect(ctx context.Context, text string, args []any) (items []T, err error) {
	err = each(ctx, r.db.engine.read(), text, args, func(rows *sql.Rows) error {
		var doc sql.RawBytes
		if err := rows.Scan(&doc); err != nil {
			return err
		}
		v, err := r.parseListed(doc)
		items = append(items, v)
		return err
	})
	return items, err
}

// checkKey refuses keys that PostgreSQL cannot keep, on both engines.
func (r *repo[T, F, R]) checkKey(k store.Key) error {
	if s := k.String(); utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "NameInvalid", What: fmt.Sprintf("cannot keep the %s %q", r.noun, k.Name),
		Why: "its name is not text in UTF-8", Fix: "choose a name in UTF-8, without NUL bytes",
	}
}

func (r *repo[T, F, R]) exists(k store.Key) error {
	return &fault.Error{
		Code: fault.Exists, Reason: "NameTaken", What: fmt.Sprintf("cannot make the %s %q", r.noun, k.Name),
		Why: "the name is taken", Fix: "choose another name, or use what is there; run: " + r.show,
	}
}

func (r *repo[T, F, R]) notFound(k store.Key) error {
	why := "nothing has this name"
	if k.Workspace != "" {
		why += " in " + k.Workspace
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: r.reason, What: fmt.Sprintf("there is no %s %q", r.noun, k.Name),
		Why: why, Fix: "look for the name; run: " + r.show,
	}
}
