package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// lockEvents makes the transactions that append events commit one after the other, so that whoever
// reads events after a sequence number misses none. The number is this program's own.
const lockEvents = `SELECT pg_advisory_xact_lock(7838103)`

const (
	postgresConns = 20
	postgresTries = 20 // of a transaction that PostgreSQL gave up for the sake of another
)

// postgresEngine is a pool of connections; each update is its own transaction.
type postgresEngine struct {
	pool    *sql.DB
	closing sync.Once
}

func openPostgres(ctx context.Context, url string, opt Options) (engine, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, &fault.Error{ // err quotes the URL: it may hold a password
			Code: fault.Invalid, Reason: "DatabaseURLInvalid", What: "cannot open the database",
			Why: "its URL cannot be read", Fix: "give postgres://USER@HOST/DATABASE",
		}
	}
	// Our queries are short: to compile them or to start workers for them takes longer than they do.
	for _, name := range []string{"jit", "max_parallel_workers_per_gather"} {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = "0"
		}
	}
	pool := sql.OpenDB(opt.Wrap(stdlib.GetConnector(*config)))
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := migrate(ctx, pool, postgresDialect); err != nil {
		pool.Close()
		return nil, faultOf(err)
	}
	return &postgresEngine{pool: pool}, nil
}

func same(text string) string { return text }

func (e *postgresEngine) name() string  { return "postgres" }
func (e *postgresEngine) read() querier { return direct{on: e.pool, rewrite: same} }

// once has each statement planned for its own arguments: what is few for one value is many for another.
func (e *postgresEngine) once() querier { return planned{e.read()} }

type planned struct{ querier }

func (p planned) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return p.querier.query(ctx, text, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

func (e *postgresEngine) ping(ctx context.Context) error { return e.pool.PingContext(ctx) }

// write may leave the outcome unknown when it fails with fault.Unavailable or because ctx ended: the
// connection may have been lost during the commit.
func (e *postgresEngine) write(ctx context.Context, _ bool, do func(*tx) error, tell func(news)) error {
	for try := 1; ; try++ {
		t := &tx{ctx: ctx, lock: lockEvents}
		err := e.try(t, do)
		switch {
		case err == nil:
			tell(t.news)
			return nil
		case err == errUndo:
			return nil
		case !retried(err) || try == postgresTries:
			if errors.Is(err, store.ErrUnanswered) {
				tell(t.news) // it may have happened
			}
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(time.Duration(try) * 2 * time.Millisecond)):
		}
	}
}

func (e *postgresEngine) try(t *tx, do func(*tx) error) error {
	pt, err := e.pool.BeginTx(t.ctx, nil)
	if err != nil {
		return faultOf(err)
	}
	defer pt.Rollback()
	t.q = direct{on: pt, rewrite: same}
	if err := do(t); err != nil {
		return err
	}
	return faultOf(pt.Commit())
}

func (e *postgresEngine) snapshot(ctx context.Context, do func(querier) error) error {
	opt := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	return inSnapshot(ctx, e.pool, opt, same, do)
}

func (e *postgresEngine) close() (err error) {
	e.closing.Do(func() { err = e.pool.Close() })
	return err
}
