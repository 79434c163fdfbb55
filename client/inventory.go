package client

import (
	"context"
	"net/http"
	"time"
)

// InventoryEntry says what real thing stands behind a resource ID.
type InventoryEntry struct {
	ResourceID string            `json:"resource_id" maxLength:"4096"`
	Settings   map[string]string `json:"settings,omitempty" doc:"address, port, via, hostKey, user …; when adding, an empty one goes and those that are not named stay"`
	Secrets    map[string]string `json:"secrets,omitempty" doc:"password, privateKey, passphrase, kubeconfig, accountKey, bearerToken, container; only when adding: answers name them in sealed"`
	Sealed     []string          `json:"sealed,omitempty" readOnly:"true" doc:"Names of the secrets that there are"`
	Allow      []string          `json:"allow,omitempty" doc:"Roles and names of callers that may use the entry, besides owners; when adding, absent keeps them, and none is every Contributor"`
	Source     string            `json:"source,omitempty" readOnly:"true" doc:"Of an entry of the server's configuration file, which only changes there: where it stands"`
	CreatedBy  string            `json:"created_by,omitempty" readOnly:"true"`
	Created    time.Time         `json:"created,omitzero" readOnly:"true"`
	Changed    time.Time         `json:"changed,omitzero" readOnly:"true"`
}

// Inventory lists the inventory of a workspace, without its secrets.
func (c *Client) Inventory(ctx context.Context, ws string, at Cursor) (Page[InventoryEntry], error) {
	return list[InventoryEntry](ctx, c, get("workspaces", ws, "inventory"), at)
}

// InventoryEntry returns the entry of a resource ID, in any spelling.
func (c *Client) InventoryEntry(ctx context.Context, ws, resourceID string) (InventoryEntry, error) {
	return fetch[InventoryEntry](ctx, c, get("workspaces", ws, "inventory", resourceID))
}

// AddInventoryEntry makes an entry, or changes the fields that e names. The same again changes nothing.
func (c *Client) AddInventoryEntry(ctx context.Context, ws string, e InventoryEntry) (InventoryEntry, error) {
	k := post("workspaces", ws, "inventory")
	k.body = e
	return fetch[InventoryEntry](ctx, c, k)
}

// RemoveInventoryEntry takes an entry away. Removing twice is the same as once.
func (c *Client) RemoveInventoryEntry(ctx context.Context, ws, resourceID string) error {
	_, err := fetch[struct{}](ctx, c, call{method: http.MethodDelete, path: []string{"workspaces", ws, "inventory", resourceID}})
	return err
}
