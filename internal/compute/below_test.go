package compute_test

import (
	"context"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// inner attaches a target that stands on others by what its entry says alone.
func (s *stand) inner(t *testing.T, settings map[string]string) compute.Target {
	t.Helper()
	s.add(t, inventory.Request{ResourceID: vm, Settings: settings})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), attachVM("inner", map[string]any{"resourceId": vm})); err != nil {
		t.Fatal(err)
	}
	return s.settled(t, "inner")
}

func TestWhatOthersStandOnIsNotDetached(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Attach(t, "gw", nil)
	target := s.inner(t, map[string]string{"host": "gw", "user": "u"})
	if got := s.last(target.ID); target.Status.State != compute.Succeeded || len(got.On["host"]) != 1 {
		t.Fatalf("%s, %+v, on %v", target.Status.State, target.Status.Error, got.On)
	}
	direct := attachVM("direct", map[string]any{"address": "10.0.0.5", "administratorAccount.username": "u", "via": []any{"gw"}})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), direct); err != nil {
		t.Fatal(err)
	}
	s.settled(t, "direct")
	_, err := s.Computes.Detach(owner(t.Context()), key("gw"), compute.DetachOptions{})
	if f := fault.From(err); f == nil || f.Reason != "TargetNeeded" || !strings.Contains(f.Why, "direct, inner") {
		t.Errorf("detach of what two stand on: %v", err)
	}
	for _, name := range []string{"direct", "inner"} {
		if _, err := s.Computes.Detach(owner(t.Context()), key(name), compute.DetachOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Computes.Detach(owner(t.Context()), key("gw"), compute.DetachOptions{}); err != nil {
		t.Errorf("detach of what nobody stands on any more: %v", err)
	}
}

// TestTheRightToWhatAnEntryStandsOn: who may use an entry may not for that use those that it names.
func TestTheRightToWhatAnEntryStandsOn(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.add(t, inventory.Request{ResourceID: bastion, Settings: map[string]string{"address": "edge", "user": "j", "hostKey": "SHA256:x"}, Allow: []string{"Owner"}})
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "10.0.0.4", "user": "u", "via": bastion}})
	q := attachVM("inner", map[string]any{"resourceId": vm})
	_, _, err := s.Computes.Attach(contributor(t.Context()), q)
	domaintest.Refused(t, err, "ResourceDenied")
	s.add(t, inventory.Request{ResourceID: bastion, Allow: []string{"bob"}})
	if _, _, err := s.Computes.Attach(contributor(t.Context()), q); err != nil {
		t.Fatal(err)
	}
	got := s.within(t, "inner", compute.Succeeded, "")
	if c := got.Status.Seen.Checks; len(c) < 2 || c[0].Evidence[0] != vm || c[1].Evidence[0] != bastion {
		t.Errorf("checks %+v", c)
	}
	s.add(t, inventory.Request{ResourceID: bastion, Allow: []string{"ci"}})
	s.within(t, "inner", compute.Failed, "ResourceDenied")
}

// TestHere: a kind may stand on the server's own machine, and knows it by its name alone.
func TestHere(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	if err := s.Computes.Ensure(owner(t.Context()), compute.ServerKey, "vm", map[string]any{"address": "here", "administratorAccount.username": "u"}); err != nil {
		t.Fatal(err)
	}
	var here driver.Conn
	i := len(s.Computes.Kinds) - 1
	connect := s.Computes.Kinds[i].Connect
	s.Computes.Kinds[i].Connect = func(ctx context.Context, target driver.Target) (driver.Conn, error) {
		var err error
		if target.Options["address"] == "on-it" {
			here, err = target.Here(ctx)
		}
		if err != nil {
			return nil, err
		}
		return connect(ctx, target)
	}
	if _, _, err := s.Computes.Attach(contributor(t.Context()), attachVM("on-it", map[string]any{"address": "on-it", "administratorAccount.username": "u"})); err != nil {
		t.Fatal(err)
	}
	if got := s.settled(t, "on-it"); got.Status.State != compute.Succeeded || here == nil {
		t.Errorf("%s, %+v, on %v", got.Status.State, got.Status.Error, here)
	}
}

// TestWhatIsBeingDetachedCarriesNothingNew: its machine is cleaned, and whoever stands on it would leave things there.
func TestWhatIsBeingDetachedCarriesNothingNew(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Attach(t, "gw", nil)
	if _, err := s.Computes.Targets.Update(owner(t.Context()), key("gw"), func(t *compute.Target) ([]store.Effect, error) {
		t.Status.State = compute.Deleting
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	target := s.inner(t, map[string]string{"host": "gw", "user": "u"})
	if e := target.Status.Error; target.Status.State != compute.Failed || e.Reason != "TargetDetaching" {
		t.Errorf("%s, %+v", target.Status.State, e)
	}
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"host": "nobody"}})
	s.within(t, "inner", compute.Failed, "ComputeNotFound")
}
