package compute_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// shower is a kind whose target shows the key that shows holds before anybody logs in.
func shower(shows *atomic.Value, secrets *atomic.Int32) driver.Kind {
	k := keyed(shows)
	k.Prototype = (*showConn)(nil)
	k.Options = []driver.Option{
		{Path: "password", Type: driver.String, Secret: true, Required: true, Help: "x"}, {Path: "via", Type: driver.TargetRef, Many: true, Help: "x"},
	}
	k.Connect = func(_ context.Context, t driver.Target) (driver.Conn, error) {
		secrets.Add(int32(len(t.Secrets)))
		return &showConn{keyConn{shows: shows, pinned: t.Pinned["hostKey"]}}, nil
	}
	return k
}

type showConn struct{ keyConn }

func (c *showConn) Identify(context.Context) (driver.Observation, error) {
	key := c.shows.Load().(string)
	if key == "" {
		return driver.Observation{}, &fault.Error{
			Code: fault.Unavailable, Reason: "ConnectionRefused", What: "cannot connect", Why: "nobody listens",
			Fix: "give its port; run: zaffre compute update NAME --port PORT, or look at zaffre compute check JUMP-HOST",
		}
	}
	return driver.Observation{Pin: map[string]string{"hostKey": key}, Facts: map[string]string{"host-key": key}, Observed: time.Now()}, nil
}

func showing(t *testing.T) (s *compute.Service, shows *atomic.Value, secrets *atomic.Int32) {
	t.Helper()
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
	shows, secrets = &atomic.Value{}, &atomic.Int32{}
	shows.Store("key")
	s = compute.New(compute.Config{Targets: db.Targets(), Box: box, Kinds: []driver.Kind{shower(shows, secrets)}, Log: log})
	t.Cleanup(func() { s.Close() })
	return s, shows, secrets
}

// TestIdentify: it shows the key, has no secret, and leaves nothing behind.
func TestIdentify(t *testing.T) {
	t.Parallel()
	s, shows, secrets := showing(t)
	ctx := owner(t.Context())
	q := request("gpu", map[string]any{"password": "secret"})
	o, err := s.Identify(ctx, q)
	if err != nil || o.Pin["hostKey"] != "key" {
		t.Fatalf("%v, %v", o.Pin, err)
	}
	if n := secrets.Load(); n != 0 {
		t.Errorf("the driver got %d secrets", n)
	}
	_, err = s.Get(ctx, key("gpu"))
	domaintest.Refused(t, err, "ComputeNotFound")

	shows.Store("")
	q.Options = map[string]any{"via": "bastion"}
	bastion := request("bastion", map[string]any{"password": "x"})
	if _, _, err := s.Attach(ctx, bastion); err != nil {
		t.Fatal(err)
	}
	_, err = s.Identify(ctx, q)
	domaintest.Refused(t, err, "ConnectionRefused")
	want := "give its port; run: zaffre compute attach fake gpu --port PORT, or look at zaffre compute check bastion"
	if diff := cmp.Diff(want, fault.From(err).Fix); diff != "" {
		t.Errorf("the fix (-want +got):\n%s", diff)
	}
	_, err = s.Identify(ctx, request("a_b", nil))
	domaintest.Refused(t, err, "NameInvalid")
	_, err = s.Identify(ctx, compute.AttachRequest{Workspace: "other", Name: "gpu", Kind: "fake"})
	domaintest.Refused(t, err, "RoleMissing")
	_, err = domaintest.New(t).Computes.Identify(ctx, request("gpu", nil))
	domaintest.Refused(t, err, "CapabilityMissing")
}

// TestAttachPinned: a target is held to what its user was shown, from its first look on.
func TestAttachPinned(t *testing.T) {
	t.Parallel()
	s, shows, _ := showing(t)
	ctx := owner(t.Context())
	check := func(name string) compute.Target {
		t.Helper()
		got, err := s.Check(ctx, store.Key{Workspace: domaintest.Workspace, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	q := request("gpu", map[string]any{"password": "x"})
	q.Pin = map[string]string{"hostKey": "key"}
	shows.Store("another") // who answers now is not who was shown
	if _, _, err := s.Attach(ctx, q); err != nil {
		t.Fatal(err)
	}
	if got := check("gpu"); got.Status.State != compute.Failed || got.Status.Error.Reason != "HostKeyChanged" || got.Status.Pinned["hostKey"] != "key" {
		t.Fatalf("it is %s, %v, pinned %v", got.Status.State, got.Status.Error, got.Status.Pinned)
	}
	shows.Store("key")
	if got := check("gpu"); got.Status.State != compute.Succeeded {
		t.Fatalf("it is %s, %v", got.Status.State, got.Status.Error)
	}
	again, created, err := s.Attach(ctx, q)
	if err != nil || created || again.Revision != 1 {
		t.Errorf("the same again: created %v, revision %d, %v", created, again.Revision, err)
	}
	q.Pin = map[string]string{"hostKey": "another"}
	_, _, err = s.Attach(ctx, q)
	domaintest.Refused(t, err, "PinDiffers")

	// One that nobody could look at yet gets the pin afterwards.
	q = request("late", map[string]any{"password": "x"})
	if _, _, err := s.Attach(ctx, q); err != nil {
		t.Fatal(err)
	}
	q.Pin = map[string]string{"hostKey": "key"}
	late, _, err := s.Attach(ctx, q)
	if err != nil || late.Status.Pinned["hostKey"] != "key" || late.Revision != 2 {
		t.Errorf("pinned %v, revision %d, %v", late.Status.Pinned, late.Revision, err)
	}
}
