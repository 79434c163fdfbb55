package workspace_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/event"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func newService(t testing.TB) (*workspace.Service, *sqlstore.DB) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return workspace.New(db.Workspaces(), db.LinkedServices()), db
}

func as(ctx context.Context, ws string, r identity.Role) context.Context {
	return identity.With(ctx, identity.Caller{Name: "ann", Roles: map[string]identity.Role{ws: r}})
}

func TestCreate(t *testing.T) {
	t.Parallel()
	s, db := newService(t)
	owner := as(t.Context(), "*", identity.Owner)
	w, created, err := s.Create(owner, "lab")
	if err != nil || !created || len(w.ID) != 36 || w.CreatedBy != "ann" || w.Created.IsZero() {
		t.Fatalf("created: %+v, %v, %v", w, created, err)
	}
	again, created, err := s.Create(owner, "lab")
	if err != nil || created || again.ID != w.ID {
		t.Errorf("again: %+v, %v, %v", again, created, err)
	}
	for _, tc := range []struct {
		reason, name string
		ctx          context.Context
		want         string
	}{
		{"a contributor", "x1", as(t.Context(), "*", identity.Contributor), "RoleMissing"},
		{"the owner of one", "x1", as(t.Context(), "lab", identity.Owner), "RoleMissing"},
		{"nobody", "x1", t.Context(), "RoleMissing"},
		{"the name of all", "*", owner, "NameInvalid"},
		{"the global one", store.Global, owner, "NameInvalid"},
		{"a slash", "a/b", owner, "NameInvalid"},
	} {
		if _, _, err := s.Create(tc.ctx, tc.name); fault.ReasonOf(err) != tc.want {
			t.Errorf("%s: %v", tc.reason, err)
		}
	}
	list, err := event.New(db).List(owner, event.Filter{Workspace: "lab"}, 0, 0)
	if err != nil || len(list) != 1 || list[0].Type != "workspace.created" || list[0].Actor != "ann" {
		t.Errorf("events: %+v, %v", list, err)
	}
}

func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	if _, err := s.EnsureDefault(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create(as(t.Context(), "*", identity.Owner), "lab"); err != nil {
		t.Fatal(err)
	}
	names := func(ctx context.Context) []string {
		list, _, err := s.List(ctx, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, w := range list {
			out = append(out, w.Name)
		}
		return out
	}
	for _, tc := range []struct {
		ws   string
		want []string
	}{{"*", []string{"default", "lab"}}, {"lab", []string{"lab"}}, {"gone", nil}} {
		ctx := as(t.Context(), tc.ws, identity.Reader)
		if diff := cmp.Diff(tc.want, names(ctx)); diff != "" {
			t.Errorf("a reader of %s (-want +got):\n%s", tc.ws, diff)
		}
	}
	lab := as(t.Context(), "lab", identity.Reader)
	if err := s.Enter(lab, "lab"); err != nil {
		t.Error(err)
	}
	if err := s.Enter(lab, "default"); fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("enter another: %v", err)
	}
	if err := s.Enter(as(t.Context(), "*", identity.Owner), "none"); fault.ReasonOf(err) != "WorkspaceNotFound" {
		t.Errorf("enter none: %v", err)
	}
	if _, err := s.Get(lab, "default"); fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("get another: %v", err)
	}
}
