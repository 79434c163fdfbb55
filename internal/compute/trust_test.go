package compute_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// keyed is a kind whose target shows the key that shows holds.
func keyed(shows *atomic.Value) driver.Kind {
	return driver.Kind{
		Name: "fake", Summary: "x", Attached: true, Prototype: (*keyConn)(nil),
		Document: func(driver.View) map[string]any { return nil },
		Connect: func(_ context.Context, t driver.Target) (driver.Conn, error) {
			return &keyConn{shows: shows, pinned: t.Pinned["hostKey"]}, nil
		},
	}
}

type keyConn struct {
	shows *atomic.Value

	mu     sync.Mutex
	pinned string
}

func (c *keyConn) Close() error { return nil }

func (c *keyConn) Observe(context.Context) (driver.Observation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.shows.Load().(string)
	o := driver.Observation{Pin: map[string]string{"hostKey": key}, Observed: time.Now(), Checks: []driver.Check{{Name: "host-key", Required: true, OK: true}}}
	if c.pinned != "" && c.pinned != key {
		o.Checks[0] = driver.Check{Name: "host-key", Required: true, Reason: "HostKeyChanged", Fix: "run: zaffre compute trust NAME"}
		return o, &fault.Error{
			Code: fault.Precondition, Reason: "HostKeyChanged", What: "cannot connect", Why: c.pinned + " is pinned, it shows " + key,
			Fix: "run: zaffre compute trust NAME",
		}
	}
	c.pinned = key
	o.Exists, o.Ready, o.Identity = true, true, "key"
	return o, nil
}

// TestTrust: the first key is pinned; another one stops everything, until somebody trusts that one.
func TestTrust(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "zaffre.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	box, err := secret.OpenKeyring(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	shows := &atomic.Value{}
	shows.Store("old")
	s := compute.New(compute.Config{Targets: db.Targets(), Box: box, Kinds: []driver.Kind{keyed(shows)}, Log: log})
	t.Cleanup(func() { s.Close() })
	ctx := owner(t.Context())
	if _, _, err := s.Attach(ctx, request("gpu", nil)); err != nil {
		t.Fatal(err)
	}
	check := func(s *compute.Service) compute.Target {
		t.Helper()
		got, err := s.Check(ctx, key("gpu"))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := check(s); got.Status.Pinned["hostKey"] != "old" || got.Status.State != compute.Succeeded {
		t.Fatalf("attached, it is %s, pinned %v", got.Status.State, got.Status.Pinned)
	}
	_, err = s.Trust(ctx, key("gpu"))
	domaintest.Refused(t, err, "NothingToTrust")

	shows.Store("new")
	// As after a restart: what was pinned comes from the record.
	again := compute.New(compute.Config{Targets: db.Targets(), Box: box, Kinds: []driver.Kind{keyed(shows)}, Log: log})
	t.Cleanup(func() { again.Close() })
	got := check(again)
	if got.Ready() || got.Status.Pinned["hostKey"] != "old" || got.Status.Conditions[1].Reason != "HostKeyChanged" {
		t.Fatalf("after the key changed: ready %v, pinned %v, %+v", got.Ready(), got.Status.Pinned, got.Status.Conditions)
	}
	if fix := got.Status.Seen.Checks[0].Fix; !strings.HasSuffix(fix, "trust gpu") {
		t.Errorf("the fix is %q", fix)
	}
	if got := check(again); got.Ready() {
		t.Error("looked at again, it is ready")
	}
	if got, err = again.Trust(ctx, key("gpu")); err != nil || got.Status.Pinned["hostKey"] != "new" {
		t.Fatalf("pinned %v, %v", got.Status.Pinned, err)
	}
	if got := check(again); !got.Ready() || got.Status.State != compute.Succeeded {
		t.Errorf("trusted, it is %s, %+v", got.Status.State, got.Status.Conditions)
	}
}
