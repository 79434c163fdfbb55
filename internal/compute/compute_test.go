package compute_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

var owner = domaintest.Owner

func key(name string) store.Key { return store.Key{Workspace: domaintest.Workspace, Name: name} }

func request(name string, options map[string]any) compute.AttachRequest {
	return compute.AttachRequest{Workspace: domaintest.Workspace, Name: name, Kind: "fake", Options: options}
}

// check looks at a target, as somebody who repeats what was not answered.
func check(t *testing.T, s *domaintest.Server, k store.Key) compute.Target {
	t.Helper()
	return domaintest.Insist(t, func() (compute.Target, error) { return s.Computes.Check(owner(t.Context()), k) })
}

func TestAttachRefuses(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	for reason, q := range map[string]compute.AttachRequest{
		"NameInvalid":    request("a_b", nil),
		"KindUnknown":    {Workspace: domaintest.Workspace, Name: "ok", Kind: "quantum"},
		"TargetImplicit": request("server", nil),
		"OptionUnknown":  request("ok", map[string]any{"slotz": 1}),
		"OptionInvalid":  request("ok", map[string]any{"slots": "many"}),
		"RoleMissing":    {Workspace: "other", Name: "ok", Kind: "fake"},
		"ComputeExists":  {Workspace: domaintest.Workspace, Name: "box", Kind: "fake", Shared: true},
	} {
		_, _, err := s.Computes.Attach(owner(t.Context()), q)
		domaintest.Refused(t, err, reason)
	}
}

func TestAttachTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	first := s.Attach(t, "two", map[string]any{"slots": 2, "password": "x"})
	again, created, err := s.Computes.Attach(owner(t.Context()), request("two", map[string]any{"slots": 2.0, "password": "x"}))
	if err != nil || created || again.Revision != first.Revision || again.ID != first.ID {
		t.Errorf("the same again: created %v, revision %d, %v", created, again.Revision, err)
	}
	other, created, err := s.Computes.Attach(owner(t.Context()), request("two", map[string]any{"slots": 3}))
	if err != nil || created || other.Revision != first.Revision+1 || other.Status.State != compute.Updating {
		t.Errorf("other options: created %v, revision %d, %s, %v", created, other.Revision, other.Status.State, err)
	}
}

func TestSameComputerTwice(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	s.Attach(t, "first", map[string]any{"machine": "m1"})
	second := s.Attach(t, "second", map[string]any{"machine": "m1"})
	if e := second.Status.Error; second.Status.State != compute.Failed || e == nil || e.Reason != "SameComputer" || !strings.Contains(e.Why, `"first"`) {
		t.Fatalf("second is %s, %+v", second.Status.State, e)
	}
	q := request("third", map[string]any{"machine": "m1"})
	q.Shared = true
	if _, _, err := s.Computes.Attach(owner(t.Context()), q); err != nil {
		t.Fatal(err)
	}
	domaintest.Eventually(t, func() (compute.Target, bool) {
		got, err := s.Computes.Get(owner(t.Context()), key("third"))
		return got, err == nil && got.Status.State == compute.Succeeded
	})
	if _, err := s.Computes.Detach(owner(t.Context()), key("first"), compute.DetachOptions{}); err != nil {
		t.Fatal(err)
	}
	healed := check(t, s, key("second"))
	if healed.Status.State != compute.Succeeded || healed.Status.Error != nil {
		t.Errorf("after the first was detached, the second is %s", healed.Status.State)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	bad := s.Attach(t, "bad", map[string]any{"password": "wrong"})
	if bad.Status.State != compute.Failed || bad.Status.Error.Reason != "PasswordRefused" || bad.Ready() {
		t.Fatalf("%s, %+v", bad.Status.State, bad.Status.Error)
	}
	if len(bad.Status.Seen.Checks) != 1 || bad.Status.Seen.Checks[0].OK {
		t.Errorf("checks %+v", bad.Status.Seen.Checks)
	}
	if _, err := s.Computes.Update(owner(t.Context()), key("bad"), map[string]any{"password": "right"}); err != nil {
		t.Fatal(err)
	}
	domaintest.Eventually(t, func() (compute.Target, bool) {
		got, err := s.Computes.Get(owner(t.Context()), key("bad"))
		return got, err == nil && got.Status.State == compute.Succeeded && got.Ready()
	})
	away := &fault.Error{Code: fault.Unavailable, Reason: "ConnectionRefused", What: "x", Why: "nobody listens", Fix: "x"}
	s.Fake.Fail("Observe", away, away, away) // who repeats a look sees it again
	got := check(t, s, key("bad"))
	if got.Status.State != compute.Succeeded || got.Ready() || got.Status.Conditions[0].Reason != "ConnectionRefused" {
		t.Errorf("away: %s, conditions %+v", got.Status.State, got.Status.Conditions)
	}
}

// TestBusyForAMoment: one who says when to ask again is asked again, before an attach has failed or a record goes while
// what it stands for stays.
func TestBusyForAMoment(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	busy := &fault.Error{Code: fault.Unavailable, Reason: "ClusterBusy", What: "x", Why: "it cannot answer now", Fix: "x", RetryAfter: time.Millisecond}
	s.Fake.Fail("Observe", busy, busy)
	if got := s.Attach(t, "busy", nil); got.Status.State != compute.Succeeded {
		t.Errorf("it is %s, %+v", got.Status.State, got.Status.Error)
	}
	s.Fake.Fail("Clean", busy, busy)
	if _, err := s.Computes.Detach(owner(t.Context()), key("busy"), compute.DetachOptions{Leave: true}); err != nil || s.Fake.Calls("Clean") != 3 {
		t.Errorf("detached after %d tries, %v", s.Fake.Calls("Clean"), err)
	}
	busy.RetryAfter = time.Hour
	s.Fake.Fail("Observe", busy)
	if got := s.Attach(t, "later", nil); got.Status.State != compute.Failed {
		t.Errorf("what is to be asked again in an hour is %s", got.Status.State)
	}
}

func TestSecretsAreSealed(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	const canary = "zaffre-canary-7f3a"
	target := s.Attach(t, "sealed", map[string]any{"password": canary})
	if strings.Contains(fmt.Sprintf("%+v", target), canary) || len(target.Spec.Sealed) != 1 {
		t.Errorf("the secret stands in the record: %+v", target.Spec)
	}
	dump := domaintest.Insist(t, func() (b bytes.Buffer, err error) { return b, s.DB.Dump(t.Context(), &b) })
	if bytes.Contains(dump.Bytes(), []byte(canary)) || dump.Len() == 0 {
		t.Error("the secret stands in the database")
	}
}

func TestANewLoginDropsTheOldOne(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	s.Attach(t, "login", map[string]any{"password": "old", "slots": 2})
	attach := func(options map[string]any) (compute.Target, error) {
		target, _, err := s.Computes.Attach(owner(t.Context()), request("login", options))
		return target, err
	}
	update := func(options map[string]any) (compute.Target, error) {
		return s.Computes.Update(owner(t.Context()), key("login"), options)
	}
	for _, c := range []struct {
		how     func(map[string]any) (compute.Target, error)
		options map[string]any
		want    []string
	}{
		{attach, map[string]any{"slots": 3}, []string{"password"}},
		{attach, map[string]any{"key": "new"}, []string{"key"}},
		{update, map[string]any{"password": "too"}, []string{"key", "password"}},
		{attach, map[string]any{"password": "only"}, []string{"password"}},
	} {
		got, err := c.how(c.options)
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(got.Spec.Sealed))); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", c.options, err, diff)
		}
	}
}

func TestDetach(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	_, err := s.Computes.Detach(owner(t.Context()), key("none"), compute.DetachOptions{})
	domaintest.Refused(t, err, "ComputeNotFound")
	s.Attach(t, "gone", nil)
	away := &fault.Error{Code: fault.Unavailable, Reason: "ConnectionRefused", What: "x", Why: "nobody listens", Fix: "x"}
	s.Fake.Fail("Clean", away)
	_, err = s.Computes.Detach(owner(t.Context()), key("gone"), compute.DetachOptions{})
	if f := fault.From(err); f == nil || !strings.Contains(f.Fix, "--force") {
		t.Errorf("detach of a machine that is away: %v", err)
	}
	s.Fake.Fail("Clean", away)
	if _, err := s.Computes.Detach(owner(t.Context()), key("gone"), compute.DetachOptions{Force: true}); err != nil {
		t.Errorf("forced: %v", err)
	}
	_, err = s.Computes.Get(owner(t.Context()), key("gone"))
	domaintest.Refused(t, err, "ComputeNotFound")
}

// Nothing was ever put on a target whose first look failed: it goes, whether its machine answers or not.
func TestDetachOfOneNeverSeen(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	locked := &fault.Error{Code: fault.Unauthorized, Reason: "KeyLocked", What: "x", Why: "no passphrase", Fix: "x"}
	s.Fake.Fail("Observe", locked)
	if five := s.Attach(t, "five", nil); five.Status.State != compute.Failed {
		t.Fatalf("five is %s", five.Status.State)
	}
	s.Fake.Fail("Clean", locked)
	if items, err := s.Computes.Detach(owner(t.Context()), key("five"), compute.DetachOptions{}); err != nil || len(items) > 0 {
		t.Errorf("detached with %v, %v", items, err)
	}
}

// From every state a target can be detached, and no state is a dead end.
func TestStates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := compute.Creating
		for range rapid.IntRange(0, 8).Draw(t, "steps") {
			next := rapid.SampledFrom(compute.States()).Draw(t, "next")
			got, err := s.Move(next)
			if err != nil && got != s {
				t.Fatalf("a refused move from %s gave %s", s, got)
			}
			s = got
		}
		if _, err := s.Move(compute.Deleting); err != nil {
			t.Fatalf("%s cannot be detached: %v", s, err)
		}
	})
}
