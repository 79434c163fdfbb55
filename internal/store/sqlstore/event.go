package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/store"
)

// Events implements store.Events. limit 0 means 100; more than 1000 is 1000.
func (d *DB) Events(ctx context.Context, workspace, subject string, after int64, limit int) ([]store.Event, error) {
	w := where{}
	w.and("sequence >", after)
	if workspace != "" {
		w.and("workspace =", workspace)
	}
	switch {
	case strings.HasSuffix(subject, "/"):
		w.prefix("subject", subject)
	case subject != "":
		w.and("subject =", subject)
	}
	text := `SELECT sequence, time, workspace, subject, type, actor, data FROM event` + w.text() +
		` ORDER BY sequence LIMIT ` + w.arg(pageSize(limit))
	var events []store.Event
	err := each(ctx, d.engine.read(), text, w.args, func(rows *sql.Rows) error {
		e, err := scanEvent(rows)
		events = append(events, e)
		return err
	})
	return events, err
}

func scanEvent(rows *sql.Rows) (e store.Event, err error) {
	var at micros
	var data []byte
	if err := rows.Scan(&e.Sequence, &at, &e.Workspace, &e.Subject, &e.Type, &e.Actor, &data); err != nil {
		return e, err
	}
	e.Time = at.time()
	if err := json.Unmarshal(data, &e.Data); err != nil {
		return e, fmt.Errorf("decode event %d: %w", e.Sequence, err)
	}
	return e, nil
}

// where collects conditions and their arguments.
type where struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

// and adds a condition: "state =" and a value, or one without a value.
func (w *where) and(condition string, value ...any) {
	for _, v := range value {
		condition += " " + w.arg(v)
	}
	w.conditions = append(w.conditions, condition)
}

// equal adds a condition unless the value is empty: a filter's zero field selects any.
func (w *where) equal(column, value string) {
	if value != "" {
		w.and(column+" =", value)
	}
}

// prefix selects the texts that start with one, by a range of the column's index.
func (w *where) prefix(column, prefix string) {
	if prefix == "" {
		return
	}
	w.and(column+" >=", prefix)
	if end := after(prefix); end != "" {
		w.and(column+" <", end)
	}
}

func (w *where) text() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// after returns the first text that sorts after all those with a prefix; "" if there is none.
func after(prefix string) string {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case r == 0xD7FF: // the surrogates are no characters
			return prefix + "\uE000"
		case r < utf8.MaxRune:
			return prefix + string(r+1)
		}
	}
	return ""
}
