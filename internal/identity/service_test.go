package identity_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// counting counts how often the database is asked.
type counting struct {
	identity.TokenStore
	mu   sync.Mutex
	gets int
}

func (c *counting) Get(ctx context.Context, k store.Key) (identity.Token, error) {
	c.mu.Lock()
	c.gets++
	c.mu.Unlock()
	return c.TokenStore.Get(ctx, k)
}

func newService(t testing.TB) (*identity.Service, *counting, *sqlstore.DB) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c := &counting{TokenStore: db.Tokens()}
	return identity.New(identity.Config{Tokens: c, HasWorkspace: func(_ context.Context, name string) error {
		if name == "ws" {
			return nil
		}
		return &fault.Error{Code: fault.NotFound, Reason: "WorkspaceNotFound", What: "w", Why: "w", Fix: "f"}
	}}), c, db
}

func TestTokensAreKeptAsHashes(t *testing.T) {
	t.Parallel()
	s, _, db := newService(t)
	ctx := identity.System(t.Context())
	tok, bearer, err := s.CreateToken(ctx, identity.TokenRequest{Name: "ci", Workspace: "ws", Role: identity.Contributor})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(bearer, "zaf_"+tok.ID+"_") || len(bearer) < 50 {
		t.Errorf("bearer %q of %s", bearer, tok.ID)
	}
	kept, err := db.Tokens().Get(ctx, tok.Key())
	if err != nil || strings.Contains(bearer, kept.Hash) || len(kept.Hash) != 64 {
		t.Errorf("kept: %+v, %v", kept, err)
	}
	c, err := s.Authenticate(t.Context(), bearer)
	if err != nil || c.Name != "ci" || c.RoleIn("ws") != identity.Contributor || c.RoleIn("other") != "" {
		t.Errorf("caller: %+v, %v", c, err)
	}
	for _, bad := range []string{"", "zaf_", "zaf_" + tok.ID, "zaf_" + tok.ID + "_", bearer + "x", bearer[:len(bearer)-1], "xyz_" + tok.ID + "_a", strings.Repeat("z", 1000)} {
		if _, err := s.Authenticate(t.Context(), bad); fault.ReasonOf(err) != "TokenInvalid" || fault.CodeOf(err) != fault.Unauthorized {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAuthenticateCaches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store, db := newService(t)
		defer db.Close()
		ctx := identity.System(t.Context())
		tok, bearer, err := s.CreateToken(ctx, identity.TokenRequest{Name: "ci", Workspace: "ws", Role: identity.Reader, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if _, err := s.Authenticate(ctx, bearer); err != nil {
				t.Fatal(err)
			}
		}
		if store.gets != 1 {
			t.Errorf("asked the database %d times for 100 requests", store.gets)
		}
		time.Sleep(11 * time.Second) // of the bubble
		if _, err := s.Authenticate(ctx, bearer); err != nil || store.gets != 2 {
			t.Errorf("after the cache's time: %d times, %v", store.gets, err)
		}
		time.Sleep(time.Hour)
		if _, err := s.Authenticate(ctx, bearer); fault.ReasonOf(err) != "TokenExpired" {
			t.Errorf("after its time: %v", err)
		}
		if _, err := s.RevokeToken(ctx, tok.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authenticate(ctx, bearer); fault.ReasonOf(err) != "TokenRevoked" {
			t.Errorf("revoked: %v", err)
		}
	})
}

func TestRevocationIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	s, _, _ := newService(t)
	ctx := identity.System(t.Context())
	for range 20 {
		tok, bearer, err := s.CreateToken(ctx, identity.TokenRequest{Name: "ci", Workspace: "ws", Role: identity.Reader})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 { // readers that may have read the token before it was revoked
			wg.Go(func() {
				for range 10 {
					_, _ = s.Authenticate(ctx, bearer)
				}
			})
		}
		if _, err := s.RevokeToken(ctx, tok.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authenticate(ctx, bearer); fault.ReasonOf(err) != "TokenRevoked" {
			t.Fatalf("after RevokeToken returned: %v", err)
		}
		wg.Wait()
		if _, err := s.Authenticate(ctx, bearer); fault.ReasonOf(err) != "TokenRevoked" {
			t.Fatalf("later: %v", err)
		}
	}
}

func TestEnsureIsIdempotent(t *testing.T) {
	t.Parallel()
	s, _, db := newService(t)
	ctx := identity.System(t.Context())
	bearer, q := identity.NewBearer(), identity.TokenRequest{Name: "admin", Workspace: identity.AllWorkspaces, Role: identity.Owner}
	for range 2 {
		if err := s.Ensure(ctx, bearer, q); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.Authenticate(ctx, bearer)
	if err != nil || c.RoleIn("any") != identity.Owner {
		t.Errorf("caller: %+v, %v", c, err)
	}
	list, _, err := s.ListTokens(ctx, "", store.Page{})
	if err != nil || len(list) != 1 {
		t.Fatalf("tokens: %+v, %v", list, err)
	}
	if _, err := s.RevokeToken(ctx, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Ensure(ctx, bearer, q); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(ctx, bearer); fault.ReasonOf(err) != "TokenRevoked" {
		t.Errorf("a revoked token came back to life: %v", err)
	}
	events, err := db.Events(ctx, store.Global, "token/", 0, 10)
	if err != nil || len(events) != 2 || events[0].Actor != "system" {
		t.Errorf("events: %+v, %v", events, err)
	}
	if err := s.Ensure(ctx, "nothing", q); fault.ReasonOf(err) != "TokenInvalid" {
		t.Errorf("Ensure of no token: %v", err)
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		roles map[string]identity.Role
		need  identity.Role
		ok    bool
	}{
		{nil, identity.Reader, false},
		{map[string]identity.Role{"ws": identity.Reader}, identity.Reader, true},
		{map[string]identity.Role{"ws": identity.Reader}, identity.Contributor, false},
		{map[string]identity.Role{"ws": identity.Owner}, identity.Contributor, true},
		{map[string]identity.Role{"other": identity.Owner}, identity.Reader, false},
		{map[string]identity.Role{"*": identity.Reader, "ws": identity.Contributor}, identity.Contributor, true},
		{map[string]identity.Role{"*": identity.Owner, "ws": identity.Reader}, identity.Owner, true},
		{map[string]identity.Role{"ws": identity.Owner}, identity.Role("King"), false},
		{map[string]identity.Role{"ws": identity.Role("King")}, identity.Reader, false},
	} {
		ctx := identity.With(t.Context(), identity.Caller{Name: "ann", Roles: tc.roles})
		err := identity.Require(ctx, "ws", tc.need)
		if (err == nil) != tc.ok || err != nil && fault.ReasonOf(err) != "RoleMissing" {
			t.Errorf("%v needs %s: %v", tc.roles, tc.need, err)
		}
	}
	if identity.Require(t.Context(), "ws", identity.Reader) == nil {
		t.Error("nobody may read")
	}
}
