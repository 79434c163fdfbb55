package inventory_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
)

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// cloud is an Azure that says one thing of everything.
type cloud struct {
	fields map[string]string
	err    error
	asked  int
}

func (c *cloud) Find(context.Context, id.Resource) (map[string]string, error) {
	c.asked++
	if c.err != nil {
		return nil, c.err
	}
	return c.fields, nil
}

func (c *cloud) at(address string) { c.fields, c.err = map[string]string{"address": address}, nil }

func says(code fault.Code, reason string) error {
	return &fault.Error{Code: code, Reason: reason, What: "w", Why: "Azure said so", Fix: "azure's fix", Evidence: []string{"its words"}}
}

func newCloudService(t *testing.T) (fixture, *cloud) {
	c := &cloud{}
	s := newService(t)
	s.Service = inventory.New(inventory.Config{Entries: s.Entries, Box: s.Box, Azure: c, Changed: s.Changed})
	return s, c
}

func TestTheOrderOfLookUp(t *testing.T) {
	t.Parallel()
	s, azure := newCloudService(t)
	bob := as(t.Context(), "bob", identity.Contributor)
	azure.at("azure")
	if got := s.address(t); got != "azure" {
		t.Errorf("without an entry: %v", got)
	}
	if _, err := s.Resolve(as(t.Context(), "eve", identity.Reader), "ws", vm); fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("a reader asks Azure: %v", err)
	}
	// An entry without a place gives the account, Azure the place.
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"user": "u", "port": "2222"}, Secrets: map[string]string{"password": canny}})
	got, err := s.Resolve(bob, "ws", vm)
	want := map[string]any{"address": "azure", "sshPort": int64(2222), "administratorAccount.username": "u"}
	if diff := cmp.Diff(want, got.Options); err != nil || diff != "" || got.Source != "inventory, Azure" || len(got.Secrets) != 1 {
		t.Errorf("an entry and Azure, from %s, %v (-want +got):\n%s", got.Source, err, diff)
	}
	asked := azure.asked
	s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"address": "entry"}})
	if got := s.address(t); got != "entry" || azure.asked != asked {
		t.Errorf("with an entry: %v, asked %d times more", got, azure.asked-asked)
	}
	s.add(t, inventory.Request{ResourceID: vm, Allow: []string{"Owner"}})
	if got := s.address(t); got != "ResourceDenied" || azure.asked != asked {
		t.Errorf("with an entry of others: %v, asked %d times more", got, azure.asked-asked)
	}
}

func TestFaultsSayWhatWasTried(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		said         error
		reason, fix  string
		code         fault.Code
		entry        bool
		alsoMentions string
	}{
		{says(fault.NotFound, "AzureHasNone"), "ResourceUnknown", "zaffre inventory add", fault.Precondition, false, "has no entry"},
		{says(fault.Unsupported, "AzureTypeUnknown"), "ResourceUnknown", "zaffre inventory add", fault.Precondition, false, "has no entry"},
		{says(fault.Precondition, "AzureRefused"), "AzureRefused", "azure's fix", fault.Precondition, false, "has no entry"},
		{says(fault.Unavailable, "AzureUnavailable"), "AzureUnavailable", "azure's fix", fault.Unavailable, false, "has no entry"},
		{says(fault.NotFound, "AzureHasNone"), "ResourceUnknown", "zaffre inventory add", fault.Precondition, true, "does not say where it is"},
	} {
		s, azure := newCloudService(t)
		azure.err = tt.said
		if tt.entry {
			s.add(t, inventory.Request{ResourceID: vm, Settings: map[string]string{"user": "u"}})
		}
		_, err := s.Resolve(as(t.Context(), "bob", identity.Contributor), "ws", vm)
		f := fault.From(err)
		if f == nil || f.Reason != tt.reason || f.Code != tt.code || !strings.Contains(f.Fix, tt.fix) || !slices.Contains(f.Evidence, "its words") {
			t.Fatalf("%v becomes %+v", tt.said, f)
		}
		for _, part := range []string{"the request gives no address", tt.alsoMentions, "Azure said so"} {
			if !strings.Contains(f.Why, part) {
				t.Errorf("%v: %q does not say %q", tt.said, f.Why, part)
			}
		}
	}
}

// TestTheFixNamesTheField: what says where a thing is depends on what it is.
func TestTheFixNamesTheField(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for resource, field := range map[string]string{
		vm: "address=ADDRESS",
		"/subscriptions/s/resourceGroups/g/providers/microsoft.databricks/workspaces/w":             "databricks=URL",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Synapse/workspaces/w/bigDataPools/p": "livy=URL",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/b":               "batch=URL, or slurm=TARGET",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.DataLakeAnalytics/accounts/a":        "host=TARGET store=FOLDER",
	} {
		_, err := s.Resolve(as(t.Context(), "bob", identity.Contributor), "ws", resource)
		if f := fault.From(err); f == nil || !strings.HasSuffix(f.Fix, "zaffre inventory add "+resource+" "+field) {
			t.Errorf("of %s the fix is %+v, want %s", resource, f, field)
		}
	}
}

// TestAStoreIsAPlace: of an account of Data Lake Analytics, and of nothing else, so that Azure is not asked where it is.
func TestAStoreIsAPlace(t *testing.T) {
	t.Parallel()
	s, azure := newCloudService(t)
	azure.at("azure")
	for resource, asked := range map[string]int{
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.DataLakeAnalytics/accounts/a":        0,
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Synapse/workspaces/w/bigDataPools/p": 1,
	} {
		before := azure.asked
		s.add(t, inventory.Request{ResourceID: resource, Settings: map[string]string{"store": "/lake"}})
		got, err := s.Resolve(as(t.Context(), "bob", identity.Contributor), "ws", resource)
		if err != nil || got.Options["store"] != "/lake" || azure.asked-before != asked {
			t.Errorf("%s is %v, %v, and Azure was asked %d times", resource, got.Options, err, azure.asked-before)
		}
	}
}

func TestAnswersOfAzureAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, azure := newCloudService(t)
		step := func(after time.Duration, want any, asked, told int) {
			t.Helper()
			time.Sleep(after)
			before, changes := azure.asked, len(*s.changed)
			if got := s.address(t); got != want || azure.asked-before != asked || len(*s.changed)-changes != told {
				t.Errorf("it is at %v, want %v; asked %d times, want %d; told %d changes, want %d", got, want, azure.asked-before, asked, len(*s.changed)-changes, told)
			}
		}
		azure.at("a")
		step(0, "a", 1, 0)
		step(4*time.Minute, "a", 0, 0)
		azure.at("b")
		step(2*time.Minute, "b", 1, 1) // it moved: who is connected to a must learn it
		azure.err = says(fault.Unavailable, "AzureUnavailable")
		step(6*time.Minute, "b", 1, 0) // Azure is away, the machine need not be
		step(time.Second, "b", 0, 0)
		azure.err = says(fault.NotFound, "AzureHasNone")
		step(time.Minute, "ResourceUnknown", 1, 0)
		azure.err = says(fault.Unavailable, "AzureUnavailable")
		step(2*time.Minute, "AzureUnavailable", 1, 0)
		azure.at("c")
		step(time.Second, "AzureUnavailable", 0, 0)
		step(time.Minute, "c", 1, 1)
		azure.err = says(fault.Precondition, "AzureRefused")
		step(6*time.Minute, "AzureRefused", 1, 0)
		azure.at("c")
		step(4*time.Minute, "AzureRefused", 0, 0)
		step(2*time.Minute, "c", 1, 0)
	})
}
