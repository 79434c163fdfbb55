package arm

import (
	"net/http"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func (a *api) tenants(*http.Request) (any, error) {
	return page{Value: []any{map[string]any{
		"id": "/tenants/" + a.Tenant, "tenantId": a.Tenant, "displayName": "zaffre", "defaultDomain": "zaffre.invalid",
		"domains": []string{"zaffre.invalid"}, "tenantCategory": "Home", "countryCode": "",
	}}}, nil
}

func (a *api) showSubscription() map[string]any {
	return map[string]any{
		"id": "/subscriptions/" + a.subscription, "subscriptionId": a.subscription, "displayName": "zaffre", "state": "Enabled",
		"tenantId": a.Tenant, "authorizationSource": "RoleBased", "managedByTenants": []any{}, "tags": map[string]string{},
		"subscriptionPolicies": map[string]string{"locationPlacementId": "Public_2014-09-01", "quotaId": "zaffre", "spendingLimit": "Off"},
	}
}

func (a *api) subscriptions(*http.Request) (any, error) {
	return page{Value: []any{a.showSubscription()}}, nil
}

func (a *api) getSubscription(*http.Request) (any, error) { return a.showSubscription(), nil }

func (a *api) locations(*http.Request) (any, error) {
	return page{Value: []any{map[string]string{
		"id": "/subscriptions/" + a.subscription + "/locations/" + Location, "name": Location, "displayName": Location, "type": "Region",
	}}}, nil
}

func (a *api) showProvider() map[string]any {
	types := []any{}
	for _, t := range []string{"workspaces", "workspaces/computes", "workspaces/linkedServices"} {
		types = append(types, map[string]any{"resourceType": t, "locations": []string{Location}, "apiVersions": []string{"2024-10-01"}})
	}
	return map[string]any{
		"id": "/subscriptions/" + a.subscription + "/providers/" + Provider, "namespace": Provider,
		"registrationState": "Registered", "registrationPolicy": "RegistrationRequired", "resourceTypes": types,
	}
}

func (a *api) providers(*http.Request) (any, error) { return page{Value: []any{a.showProvider()}}, nil }
func (a *api) provider(*http.Request) (any, error)  { return a.showProvider(), nil }

func (a *api) showGroup() map[string]any {
	return map[string]any{
		"id": a.groupID(), "name": Group, "type": "Microsoft.Resources/resourceGroups", "location": Location,
		"tags": map[string]string{}, "properties": map[string]string{"provisioningState": "Succeeded"},
	}
}

func (a *api) group(*http.Request) (any, error)  { return a.showGroup(), nil }
func (a *api) groups(*http.Request) (any, error) { return page{Value: []any{a.showGroup()}}, nil }

// resources lists what the filter selects. Workspaces are the only resources at the top; a filter for
// another type selects nothing.
func (a *api) resources(r *http.Request) (any, error) {
	filter := strings.ToLower(r.URL.Query().Get("$filter"))
	if filter != "" && strings.Contains(filter, "resourcetype") && !strings.Contains(filter, strings.ToLower(Provider+"/workspaces")) {
		return page{Value: []any{}}, nil
	}
	return listed(r, func(p store.Page) ([]workspace.Workspace, string, error) { return a.Workspaces.List(r.Context(), p) },
		func(w workspace.Workspace) any {
			full := a.showWorkspace(r, w)
			return map[string]any{
				"id": full["id"], "name": w.Name, "type": full["type"], "location": Location, "tags": full["tags"],
				"kind": full["kind"], "sku": full["sku"], "identity": full["identity"],
			}
		})
}
