package sqlstore

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
)

func openTest(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), "sqlite:"+path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// level returns how a transaction waits for the disk: 2 is FULL, 1 NORMAL.
func level(t *testing.T, write func(do func(*tx) error) error) (n int) {
	t.Helper()
	err := write(func(t *tx) error {
		_, err := t.one("PRAGMA synchronous", nil, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWritesWaitForTheDisk(t *testing.T) {
	t.Parallel()
	db := openTest(t, filepath.Join(t.TempDir(), "z.db"))
	write := func(do func(*tx) error) error { return db.write(t.Context(), do) }
	lease := func(do func(*tx) error) error { return db.lease(t.Context(), do) }
	for range 3 {
		if n := level(t, write); n != 2 {
			t.Errorf("a write commits with synchronous = %d, want 2 (FULL)", n)
		}
		if n := level(t, lease); n != 1 {
			t.Errorf("a lease commits with synchronous = %d, want 1 (NORMAL)", n)
		}
	}
	var mode string
	if _, err := one(t.Context(), db.engine.read(), "PRAGMA journal_mode", nil, &mode); err != nil || mode != "wal" {
		t.Errorf("journal mode %q, %v; want wal", mode, err)
	}
}

// TestFullDisk bounds the file, which fails as a full disk does. The failed transaction's connection
// goes, and the bound with it: space was freed.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	db := openTest(t, filepath.Join(t.TempDir(), "z.db"))
	err := db.write(t.Context(), func(t *tx) error {
		var n int
		_, err := t.one("PRAGMA max_page_count = 1", nil, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	big := run.Experiment{Workspace: "ws", Name: strings.Repeat("x", 1<<20)}
	f := fault.From(db.Experiments().Insert(t.Context(), big))
	if f == nil || f.Code != fault.Exhausted || f.Reason != "DiskFull" || f.Fix == "" {
		t.Fatalf("a full disk is %+v, want DiskFull with a fix", f)
	}
	if err := db.Experiments().Insert(t.Context(), big); err != nil {
		t.Errorf("after space was freed: %v", err)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "z.db")
	db := openTest(t, path)
	err := db.write(t.Context(), func(t *tx) error {
		_, err := t.exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, 1)`, schemaVersion+1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), "sqlite:"+path, slog.New(slog.DiscardHandler)); fault.ReasonOf(err) != "DatabaseNewer" {
		t.Errorf("Open returned %v, want DatabaseNewer", err)
	}
}

func TestSchemaVersionIsTheLastMigration(t *testing.T) {
	t.Parallel()
	files, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	if last := files[len(files)-1].Name(); !strings.HasPrefix(last, fmt.Sprintf("%05d_", schemaVersion)) {
		t.Errorf("the last migration is %s, and the version %d", last, schemaVersion)
	}
}
