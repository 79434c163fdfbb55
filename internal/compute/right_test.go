package compute_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
)

// within waits until a target has a state, and returns it.
func (s *stand) within(t *testing.T, name string, state compute.State, reason string) compute.Target {
	t.Helper()
	return domaintest.Eventually(t, func() (compute.Target, bool) {
		got, err := s.Computes.Get(owner(t.Context()), key(name))
		has := got.Status.Error == nil && reason == "" || got.Status.Error != nil && got.Status.Error.Reason == reason
		return got, err == nil && got.Status.State == state && has
	})
}

// connections counts those that were made to a target.
func (s *stand) connections(id string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.seen {
		if t.ID == id {
			n++
		}
	}
	return n
}

func TestTheRightToAnEntryIsTaken(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	allow := func(who ...string) { s.add(t, inventory.Request{ResourceID: vm, Allow: who}) }
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "a", "user": "u"}, Secrets: map[string]string{"password": "p"}, Allow: []string{"bob"}})
	q := attachVM("gpu", map[string]any{"resourceId": vm})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), q); err != nil {
		t.Fatal(err)
	}
	target := s.within(t, "gpu", compute.Succeeded, "")

	allow("ci")
	denied := s.within(t, "gpu", compute.Failed, "ResourceDenied")
	made := s.connections(target.ID)
	if c := denied.Status.Seen.Checks; denied.ID != target.ID || len(c) != 1 || c[0].OK || c[0].Reason != "ResourceDenied" || denied.Ready() {
		t.Errorf("checks %+v", c)
	}
	if e := denied.Status.Error; !strings.Contains(e.Why, `"bob" may not use the inventory entry`) || !strings.Contains(e.Fix, "zaffre inventory add --allow") {
		t.Errorf("%+v", e)
	}
	_, err := s.Computes.Shell(contributor(t.Context()), key("gpu"), compute.ShellRequest{}, nil)
	domaintest.Refused(t, err, "ResourceDenied")
	if n := s.connections(target.ID); n != made {
		t.Errorf("%d connections without the right", n-made)
	}

	allow("bob", "ci")
	s.within(t, "gpu", compute.Succeeded, "")
	allow("Owner")
	s.within(t, "gpu", compute.Failed, "ResourceDenied")
	_, _, err = s.Computes.Attach(contributor(t.Context()), q)
	domaintest.Refused(t, err, "ResourceDenied")
	if _, _, err := s.Computes.Attach(owner(t.Context()), q); err != nil {
		t.Fatal(err)
	}
	s.within(t, "gpu", compute.Succeeded, "") // it is the owner's now
	allow("ci")
	if got := s.settled(t, "gpu"); got.Status.State != compute.Succeeded {
		t.Errorf("of an owner, who always may: %s, %+v", got.Status.State, got.Status.Error)
	}
}

func TestTheRightToAJumpHostIsTaken(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.add(t, inventory.Request{ResourceID: bastion, Settings: map[string]string{"address": "edge", "user": "j", "hostKey": "SHA256:x"}, Allow: []string{"bob"}})
	q := attachVM("inner", map[string]any{"address": "10.0.0.4", "administratorAccount.username": "u", "via": []any{bastion}})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), q); err != nil {
		t.Fatal(err)
	}
	s.within(t, "inner", compute.Succeeded, "")
	s.add(t, inventory.Request{ResourceID: bastion, Allow: []string{"ci"}})
	got := s.within(t, "inner", compute.Failed, "ResourceDenied")
	if c := got.Status.Seen.Checks; len(c) != 1 || c[0].Name != "inventory" || c[0].Evidence[0] != bastion {
		t.Errorf("checks %+v", c)
	}
}

// TestRolesComeFromTheAttach has a caller whose name says nothing: only the role that came with it counts.
func TestRolesComeFromTheAttach(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "a", "user": "u"}, Allow: []string{"Owner"}})
	boss := func(ctx context.Context) context.Context {
		return identity.With(ctx, identity.Caller{Name: "boss", Roles: map[string]identity.Role{identity.AllWorkspaces: identity.Owner}})
	}
	if _, _, err := s.Computes.Attach(boss(t.Context()), attachVM("gpu", map[string]any{"resourceId": vm})); err != nil {
		t.Fatal(err)
	}
	s.within(t, "gpu", compute.Succeeded, "")
}

func TestWhatTheInventorySaidIsKept(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "10.0.0.4", "port": "2222", "user": "ubuntu", "livy": "https://x"}, Secrets: map[string]string{"password": "sealed"}})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), attachVM("gpu", map[string]any{"resourceId": vm, "sshPort": 22})); err != nil {
		t.Fatal(err)
	}
	got := s.within(t, "gpu", compute.Succeeded, "")
	want := map[string]any{"resourceId": vm, "address": "10.0.0.4", "sshPort": int64(2222), "administratorAccount.username": "ubuntu"}
	if diff := cmp.Diff(want, got.Options()); diff != "" || got.Spec.Options["address"] != nil {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if _, err := s.Computes.Update(contributor(t.Context()), key("gpu"), map[string]any{"address": "mine", "administratorAccount.username": "u"}); err != nil {
		t.Fatal(err)
	}
	got = s.within(t, "gpu", compute.Succeeded, "")
	if got.Options()["address"] != "mine" || got.Options()["sshPort"] != int64(22) || got.Status.Found != nil {
		t.Errorf("with an address of its own: %v, found %v", got.Options(), got.Status.Found)
	}
	got.Status.Found = map[string]any{"address": "10.0.0.4"} // before it was looked at again
	if got.Options()["address"] != "mine" {
		t.Errorf("between the change and the look: %v", got.Options())
	}
}
