package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Connections to a SQLite file. The wait for a lock comes first: the switch to WAL may need it.
const (
	writeSettings = "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)&_pragma=wal_autocheckpoint(4000)" +
		"&_pragma=journal_size_limit(67108864)&_pragma=synchronous(FULL)"
	readSettings = "?_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=temp_store(MEMORY)"
	readers      = 4
)

// sqliteEngine is a file with a pool of readers and one writer.
type sqliteEngine struct {
	lock    *os.File
	pool    *sql.DB // of the writer's one connection
	readers *sql.DB
	cached  *prepared
	writer  *writer
	closing sync.Once
}

func openSQLite(ctx context.Context, path string, opt Options) (engine, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, notWritable(err)
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	e := &sqliteEngine{lock: lock}
	if err := e.open(ctx, path, opt); err != nil {
		e.close()
		return nil, faultOf(err)
	}
	return e, nil
}

func (e *sqliteEngine) open(ctx context.Context, path string, opt Options) error {
	if err := touch(path); err != nil {
		return err
	}
	settings := writeSettings
	if opt.NoSync {
		settings += "&_pragma=synchronous(OFF)"
	}
	var err error
	if e.pool, err = openPool(path, settings, 1, opt); err != nil {
		return err
	}
	if err := migrate(ctx, e.pool, sqliteDialect); err != nil {
		return err
	}
	if e.readers, err = openPool(path, readSettings, readers, opt); err != nil {
		return err
	}
	e.cached = &prepared{on: e.readers, rewrite: forSQLite}
	e.writer = newWriter(e.pool, opt.NoSync)
	return e.writer.write(ctx, false, releaseLeases, func(news) {})
}

func openPool(path, settings string, size int, opt Options) (*sql.DB, error) {
	c, err := sqlite.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + settings)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(opt.Wrap(c))
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}

// lockFile takes the lock beside a database, which is held for as long as the server has it. The
// lease rows of a file that nobody else has can then be taken back at once.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, notWritable(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &fault.Error{
			Code: fault.Precondition, Reason: "DatabaseInUse", What: "cannot open the database " + path,
			Why: "another server has it open", Fix: "stop the other server, or use another data directory", Err: err,
		}
	}
	return f, nil
}

// touch makes the file, so that only the server's user can read it.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, unix.ENOSPC) {
		return diskFull(err)
	}
	if err != nil {
		return notWritable(err)
	}
	return f.Close()
}

// releaseLeases ends the leases that a dead server left: their records are due now.
func releaseLeases(t *tx) error {
	const next = `SELECT kind FROM work WHERE kind > $1 ORDER BY kind LIMIT 1`
	const release = `UPDATE work SET lease_token = '', due_at = $2, next_at = $2
		WHERE kind = $1 AND next_at < $3 AND lease_token <> ''`
	now := time.Now().UnixMicro()
	for kind := ""; ; {
		found, err := t.one(next, []any{kind}, &kind)
		if err != nil || !found {
			return err
		}
		if _, err := t.exec(release, kind, now, never); err != nil {
			return err
		}
	}
}

var dollar = regexp.MustCompile(`\$(\d+)`)

var sqliteWords = strings.NewReplacer(" FOR UPDATE SKIP LOCKED", "", " FOR UPDATE", "", " FOR SHARE", "", "strpos(", "instr(")

// forSQLite turns the common text into SQLite's: its parameters are ?N, one writer needs no row
// locks, and strpos is called instr. Parameters in their order have no number: the driver looks for the
// name of each among all those that have one.
func forSQLite(text string) string {
	text = sqliteWords.Replace(text)
	for i, found := range dollar.FindAllStringSubmatch(text, -1) {
		if found[1] != strconv.Itoa(i+1) {
			return dollar.ReplaceAllString(text, "?$1")
		}
	}
	return dollar.ReplaceAllString(text, "?")
}

func (e *sqliteEngine) name() string  { return "sqlite" }
func (e *sqliteEngine) read() querier { return e.cached }
func (e *sqliteEngine) once() querier { return direct{on: e.readers, rewrite: forSQLite} }

func (e *sqliteEngine) write(ctx context.Context, lasting bool, do func(*tx) error, tell func(news)) error {
	return e.writer.write(ctx, lasting, do, tell)
}

func (e *sqliteEngine) ping(ctx context.Context) error { return e.readers.PingContext(ctx) }

func (e *sqliteEngine) snapshot(ctx context.Context, do func(querier) error) error {
	return inSnapshot(ctx, e.readers, &sql.TxOptions{}, forSQLite, do)
}

func (e *sqliteEngine) close() (err error) {
	e.closing.Do(func() {
		if e.writer != nil {
			e.writer.stop()
		}
		for _, pool := range []*sql.DB{e.readers, e.pool} {
			if pool != nil {
				err = errors.Join(err, pool.Close())
			}
		}
		err = errors.Join(err, e.lock.Close())
	})
	return faultOf(err)
}

// inSnapshot runs do in a transaction that only reads.
func inSnapshot(ctx context.Context, pool *sql.DB, opt *sql.TxOptions, rewrite func(string) string, do func(querier) error) error {
	t, err := pool.BeginTx(ctx, opt)
	if err != nil {
		return faultOf(err)
	}
	defer t.Rollback()
	return do(direct{on: t, rewrite: rewrite})
}

// discard closes a connection instead of giving it back to its pool.
func discard(c *sql.Conn) {
	_ = c.Raw(func(any) error { return driver.ErrBadConn })
	_ = c.Close()
}
