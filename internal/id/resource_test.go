package id_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

const vm = "/subscriptions/0000/resourceGroups/my-group/providers/Microsoft.Compute/virtualMachines/gpu-vm"

func TestParseResource(t *testing.T) {
	t.Parallel()
	machine := id.Resource{
		Subscription: "0000", Group: "my-group", Provider: "Microsoft.Compute",
		Types: []string{"virtualMachines"}, Names: []string{"gpu-vm"},
	}
	for name, c := range map[string]struct {
		in, canonical string
		want          id.Resource
	}{
		"a machine":               {vm, vm, machine},
		"a slash at the end":      {vm + "/", vm, machine},
		"fixed words in any case": {strings.NewReplacer("subscriptions", "SUBSCRIPTIONS", "resourceGroups", "resourcegroups", "providers", "Providers").Replace(vm), vm, machine},
		"nested": {
			"/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ws/computes/gpu",
			"/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ws/computes/gpu",
			id.Resource{Subscription: "s", Group: "g", Provider: "Microsoft.MachineLearningServices", Types: []string{"workspaces", "computes"}, Names: []string{"ws", "gpu"}},
		},
		"of a subscription": {"/subscriptions/s/providers/P/t/n", "/subscriptions/s/providers/P/t/n", id.Resource{Subscription: "s", Provider: "P", Types: []string{"t"}, Names: []string{"n"}}},
		"a group":           {"/subscriptions/s/resourceGroups/g", "/subscriptions/s/resourceGroups/g", id.Resource{Subscription: "s", Group: "g"}},
		"a subscription":    {"/subscriptions/s", "/subscriptions/s", id.Resource{Subscription: "s"}},
		"a name like a fixed word": {
			"/subscriptions/providers/resourceGroups/subscriptions/providers/p/t/resourceGroups", "/subscriptions/providers/resourceGroups/subscriptions/providers/p/t/resourceGroups",
			id.Resource{Subscription: "providers", Group: "subscriptions", Provider: "p", Types: []string{"t"}, Names: []string{"resourceGroups"}},
		},
		"dots, parentheses, UTF-8": {"/subscriptions/s/resourceGroups/g.(1)_é", "/subscriptions/s/resourceGroups/g.(1)_é", id.Resource{Subscription: "s", Group: "g.(1)_é"}},
	} {
		got, err := id.ParseResource(c.in)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		if got.String() != c.canonical {
			t.Errorf("%s: canonical is %q, want %q", name, got, c.canonical)
		}
	}
}

func TestParseResourceRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "/", "//", "gpu-vm", vm[1:], "/" + vm, "/subscriptions", "/subscriptions/", "/subscriptions//resourceGroups/g",
		"/resourceGroups/g", "/subscriptions/s/resourceGroups", "/subscriptions/s/resourceGroups/g/providers",
		"/subscriptions/s/resourceGroups/g/providers/P", "/subscriptions/s/resourceGroups/g/providers/P/t", vm + "/extensions", vm + "//",
		"/subscriptions/s/x/y", "/subscriptions/s/resourceGroups/g/x/y", strings.Replace(vm, "gpu-vm", "a?b", 1), strings.Replace(vm, "gpu-vm", "a%2Fb", 1),
		strings.Replace(vm, "gpu-vm", "a\nb", 1), strings.Replace(vm, "gpu-vm", "a\xffb", 1), strings.Replace(vm, "gpu-vm", "..", 1), vm + " ", vm + strings.Repeat("x", 5000),
	} {
		got, err := id.ParseResource(s)
		if fault.CodeOf(err) != fault.Invalid || fault.ReasonOf(err) != "ResourceIDInvalid" {
			t.Errorf("%.100q: got %+v, %v", s, got, err)
		}
		if err != nil && len(err.Error()) > 600 {
			t.Errorf("the error repeats %d bytes", len(err.Error()))
		}
	}
}

func TestResourceKeyAndType(t *testing.T) {
	t.Parallel()
	a, err := id.ParseResource(vm)
	if err != nil {
		t.Fatal(err)
	}
	b, err := id.ParseResource(strings.ToUpper(vm))
	if err != nil {
		t.Fatal(err)
	}
	if a.Key() != b.Key() || a.String() == b.String() {
		t.Errorf("keys %q and %q", a.Key(), b.Key())
	}
	if a.Type() != "Microsoft.Compute/virtualMachines" || !b.IsType(a.Type()) || b.IsType("Microsoft.Compute/disks") {
		t.Errorf("types %q and %q", a.Type(), b.Type())
	}
	group, err := id.ParseResource("/subscriptions/s/resourceGroups/g")
	if err != nil {
		t.Fatal(err)
	}
	if a.Name() != "gpu-vm" || group.Name() != "g" || group.Type() != "" || (id.Resource{Subscription: "s"}).Name() != "s" {
		t.Errorf("names %q and %q, type %q", a.Name(), group.Name(), group.Type())
	}
}

// What parses has one canonical form, which parses to the same and is no longer than what came.
func FuzzParseResource(f *testing.F) {
	for _, s := range []string{vm, vm + "/", "/subscriptions/s", "/SUBSCRIPTIONS/s/providers/P/t/n", "//", "/subscriptions/a b/resourceGroups/é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := id.ParseResource(s)
		if err != nil {
			if fault.ReasonOf(err) != "ResourceIDInvalid" {
				t.Errorf("got %v", err)
			}
			return
		}
		canonical := r.String()
		again, err := id.ParseResource(canonical)
		if diff := cmp.Diff(r, again); diff != "" || err != nil {
			t.Errorf("%q: %v (-first +again):\n%s", canonical, err, diff)
		}
		if !strings.EqualFold(canonical, strings.TrimSuffix(s, "/")) {
			t.Errorf("%q became %q", s, canonical)
		}
	})
}
