package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"io/fs"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// WriteOld brings an empty database to a version of before, and runs statements on it. It is for tests of what
// becomes of old databases.
func WriteOld(t *testing.T, url string, version int64, statements []string) {
	t.Helper()
	pool, d := oldPool(t, url)
	defer pool.Close()
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(d.goose, pool, dialectFS{files, d}, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	for _, text := range statements {
		if _, err := pool.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
}

func oldPool(t *testing.T, url string) (*sql.DB, dialect) {
	t.Helper()
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		pool, err := openPool(path, writeSettings, 1, Options{Wrap: func(c driver.Connector) driver.Connector { return c }})
		if err != nil {
			t.Fatal(err)
		}
		return pool, sqliteDialect
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(stdlib.GetConnector(*config)), postgresDialect
}
