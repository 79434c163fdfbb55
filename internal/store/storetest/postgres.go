package storetest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the URL of an empty schema of the PostgreSQL that TEST_POSTGRES_URL names; the
// schema goes when the test ends. Without that variable the test is skipped, or fails if the comma
// list TEST_REQUIRE names "postgres".
func Postgres(t testing.TB) string {
	t.Helper()
	server := NeedPostgres(t)
	schema := "test_" + strings.ToLower(rand.Text())
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, server)
	must(t, err)
	_, err = conn.Exec(ctx, "CREATE SCHEMA "+schema)
	must(t, err)
	t.Cleanup(func() {
		if _, err := conn.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
		conn.Close(ctx)
	})
	u, err := url.Parse(server)
	must(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// NeedPostgres returns TEST_POSTGRES_URL, or skips or fails the test as Postgres does.
func NeedPostgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TEST_POSTGRES_URL")
	switch {
	case server != "":
	case slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "postgres"):
		t.Fatal("TEST_REQUIRE names postgres, and TEST_POSTGRES_URL is not set")
	default:
		t.Skip("no PostgreSQL: TEST_POSTGRES_URL is not set; see test/engines/postgres.sh")
	}
	return server
}
