package sqlstore

import (
	"cmp"
	"context"
	"database/sql/driver"
	"log/slog"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// DB is an open database. It is store.Queue, store.Claims and store.Events itself; the records are
// behind its other methods. All may be called from several goroutines.
type DB struct {
	engine engine
	hub    hub
	log    *slog.Logger
	few    int
}

// engine is what differs between the databases.
type engine interface {
	name() string
	// write runs do in a transaction. A lasting one is durable when write returns nil, and with it all
	// that was written before; another may be lost with the machine's power. do may run several
	// times; what it left in its tx the last time is told by tell, after the commit.
	write(ctx context.Context, lasting bool, do func(*tx) error, tell func(news)) error
	// read returns what queries outside of a transaction go through.
	read() querier
	// once is read for statements whose text is made for one question and hardly comes again.
	once() querier
	// snapshot runs do on one consistent view of the whole database.
	snapshot(ctx context.Context, do func(querier) error) error
	ping(ctx context.Context) error
	close() error
}

// Options are for tests.
type Options struct {
	// Wrap stands between the store and the driver of its database; nil: nothing does.
	Wrap func(driver.Connector) driver.Connector
	// NoSync lets SQLite acknowledge before the disk has the data: a crash of the machine loses it.
	NoSync bool
	// Few is how many runs a search looks up one by one before it walks all in order; 0 is the default.
	Few int
}

// Open opens a database and brings its tables up to date. url is "sqlite:PATH", a file that is made
// if it is not there, or "postgres://…". A SQLite file is for one server at a time:
// fault.Precondition, Reason "DatabaseInUse", if another has it. A database that a newer zaffre has
// written is refused: fault.Precondition, Reason "DatabaseNewer".
func Open(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	return OpenWith(ctx, url, log, Options{})
}

// OpenWith is Open with options.
func OpenWith(ctx context.Context, url string, log *slog.Logger, opt Options) (*DB, error) {
	e, err := openEngine(ctx, url, opt)
	if err != nil {
		return nil, fault.Doing("cannot open the database", err)
	}
	return &DB{engine: e, log: log, few: cmp.Or(opt.Few, few)}, nil
}

func openEngine(ctx context.Context, url string, opt Options) (engine, error) {
	if opt.Wrap == nil {
		opt.Wrap = func(c driver.Connector) driver.Connector { return c }
	}
	scheme, path, _ := strings.Cut(url, ":")
	switch {
	case scheme == "sqlite" && path != "":
		return openSQLite(ctx, path, opt)
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, url, opt)
	}
	return nil, &fault.Error{
		Code: fault.Invalid, Reason: "DatabaseURLInvalid", What: "cannot open the database",
		Why: "its URL names neither SQLite nor PostgreSQL",
		Fix: "give sqlite:PATH or postgres://USER@HOST/DATABASE",
	}
}

// Close ends all work; what waits to be written fails. It works twice.
func (d *DB) Close() error { return d.engine.close() }

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error { return faultOf(d.engine.ping(ctx)) }

// Engine returns "sqlite" or "postgres".
func (d *DB) Engine() string { return d.engine.name() }

// write runs do in a lasting transaction and tells of its effects after the commit.
func (d *DB) write(ctx context.Context, do func(*tx) error) error {
	return d.engine.write(ctx, true, do, d.hub.tell)
}

// lease runs do in a transaction that only moves leases. It need not last: see writer.synchronous.
func (d *DB) lease(ctx context.Context, do func(*tx) error) error {
	return d.engine.write(ctx, false, do, d.hub.tell)
}
