package sqlstore_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t) })
}

func TestPostgres(t *testing.T) {
	storetest.NeedPostgres(t)
	storetest.Run(t, func(t *testing.T) storetest.Store { return openPostgres(t) })
}

// TestSearchWalks has a search walk the runs in their order where it would look them up.
func TestSearchWalks(t *testing.T) {
	storetest.Search(t, func(t *testing.T) storetest.Store {
		db := openFile(t, filepath.Join(t.TempDir(), "z.db"), sqlstore.Options{Few: 2})
		t.Cleanup(func() { db.Close() })
		return db
	})
}

func TestSearchWalksOnPostgres(t *testing.T) {
	storetest.NeedPostgres(t)
	storetest.Search(t, func(t *testing.T) storetest.Store {
		db, err := sqlstore.OpenWith(t.Context(), storetest.Postgres(t), slog.New(slog.DiscardHandler), sqlstore.Options{Few: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	})
}

func openPostgres(t *testing.T) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), storetest.Postgres(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
