package identity_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

func principals(t *testing.T) *identity.Service {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "z.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return identity.New(identity.Config{
		Tokens: db.Tokens(), Principals: db.Principals(), HasWorkspace: func(context.Context, string) error { return nil },
	})
}

func TestPrincipalsLive(t *testing.T) {
	t.Parallel()
	s, ctx := principals(t), identity.System(t.Context())
	p, secret, err := s.CreatePrincipal(ctx, identity.TokenRequest{Name: "ci", Workspace: "ws", Role: identity.Contributor})
	if err != nil || strings.Contains(p.Hash, secret) || !strings.HasPrefix(secret, "zafs_") {
		t.Fatalf("%+v, %v", p, err)
	}
	if got, err := s.AuthenticateClient(ctx, p.AppID, secret); err != nil || got.Caller().RoleIn("ws") != identity.Contributor || got.Caller().RoleIn("other") != "" {
		t.Errorf("%+v, %v", got, err)
	}
	list, _, err := s.ListPrincipals(ctx, "ws", store.Page{})
	if err != nil || len(list) != 1 || list[0].AppID != p.AppID {
		t.Errorf("listed %+v, %v", list, err)
	}
	past := time.Now().Add(-time.Hour)
	_, fresh, err := s.RotatePrincipal(ctx, p.AppID, past)
	if err != nil {
		t.Fatal(err)
	}
	for reason, try := range map[string]struct{ id, secret, want string }{
		"the old secret":   {p.AppID, secret, "ClientInvalid"},
		"an expired one":   {p.AppID, fresh, "ClientExpired"},
		"no such client":   {"00000000-0000-0000-0000-000000000000", fresh, "ClientInvalid"},
		"no ID at all":     {"", "", "ClientInvalid"},
		"an empty secret":  {p.AppID, "", "ClientInvalid"},
		"the hash as such": {p.AppID, p.Hash, "ClientInvalid"},
	} {
		if _, err := s.AuthenticateClient(ctx, try.id, try.secret); fault.ReasonOf(err) != try.want || fault.CodeOf(err) != fault.Unauthorized {
			t.Errorf("%s: %v, want %s", reason, err, try.want)
		}
	}
	for range 2 { // twice is once
		if err := s.DeletePrincipal(ctx, p.AppID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Principal(ctx, p.AppID, time.Now()); fault.ReasonOf(err) != "ClientInvalid" {
		t.Errorf("after its deletion: %v", err)
	}
}

func TestPrincipalsTakeAnOwner(t *testing.T) {
	t.Parallel()
	s := principals(t)
	p, _, err := s.CreatePrincipal(identity.System(t.Context()), identity.TokenRequest{Name: "ci", Workspace: "ws", Role: identity.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx := identity.With(t.Context(), identity.Caller{Name: "ada", Roles: map[string]identity.Role{"ws": identity.Contributor, "mine": identity.Owner}})
	_, _, create := s.CreatePrincipal(ctx, identity.TokenRequest{Name: "x", Workspace: "ws", Role: identity.Reader})
	_, _, rotate := s.RotatePrincipal(ctx, p.AppID, time.Time{})
	_, _, list := s.ListPrincipals(ctx, "ws", store.Page{})
	for what, err := range map[string]error{"create": create, "rotate": rotate, "list": list, "delete": s.DeletePrincipal(ctx, p.AppID)} {
		if fault.ReasonOf(err) != "RoleMissing" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := s.CreatePrincipal(ctx, identity.TokenRequest{Name: "x", Workspace: "mine", Role: identity.Owner}); err != nil {
		t.Errorf("in an own workspace: %v", err)
	}
}
