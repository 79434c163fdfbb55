package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// schemaVersion is the number of the newest migration.
const schemaVersion = 9

// dialect is what the migrations of one engine need to know.
type dialect struct {
	goose goose.Dialect
	other string // lines for this engine are left out
	text  string // the type of text that is compared byte by byte
}

var (
	sqliteDialect   = dialect{goose.DialectSQLite3, "postgres", "TEXT"}
	postgresDialect = dialect{goose.DialectPostgres, "sqlite", `TEXT COLLATE "C"`}
)

// migrate brings the tables up to date. A database that is up to date costs one query.
func migrate(ctx context.Context, pool *sql.DB, d dialect) error {
	version, err := version(ctx, pool)
	if err != nil {
		return err
	}
	switch {
	case version == schemaVersion:
		return nil
	case version > schemaVersion:
		return newer(version)
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if d.goose == goose.DialectPostgres { // two servers may start at once
		id, err := schemaLock(ctx, pool)
		if err != nil {
			return err
		}
		l, err := lock.NewPostgresSessionLocker(lock.WithLockID(id))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(l))
	}
	p, err := goose.NewProvider(d.goose, pool, dialectFS{files, d}, options...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func newer(version int64) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "DatabaseNewer", What: "cannot use the database",
		Why: fmt.Sprintf("a newer zaffre has written it: it has version %d and this one knows %d", version, schemaVersion),
		Fix: "use the newer zaffre, or restore an older backup",
	}
}

// version returns the version of the tables; 0 of a database without any.
func version(ctx context.Context, pool *sql.DB) (version int64, err error) {
	err = pool.PingContext(ctx)
	if err != nil {
		return 0, err
	}
	row := pool.QueryRowContext(ctx, `SELECT version_id FROM goose_db_version ORDER BY id DESC LIMIT 1`)
	if err := row.Scan(&version); err != nil {
		return 0, nil //nolint:nilerr // no such table: goose meets any other trouble again and reports it
	}
	return version, nil
}

// dialectFS is the migrations as one engine reads them.
type dialectFS struct {
	files   fs.FS
	dialect dialect
}

// Open returns a file with only the lines for the engine.
func (f dialectFS) Open(name string) (fs.File, error) {
	file, err := f.files.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return file, err
	}
	text, err := fs.ReadFile(f.files, name)
	if err != nil {
		return nil, err
	}
	return &dialectFile{file, bytes.NewReader([]byte(f.dialect.translate(string(text))))}, nil
}

func (d dialect) translate(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, engine, _ := strings.Cut(line, "-- +zaffre ")
		if strings.TrimSpace(engine) == d.other {
			continue
		}
		b.WriteString(strings.ReplaceAll(line, " TEXT ", " "+d.text+" "))
		if engine != "" {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

type dialectFile struct {
	fs.File
	*bytes.Reader
}

// Read reads the translated text.
func (f *dialectFile) Read(p []byte) (int, error) { return f.Reader.Read(p) }

// schemaLock returns the lock of the schema that the tables are in: migrations of others, in other
// schemas of the database, are none of ours.
func schemaLock(ctx context.Context, pool *sql.DB) (int64, error) {
	var schema string
	if err := pool.QueryRowContext(ctx, "SELECT 'zaffre/' || current_schema()").Scan(&schema); err != nil {
		return 0, faultOf(err)
	}
	h := fnv.New64a()
	h.Write([]byte(schema))
	return int64(h.Sum64() >> 1), nil
}
