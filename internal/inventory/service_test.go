package inventory_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

const (
	vm    = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm1"
	canny = "canary-7f3a"
)

type fixture struct {
	*inventory.Service
	dir     string
	changed *[]string
}

func newService(t *testing.T) fixture {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	box, err := secret.OpenKeyring(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	var changed []string
	s := inventory.New(inventory.Config{Entries: db.Inventory(), Box: box, Changed: func(_ context.Context, ws, resource string) {
		changed = append(changed, ws+" "+resource)
	}})
	return fixture{s, dir, &changed}
}

func as(ctx context.Context, name string, r identity.Role) context.Context {
	return identity.With(ctx, identity.Caller{Name: name, Roles: map[string]identity.Role{"ws": r}})
}

func (f fixture) add(t *testing.T, q inventory.Request) inventory.Entry {
	t.Helper()
	q.Workspace = "ws"
	e, _, err := f.Add(as(t.Context(), "ann", identity.Owner), q)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAddIsOneEntryForAllSpellings(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := as(t.Context(), "ann", identity.Owner)
	q := inventory.Request{Workspace: "ws", ResourceID: vm, Settings: map[string]string{"address": "10.0.0.4", "port": "2222"}, Secrets: map[string]string{"password": canny}}
	first, created, err := s.Add(ctx, q)
	if err != nil || !created {
		t.Fatalf("the first: %v, %v", created, err)
	}
	q.ResourceID = strings.ToUpper(vm[:10]) + vm[10:] + "/"
	again, created, err := s.Add(ctx, q)
	if err != nil || created || again.ID != first.ID || len(*s.changed) != 1 {
		t.Errorf("the same again: %v, %v, told %v", created, err, *s.changed)
	}
	q = inventory.Request{Workspace: "ws", ResourceID: vm, Settings: map[string]string{"port": "", "via": "bastion"}}
	got, _, err := s.Add(ctx, q)
	if diff := cmp.Diff(map[string]string{"address": "10.0.0.4", "via": "bastion"}, got.Settings); err != nil || diff != "" || len(got.Sealed) != 1 {
		t.Errorf("changed (-want +got), %v:\n%s", err, diff)
	}
	if err := s.Remove(ctx, "ws", vm); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, "ws", vm); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := s.Get(ctx, "ws", vm); fault.ReasonOf(err) != "ResourceNotFound" {
		t.Errorf("after Remove: %v", err)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for _, tt := range []struct {
		reason string
		role   identity.Role
		q      inventory.Request
		want   string
	}{
		{"a contributor", identity.Contributor, inventory.Request{ResourceID: vm}, "RoleMissing"},
		{"no resource ID", identity.Owner, inventory.Request{ResourceID: "vm1"}, "ResourceIDInvalid"},
		{"a group", identity.Owner, inventory.Request{ResourceID: "/subscriptions/S/resourceGroups/G"}, "ResourceIDInvalid"},
		{"an unknown field", identity.Owner, inventory.Request{ResourceID: vm, Settings: map[string]string{"adress": "x"}}, "FieldUnknown"},
		{"a port that is none", identity.Owner, inventory.Request{ResourceID: vm, Settings: map[string]string{"port": "70000"}}, "FieldInvalid"},
		{"two lines", identity.Owner, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "a\nb"}}, "FieldInvalid"},
		{"an open secret", identity.Owner, inventory.Request{ResourceID: vm, Settings: map[string]string{"password": canny}}, "FieldSecret"},
		{"a secret address", identity.Owner, inventory.Request{ResourceID: vm, Secrets: map[string]string{"address": "x"}}, "FieldInvalid"},
		{"nobody", identity.Owner, inventory.Request{ResourceID: vm, Allow: []string{""}}, "NameInvalid"},
	} {
		tt.q.Workspace = "ws"
		_, _, err := s.Add(as(t.Context(), "ann", tt.role), tt.q)
		if fault.ReasonOf(err) != tt.want || strings.Contains(err.Error(), canny) {
			t.Errorf("%s: %v, want %s", tt.reason, err, tt.want)
		}
	}
}

func TestTheRightToUse(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for _, tt := range []struct {
		reason string
		allow  []string
		name   string
		role   identity.Role
		want   bool
	}{
		{"by default, a contributor", nil, "bob", identity.Contributor, true},
		{"by default, no reader", nil, "bob", identity.Reader, false},
		{"owners always", []string{"ci"}, "bob", identity.Owner, true},
		{"a name", []string{"ci"}, "ci", identity.Contributor, true},
		{"another name", []string{"ci"}, "bob", identity.Contributor, false},
		{"a role and those above", []string{"Contributor"}, "bob", identity.Contributor, true},
		{"owners only", []string{"Owner"}, "bob", identity.Contributor, false},
		{"a caller who is called like a role", []string{"Owner"}, "Owner", identity.Contributor, false},
		{"a name of another workspace", []string{"ci"}, "ci", "", false},
	} {
		allow := tt.allow
		if allow == nil {
			allow = []string{}
		}
		s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "x"}, Allow: allow})
		_, err := s.Resolve(as(t.Context(), tt.name, tt.role), "ws", vm)
		if (err == nil) != tt.want || err != nil && fault.ReasonOf(err) != "ResourceDenied" {
			t.Errorf("%s: %v", tt.reason, err)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := as(t.Context(), "bob", identity.Contributor)
	_, err := s.Resolve(ctx, "ws", vm)
	if f := fault.From(err); f.Reason != "ResourceUnknown" || !strings.Contains(f.Fix, "zaffre inventory add "+vm) || !strings.Contains(f.Why, "no entry") {
		t.Fatalf("without an entry: %+v", f)
	}
	e := s.add(t, inventory.Request{
		ResourceID: vm, Settings: map[string]string{"address": "10.0.0.4", "port": "22", "via": "a, b", "user": "u"}, Secrets: map[string]string{"password": canny},
	})
	got, err := s.Resolve(ctx, "ws", strings.ToLower(vm))
	want := inventory.Thing{
		ID: e.ID, Revision: e.Changed.UnixMicro(), Source: "inventory",
		Options: map[string]any{"address": "10.0.0.4", "sshPort": int64(22), "via": []any{"a", "b"}, "administratorAccount.username": "u"},
		Secrets: map[string]string{"administratorAccount.password": canny},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := s.Resolve(ctx, "other", vm); err == nil {
		t.Error("an entry of another workspace is found")
	}
}

// TestSecretsAreSealed looks for a secret in the data folder and in what events and lists say.
func TestSecretsAreSealed(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.add(t, inventory.Request{ResourceID: vm, Secrets: map[string]string{"password": canny, "privateKey": canny}})
	list, _, err := s.List(as(t.Context(), "bob", identity.Reader), "ws", store.Page{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil || bytes.Contains(b, []byte(canny)) {
			t.Errorf("%s: %v, or the secret", file, err)
		}
	}
	if bytes.Contains(list[0].Sealed["password"], []byte(canny)) {
		t.Error("the list has the secret")
	}
}
