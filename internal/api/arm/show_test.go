package arm_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// entry is an inventory that knows one thing.
type entry inventory.Thing

func (e entry) Resolve(context.Context, string, string) (inventory.Thing, error) {
	return inventory.Thing(e), nil
}

// TestWhatTheInventoryFoundIsShown attaches by a resource ID alone, as scripts do.
func TestWhatTheInventoryFoundIsShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.computes.Inventory = entry{
		Options: map[string]any{"address": "10.0.0.4", "sshPort": int64(2222), "administratorAccount.username": "ubuntu"},
		Secrets: map[string]string{"administratorAccount.password": "canary"},
	}
	const vm = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm1"
	body := `{"location":"local","properties":{"computeType":"VirtualMachine","resourceId":"` + vm + `","properties":{"sshPort":22}}}`
	if w := r.do(t, "PUT {ws}/computes/gpu", body); w.Code != http.StatusCreated {
		t.Fatal(w.Code, w.Body)
	}
	shown := func() (resource any, inner map[string]any) {
		var doc struct {
			Properties map[string]any `json:"properties"`
		}
		for _, path := range []string{"GET {ws}/computes", "POST {ws}/computes/gpu/listKeys", "GET {ws}/computes/gpu"} {
			w := r.do(t, path, "")
			if strings.Contains(w.Body.String(), "canary") {
				t.Errorf("%s shows the secret: %s", path, w.Body)
			}
			doc.Properties = nil
			if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
				t.Fatal(err)
			}
		}
		inner, _ = doc.Properties["properties"].(map[string]any)
		return doc.Properties["resourceId"], inner
	}
	if _, inner := shown(); inner["address"] != nil {
		t.Errorf("before it was looked at: %v", inner)
	}
	if _, err := r.computes.Check(identity.System(t.Context()), store.Key{Workspace: ws, Name: "gpu"}); err != nil {
		t.Fatal(err)
	}
	resource, inner := shown()
	got := map[string]any{"address": inner["address"], "sshPort": inner["sshPort"], "account": inner["administratorAccount"]}
	want := map[string]any{"address": "10.0.0.4", "sshPort": 2222.0, "account": map[string]any{"username": "ubuntu"}}
	if diff := cmp.Diff(want, got); diff != "" || resource != vm {
		t.Errorf("of %v (-want +got):\n%s", resource, diff)
	}
}
