package workspace_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func newVault(t testing.TB) (*workspace.Vault, *sqlstore.DB) {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	keys, err := secret.OpenKeyring(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	return workspace.NewVault(db.Vault(), keys), db
}

func TestVault(t *testing.T) {
	t.Parallel()
	v, db := newVault(t)
	const value = "s3cret-canary"
	k := store.Key{Workspace: "ws", Name: "db-password"}
	writer := as(t.Context(), "ws", identity.Contributor)
	if s, created, err := v.Set(writer, k, []byte("first"), "text"); err != nil || !created || s.CreatedBy != "ann" {
		t.Fatalf("set: %+v, %v, %v", s, created, err)
	}
	if s, created, err := v.Set(writer, k, []byte(value), ""); err != nil || created || s.ContentType != "text" {
		t.Fatalf("set again: %+v, %v, %v", s, created, err)
	}
	for _, role := range []identity.Role{identity.Tracker, identity.Contributor} {
		if _, got, err := v.Get(as(t.Context(), "ws", role), k); err != nil || string(got) != value {
			t.Errorf("%s gets %q, %v", role, got, err)
		}
	}
	list, _, err := v.List(as(t.Context(), "ws", identity.Reader), "ws", store.Page{})
	if err != nil || len(list) != 1 || list[0].Name != "db-password" || list[0].Sealed != nil {
		t.Errorf("list: %+v, %v", list, err)
	}
	var dump bytes.Buffer
	if err := db.Dump(t.Context(), &dump); err != nil || !strings.Contains(dump.String(), "db-password") || strings.Contains(dump.String(), value) {
		t.Errorf("a backup holds the value, or not the secret: %v", err)
	}
	if err := v.Delete(writer, k); err != nil {
		t.Error(err)
	}
	if err := v.Delete(writer, k); err != nil {
		t.Errorf("deleted twice: %v", err)
	}
	if _, _, err := v.Get(writer, k); fault.ReasonOf(err) != "SecretNotFound" {
		t.Errorf("after it was deleted: %v", err)
	}
}

func TestVaultRefuses(t *testing.T) {
	t.Parallel()
	v, _ := newVault(t)
	writer := as(t.Context(), "ws", identity.Contributor)
	k := store.Key{Workspace: "ws", Name: "a"}
	if _, _, err := v.Set(writer, k, []byte("x"), ""); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason, want string
		do           func() error
	}{
		{"a reader reads", "RoleMissing", func() error { _, _, err := v.Get(as(t.Context(), "ws", identity.Reader), k); return err }},
		{"another workspace reads", "RoleMissing", func() error { _, _, err := v.Get(as(t.Context(), "other", identity.Owner), k); return err }},
		{"a run sets", "RoleMissing", func() error { _, _, err := v.Set(as(t.Context(), "ws", identity.Tracker), k, nil, ""); return err }},
		{"a run deletes", "RoleMissing", func() error { return v.Delete(as(t.Context(), "ws", identity.Tracker), k) }},
		{"nobody lists", "RoleMissing", func() error { _, _, err := v.List(t.Context(), "ws", store.Page{}); return err }},
		{"a slash in the name", "SecretNameInvalid", func() error {
			_, _, err := v.Set(writer, store.Key{Workspace: "ws", Name: "a/b"}, nil, "")
			return err
		}},
		{"no name", "SecretNameInvalid", func() error { _, _, err := v.Set(writer, store.Key{Workspace: "ws"}, nil, ""); return err }},
		{"a large value", "SecretTooLarge", func() error { _, _, err := v.Set(writer, k, make([]byte, 64<<10+1), ""); return err }},
	} {
		if err := tc.do(); fault.ReasonOf(err) != tc.want {
			t.Errorf("%s: %v, want %s", tc.reason, err, tc.want)
		}
	}
}
