package native

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/inventory"
)

// ResourcePath names an entry of the inventory.
type ResourcePath struct {
	WorkspacePath
	Resource string `path:"resource" doc:"Resource ID, percent-encoded into one segment"`
}

func (a *api) routesInventory() {
	const all, one = "/workspaces/{ws}/inventory", "/workspaces/{ws}/inventory/{resource}"
	huma.Register(a.huma, a.op(http.MethodGet, all, "list-inventory", "List what stands behind resource IDs"), a.listInventory)
	huma.Register(a.huma, a.op(http.MethodPost, all, "add-inventory-entry", "Say what stands behind a resource ID (201), or change it (200)"), a.addInventoryEntry)
	huma.Register(a.huma, a.op(http.MethodGet, one, "get-inventory-entry", "Show what stands behind a resource ID"), a.getInventoryEntry)
	huma.Register(a.huma, a.op(http.MethodDelete, one, "remove-inventory-entry", "Forget what stands behind a resource ID"), a.removeInventoryEntry)
}

func toEntry(e inventory.Entry) client.InventoryEntry {
	return client.InventoryEntry{
		ResourceID: e.ResourceID, Settings: e.Settings, Sealed: slices.Sorted(maps.Keys(e.Sealed)), Allow: e.Allowed(),
		Source: e.Source, CreatedBy: e.CreatedBy, Created: utc(e.Created), Changed: utc(e.Changed),
	}
}

func (a *api) listInventory(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
},
) (*out[client.Page[client.InventoryEntry]], error) {
	list, next, err := a.Inventory.List(ctx, in.Workspace, in.page())
	return pageOf(list, next, toEntry), err
}

func (a *api) getInventoryEntry(ctx context.Context, in *ResourcePath) (*out[client.InventoryEntry], error) {
	e, err := a.Inventory.Get(ctx, in.Workspace, in.Resource)
	return &out[client.InventoryEntry]{toEntry(e)}, err
}

func (a *api) addInventoryEntry(ctx context.Context, in *struct {
	WorkspacePath
	Body client.InventoryEntry
},
) (*outStatus[client.InventoryEntry], error) {
	q := inventory.Request{Workspace: in.Workspace, ResourceID: in.Body.ResourceID, Settings: in.Body.Settings, Secrets: in.Body.Secrets, Allow: in.Body.Allow}
	e, created, err := a.Inventory.Add(ctx, q)
	return made(toEntry(e), created), err
}

func (a *api) removeInventoryEntry(ctx context.Context, in *ResourcePath) (*struct{}, error) {
	return nil, a.Inventory.Remove(ctx, in.Workspace, in.Resource)
}
