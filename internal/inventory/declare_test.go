package inventory_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func declared(place, resource string, settings, secrets map[string]string) inventory.Declared {
	return inventory.Declared{
		Request: inventory.Request{Workspace: "ws", ResourceID: resource, Settings: settings, Secrets: secrets}, Place: place,
		Places: map[string]string{"port": place + ".port", "password": place + ".password"},
	}
}

func (f fixture) declare(t *testing.T, list ...inventory.Declared) {
	t.Helper()
	if err := f.Declare(identity.System(t.Context()), list); err != nil {
		t.Fatal(err)
	}
}

func (f fixture) sources(t *testing.T) (out []string) {
	t.Helper()
	list, _, err := f.List(as(t.Context(), "ann", identity.Reader), "ws", store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Source+" "+e.Settings["address"])
	}
	return out
}

func (f fixture) address(t *testing.T) any {
	t.Helper()
	got, err := f.Resolve(as(t.Context(), "bob", identity.Contributor), "ws", vm)
	if err != nil {
		return fault.ReasonOf(err)
	}
	return got.Options["address"]
}

func TestDeclare(t *testing.T) {
	t.Parallel()
	s := newService(t)
	owner := as(t.Context(), "ann", identity.Owner)
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "added"}, Secrets: map[string]string{"password": "p"}})
	s.declare(t, declared("f:3", strings.ToUpper(vm[:10])+vm[10:], map[string]string{"address": "filed", "port": "22"}, map[string]string{"password": canny}),
		declared("f:9", vm+"2", map[string]string{"address": "other"}, nil))
	if got := s.address(t); got != "filed" {
		t.Errorf("with both, it is at %v", got)
	}
	if diff := cmp.Diff([]string{" added", "f:3 filed", "f:9 other"}, sorted(s.sources(t))); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
	_, _, err := s.Add(owner, inventory.Request{Workspace: "ws", ResourceID: vm, Settings: map[string]string{"address": "x"}})
	if f := fault.From(err); f == nil || f.Reason != "EntryOfFile" || !strings.Contains(f.Why, "f:3") {
		t.Errorf("changed by a request: %v", err)
	}
	if err := s.Remove(owner, "ws", vm+"2"); fault.ReasonOf(err) != "EntryOfFile" || !strings.Contains(err.Error(), "f:9") {
		t.Errorf("removed by a request: %v", err)
	}

	// The same file again, with a line more at its head: nobody has to connect anew.
	told, before := len(*s.changed), s.entry(t, vm)
	s.declare(t, declared("f:4", vm, map[string]string{"address": "filed", "port": "22"}, map[string]string{"password": canny}))
	after := s.entry(t, vm)
	if after.Source != "f:4" || after.ID != before.ID || !after.Changed.Equal(before.Changed) || len(*s.changed) != told+1 {
		t.Errorf("after a start with the same: %+v, told %v", after, (*s.changed)[told:])
	}
	if _, err := s.Get(owner, "ws", vm+"2"); fault.ReasonOf(err) != "ResourceNotFound" {
		t.Errorf("what has gone from the file: %v", err)
	}
	s.declare(t, declared("f:4", vm, map[string]string{"address": "moved"}, nil))
	if got := s.entry(t, vm); got.Settings["port"] != "" || len(got.Sealed) != 0 || len(*s.changed) != told+2 {
		t.Errorf("fields that went from the file: %+v, told %v", got, (*s.changed)[told:])
	}

	s.declare(t)
	if got := s.address(t); got != "added" {
		t.Errorf("without the file's, it is at %v", got)
	}
	if err := s.Remove(owner, "ws", vm); err != nil {
		t.Error(err)
	}
}

func (f fixture) entry(t *testing.T, resource string) inventory.Entry {
	t.Helper()
	e, err := f.Get(as(t.Context(), "ann", identity.Reader), "ws", resource)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestDeclareRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.declare(t, declared("f:1", vm, map[string]string{"address": "kept"}, nil))
	for _, tt := range []struct {
		reason      string
		list        []inventory.Declared
		place, says string
	}{
		{"no resource ID", []inventory.Declared{declared("f:7", "vm1", nil, nil)}, "f:7", "is no resource ID"},
		{"an unknown field", []inventory.Declared{declared("f:7", vm, map[string]string{"adress": "x"}, nil)}, "f:7", `"adress"`},
		{"a port that is none", []inventory.Declared{declared("f:7", vm, map[string]string{"port": "x"}, nil)}, "f:7.port", "no port"},
		{"a secret in the file", []inventory.Declared{declared("f:7", vm, map[string]string{"password": canny}, nil)}, "f:7.password", "password-file: FILE"},
		{"a file of what is no secret", []inventory.Declared{declared("f:7", vm, nil, map[string]string{"address": "x"})}, "f:7", "no secret"},
		{"twice", []inventory.Declared{declared("f:7", vm, nil, nil), declared("f:9", strings.ToLower(vm)+"/", nil, nil)}, "f:9", "f:7"},
	} {
		err := s.Declare(identity.System(t.Context()), tt.list)
		f := fault.From(err)
		if f == nil || f.Reason != "ConfigInvalid" || !strings.HasPrefix(f.Why, tt.place+": ") || !strings.Contains(f.Why, tt.says) || strings.Contains(err.Error(), canny) {
			t.Errorf("%s: %v", tt.reason, err)
		}
	}
	if got := s.address(t); got != "kept" {
		t.Errorf("after refused files it is at %v", got)
	}
	if err := s.Declare(as(t.Context(), "ann", identity.Owner), nil); fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("by the owner of one workspace: %v", err)
	}
}

func TestTheRightToUseAnEntryOfTheFile(t *testing.T) {
	t.Parallel()
	s := newService(t)
	d := declared("f:1", vm, map[string]string{"address": "x"}, nil)
	d.Allow = []string{"ci"}
	s.declare(t, d)
	_, err := s.Resolve(as(t.Context(), "bob", identity.Contributor), "ws", vm)
	if f := fault.From(err); f == nil || f.Reason != "ResourceDenied" || !strings.Contains(f.Fix, "f:1") {
		t.Errorf("%v", err)
	}
	d.Allow = nil
	s.declare(t, d)
	if got := s.address(t); got != "x" {
		t.Errorf("when nobody is named any more: %v", got)
	}
}
