package compute_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

const (
	vm      = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm1"
	bastion = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/bastion"
)

// stand is a server with an inventory and a kind "vm" that notes what it connects with.
type stand struct {
	*domaintest.Server
	inventory *inventory.Service

	mu   sync.Mutex
	seen []driver.Target
}

func newStand(t *testing.T) *stand {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "zaffre.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	world := fake.NewWorld()
	s := &stand{Server: domaintest.Assemble(t, db, dir, world)}
	box, err := secret.OpenKeyring(filepath.Join(dir, "keys"), false)
	if err != nil {
		t.Fatal(err)
	}
	s.inventory = inventory.New(inventory.Config{Entries: db.Inventory(), Box: box, Changed: s.Computes.Reconsider})
	s.Computes.Inventory = s.inventory
	s.Computes.Kinds = append(s.Computes.Kinds, s.kind(world))
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// host is a fake connection that is a Host, so that it may be a jump host.
type host struct{ driver.Host }

func (s *stand) kind(world *fake.World) driver.Kind {
	k := fake.Kind(world)
	connect := k.Connect
	k.Name, k.Prototype, k.ResourceTypes = "vm", host{}, []string{"Microsoft.Compute/virtualMachines"}
	k.Options = append(k.Options, driver.Option{Path: "resourceId", Type: driver.String}, driver.Option{Path: "address", Type: driver.String}, driver.Option{Path: "host", Type: driver.TargetRef},
		driver.Option{Path: "sshPort", Type: driver.Int, Default: int64(22)}, driver.Option{Path: "hostKey", Type: driver.String},
		driver.Option{Path: "administratorAccount.username", Type: driver.String, Required: true},
		driver.Option{Path: "administratorAccount.password", Type: driver.String, Secret: true})
	k.Connect = func(ctx context.Context, t driver.Target) (driver.Conn, error) {
		s.mu.Lock()
		s.seen = append(s.seen, t)
		s.mu.Unlock()
		return connect(ctx, t)
	}
	return k
}

// last returns what the newest connection to a target was made with.
func (s *stand) last(id string) driver.Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range slices.Backward(s.seen) {
		if t.ID == id || id == "" {
			return t
		}
	}
	return driver.Target{}
}

func (s *stand) add(t *testing.T, q inventory.Request) {
	t.Helper()
	q.Workspace = domaintest.Workspace
	if _, _, err := s.inventory.Add(owner(t.Context()), q); err != nil {
		t.Fatal(err)
	}
}

func (s *stand) settled(t *testing.T, name string) compute.Target {
	t.Helper()
	return domaintest.Eventually(t, func() (compute.Target, bool) {
		got, err := s.Computes.Get(owner(t.Context()), key(name))
		return got, err == nil && got.Status.State != compute.Creating && got.Status.State != compute.Updating
	})
}

func attachVM(name string, options map[string]any) compute.AttachRequest {
	q := request(name, options)
	q.Kind = "vm"
	return q
}

func contributor(ctx context.Context) context.Context {
	return identity.With(ctx, identity.Caller{Name: "bob", Roles: map[string]identity.Role{domaintest.Workspace: identity.Contributor}})
}

func TestAttachByResourceID(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	ctx := contributor(t.Context())
	_, _, err := s.Computes.Attach(ctx, attachVM("gpu", map[string]any{"resourceId": vm, "administratorAccount.username": "u"}))
	domaintest.Refused(t, err, "ResourceUnknown")

	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "10.0.0.4", "port": "2222", "user": "ubuntu"}, Secrets: map[string]string{"password": "sealed"}})
	target, _, err := s.Computes.Attach(ctx, attachVM("gpu", map[string]any{"resourceId": strings.ToLower(vm)}))
	if err != nil {
		t.Fatal(err)
	}
	target = s.settled(t, "gpu")
	got := s.last(target.ID)
	if got.Options["address"] != "10.0.0.4" || got.Options["sshPort"] != int64(2222) || got.Options["administratorAccount.username"] != "ubuntu" || got.Secrets["administratorAccount.password"] != "sealed" {
		t.Errorf("connected with %v and %d secrets", got.Options, len(got.Secrets))
	}
	if target.Spec.Options["address"] != nil || len(target.Spec.Sealed) != 0 {
		t.Errorf("the target keeps what is the entry's: %+v", target.Spec)
	}
	if c := target.Status.Seen.Checks; target.Status.State != compute.Succeeded || len(c) < 2 || c[0].Name != "inventory" || !c[0].OK {
		t.Errorf("%s, checks %+v", target.Status.State, c)
	}
}

func TestAnAddressWinsOverTheInventory(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "10.0.0.4"}, Secrets: map[string]string{"password": "sealed"}, Allow: []string{"Owner"}})
	q := attachVM("gpu", map[string]any{"resourceId": vm, "address": "10.9.9.9", "administratorAccount.username": "u"})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), q); err != nil {
		t.Fatal(err)
	}
	got := s.last(s.settled(t, "gpu").ID)
	if got.Options["address"] != "10.9.9.9" || len(got.Secrets) != 0 {
		t.Errorf("connected with %v and %d secrets", got.Options, len(got.Secrets))
	}
	_, err := s.Computes.Update(contributor(t.Context()), key("gpu"), map[string]any{"address": ""})
	domaintest.Refused(t, err, "ResourceDenied")
}

func TestTheEntryChanges(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "a", "user": "u"}})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), attachVM("gpu", map[string]any{"resourceId": vm})); err != nil {
		t.Fatal(err)
	}
	target := s.settled(t, "gpu")
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "b"}})
	domaintest.Eventually(t, func() (any, bool) { got := s.last(target.ID).Options["address"]; return got, got == "b" })
	if err := s.inventory.Remove(owner(t.Context()), domaintest.Workspace, vm); err != nil {
		t.Fatal(err)
	}
	target = domaintest.Eventually(t, func() (compute.Target, bool) {
		got, err := s.Computes.Get(owner(t.Context()), key("gpu"))
		return got, err == nil && got.Status.State == compute.Failed
	})
	if e, c := target.Status.Error, target.Status.Seen.Checks; e.Reason != "ResourceUnknown" || len(c) != 1 || c[0].OK || c[0].Reason != "ResourceUnknown" {
		t.Errorf("%+v, checks %+v", e, c)
	}
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "c", "user": "u"}})
	if healed := s.settled(t, "gpu"); healed.Status.State != compute.Succeeded {
		t.Errorf("with an entry again it is %s, %+v", healed.Status.State, healed.Status.Error)
	}
}

func TestAJumpHostOfTheInventory(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.add(t, inventory.Request{ResourceID: bastion, Settings: map[string]string{"address": "edge", "user": "j"}})
	q := attachVM("inner", map[string]any{"address": "10.0.0.4", "administratorAccount.username": "u", "via": []any{bastion}})
	_, _, err := s.Computes.Attach(contributor(t.Context()), q)
	domaintest.Refused(t, err, "JumpHostUnusable") // nothing pins its host key
	s.add(t, inventory.Request{ResourceID: bastion, Settings: map[string]string{"hostKey": "SHA256:x"}})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), q); err != nil {
		t.Fatal(err)
	}
	target := s.settled(t, "inner")
	if got := s.last(target.ID); target.Status.State != compute.Succeeded || len(got.On["via"]) != 1 {
		t.Errorf("%s, %+v, on %v", target.Status.State, target.Status.Error, got.On)
	}
	s.add(t, inventory.Request{ResourceID: bastion, Allow: []string{"Owner"}})
	q.Name = "other"
	_, _, err = s.Computes.Attach(contributor(t.Context()), q)
	domaintest.Refused(t, err, "ResourceDenied")
}
