package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// OpenReader opens a database to read it beside the server that has it: for backups. Writing fails with
// fault.Unsupported. It fails with fault.NotFound, Reason "DatabaseMissing", and with
// fault.Precondition, Reason "DatabaseOlder" or "DatabaseNewer", if another version of zaffre wrote it.
func OpenReader(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	const what = "cannot read the database"
	scheme, path, _ := strings.Cut(url, ":")
	if scheme != "sqlite" || path == "" {
		d, err := Open(ctx, url, log)
		return d, fault.Doing(what, err)
	}
	e, err := openFile(ctx, path)
	if err != nil {
		return nil, fault.Doing(what, err)
	}
	return &DB{engine: e, log: log, few: few}, nil
}

// fileReader is a SQLite file that a server may have open: it takes no lock and changes nothing.
type fileReader struct{ pool *sql.DB }

func openFile(ctx context.Context, path string) (engine, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, notWritable(err)
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, &fault.Error{
			Code: fault.NotFound, Reason: "DatabaseMissing", What: "cannot read the database",
			Why: "there is no file " + path, Fix: "name the data folder of a server; run: zaffre config show",
		}
	}
	pool, err := openPool(path, readSettings, 1, Options{Wrap: func(c driver.Connector) driver.Connector { return c }})
	if err != nil {
		return nil, faultOf(err)
	}
	if err := sameVersion(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return &fileReader{pool}, nil
}

func sameVersion(ctx context.Context, pool *sql.DB) error {
	v, err := version(ctx, pool)
	switch {
	case err != nil:
		return faultOf(err)
	case v > schemaVersion:
		return newer(v)
	case v < schemaVersion:
		return &fault.Error{
			Code: fault.Precondition, Reason: "DatabaseOlder", What: "cannot read the database",
			Why: "an older zaffre has written it, or no server has started on it yet",
			Fix: "start this zaffre on it once; run: zaffre serve",
		}
	}
	return nil
}

func (e *fileReader) name() string                   { return "sqlite" }
func (e *fileReader) read() querier                  { return direct{on: e.pool, rewrite: forSQLite} }
func (e *fileReader) once() querier                  { return e.read() }
func (e *fileReader) ping(ctx context.Context) error { return e.pool.PingContext(ctx) }
func (e *fileReader) close() error                   { return faultOf(e.pool.Close()) }

func (e *fileReader) write(context.Context, bool, func(*tx) error, func(news)) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "DatabaseReadOnly", What: "cannot write to the database",
		Why: "it was opened to be read only", Fix: "call the server that has it; run: zaffre status",
	}
}

func (e *fileReader) snapshot(ctx context.Context, do func(querier) error) error {
	return inSnapshot(ctx, e.pool, &sql.TxOptions{}, forSQLite, do)
}
