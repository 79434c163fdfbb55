package sqlstore

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// never is the due time of a record that waits to be woken.
const never = int64(1) << 62

// querier runs statements. Their texts are constants, or made from a few parts: each is prepared
// once per connection.
type querier interface {
	exec(ctx context.Context, text string, args ...any) (changed int64, err error)
	query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// one scans the first row of a query, if there is one.
func one(ctx context.Context, q querier, text string, args []any, into ...any) (found bool, err error) {
	rows, err := q.query(ctx, text, args...)
	if err != nil {
		return false, faultOf(err)
	}
	defer rows.Close()
	if !rows.Next() {
		return false, faultOf(rows.Err())
	}
	if err := rows.Scan(into...); err != nil {
		return false, faultOf(err)
	}
	return true, faultOf(rows.Close())
}

// each calls visit for every row of a query.
func each(ctx context.Context, q querier, text string, args []any, visit func(*sql.Rows) error) error {
	rows, err := q.query(ctx, text, args...)
	if err != nil {
		return faultOf(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return faultOf(err)
		}
	}
	return faultOf(rows.Err())
}

// direct runs statements on a sql.DB, sql.Conn or sql.Tx whose driver keeps prepared statements itself.
type direct struct {
	on interface {
		ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	}
	rewrite func(string) string
}

func (d direct) exec(ctx context.Context, text string, args ...any) (int64, error) {
	r, err := d.on.ExecContext(ctx, d.rewrite(text), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (d direct) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return d.on.QueryContext(ctx, d.rewrite(text), args...)
}

// prepared runs statements on a sql.DB or sql.Conn and keeps each as a prepared one.
type prepared struct {
	on interface {
		PrepareContext(ctx context.Context, text string) (*sql.Stmt, error)
	}
	rewrite func(string) string
	mu      sync.RWMutex
	known   map[string]*sql.Stmt
}

func (p *prepared) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	p.mu.RLock()
	s := p.known[text]
	p.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.known[text]; s != nil {
		return s, nil
	}
	s, err := p.on.PrepareContext(ctx, p.rewrite(text))
	if err != nil {
		return nil, err
	}
	if p.known == nil {
		p.known = map[string]*sql.Stmt{}
	}
	p.known[text] = s
	return s, nil
}

// close closes the statements. Those of a connection of one's own are not closed with it, and a
// SQLite connection with open statements keeps its transaction and its locks.
func (p *prepared) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.known {
		_ = s.Close()
	}
	p.known = nil
}

func (p *prepared) exec(ctx context.Context, text string, args ...any) (int64, error) {
	s, err := p.stmt(ctx, text)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (p *prepared) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := p.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// tx is one transaction and what is to be told after it.
type tx struct {
	ctx  context.Context // of the statements, for as long as the transaction lasts
	q    querier
	lock string // runs before events are appended, so that they become visible in order; "": no need
	news news
}

func (t *tx) exec(text string, args ...any) (changed int64, err error) {
	changed, err = t.q.exec(t.ctx, text, args...)
	return changed, faultOf(err)
}

func (t *tx) one(text string, args []any, into ...any) (found bool, err error) {
	return one(t.ctx, t.q, text, args, into...)
}

// micros is a time in microseconds since 1970, UTC; 0 is the zero time.
type micros int64

func toMicros(t time.Time) micros {
	if t.IsZero() {
		return 0
	}
	return micros(t.UnixMicro())
}

func (m micros) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

// due returns a due time for a column: never for the zero time.
func due(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMicro()
}
