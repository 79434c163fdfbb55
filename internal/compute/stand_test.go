package compute_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// TestStandsOnTheDefault: a target whose options do not name what it stands on stands on the kind's default.
func TestStandsOnTheDefault(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "zaffre.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	box, err := secret.OpenKeyring(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	world := fake.NewWorld()
	base, above := fake.Kind(world), fake.Kind(world)
	above.Name = "above"
	above.Options = append(above.Options, driver.Option{Path: "host", Type: driver.TargetRef, Default: "box"})
	connect := above.Connect
	var hosts []int
	above.Connect = func(ctx context.Context, t driver.Target) (driver.Conn, error) {
		hosts = append(hosts, len(t.On["host"]))
		return connect(ctx, t)
	}
	s := compute.New(compute.Config{Targets: db.Targets(), Box: box, Kinds: []driver.Kind{base, above}, Log: log})
	t.Cleanup(func() { s.Close() })
	ctx := owner(t.Context())
	for _, q := range []compute.AttachRequest{
		{Workspace: domaintest.Workspace, Name: "box", Kind: "fake"},
		{Workspace: domaintest.Workspace, Name: "top", Kind: "above"},
	} {
		if _, _, err := s.Attach(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Check(ctx, key("top"))
	if err != nil || got.Status.State != compute.Succeeded || len(hosts) != 1 || hosts[0] != 1 {
		t.Errorf("it is %s, %v, and stands on %v", got.Status.State, err, hosts)
	}
}
