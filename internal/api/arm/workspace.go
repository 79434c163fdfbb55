package arm

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// enter checks what a path names, from the outside in.
func (a *api) enter(r *http.Request) error {
	if sub := r.PathValue("sub"); !strings.EqualFold(sub, a.subscription) {
		return &fault.Error{
			Code: fault.NotFound, Reason: "SubscriptionNotFound", What: fmt.Sprintf("there is no subscription %q", sub),
			Why: "the one of this server is " + a.subscription, Fix: "write config.json anew; run: zaffre workspace config > config.json", Field: "subscriptionId",
		}
	}
	if rg := r.PathValue("rg"); rg != "" && !strings.EqualFold(rg, Group) {
		return &fault.Error{
			Code: fault.NotFound, Reason: "ResourceGroupNotFound", What: fmt.Sprintf("there is no resource group %q", rg),
			Why: "all workspaces of this server are in " + Group, Fix: "write config.json anew; run: zaffre workspace config > config.json", Field: "resourceGroupName",
		}
	}
	if ws := r.PathValue("ws"); ws != "" {
		return a.Workspaces.Enter(r.Context(), ws)
	}
	return nil
}

func (a *api) groupID() string {
	return "/subscriptions/" + a.subscription + "/resourceGroups/" + Group
}

func (a *api) workspaceID(ws string) string {
	return a.groupID() + mlPath + "/workspaces/" + url.PathEscape(ws)
}

func (a *api) getWorkspace(r *http.Request) (any, error) {
	w, err := a.Workspaces.Get(r.Context(), r.PathValue("ws"))
	if err != nil {
		return nil, err
	}
	return a.showWorkspace(r, w), nil
}

func (a *api) listWorkspaces(r *http.Request) (any, error) {
	return listed(r, func(p store.Page) ([]workspace.Workspace, string, error) { return a.Workspaces.List(r.Context(), p) },
		func(w workspace.Workspace) any { return a.showWorkspace(r, w) })
}

// showWorkspace answers with every member that some client dereferences (azureml-core 1.61, azure-ai-ml
// 1.35). The resources beside it are names only.
func (a *api) showWorkspace(r *http.Request, w workspace.Workspace) map[string]any {
	beside := func(kind string) string { return a.groupID() + "/providers/" + kind + "/" + w.Name }
	created := stamp(w.Created)
	return map[string]any{
		"id": a.workspaceID(w.Name), "name": w.Name, "type": Provider + "/workspaces", "location": Location,
		"tags": map[string]string{}, "kind": "Default", "etag": nil,
		"sku":        map[string]string{"name": "Basic", "tier": "Basic"},
		"identity":   map[string]string{"type": "SystemAssigned", "principalId": w.ID, "tenantId": a.Tenant},
		"systemData": systemDataOf(w.CreatedBy, created),
		"properties": map[string]any{
			"workspaceId": w.ID, "friendlyName": w.Name, "description": "", "provisioningState": "Succeeded", "creationTime": created,
			"tenantId": a.Tenant, "discoveryUrl": baseURL(r) + "/discovery/" + w.ID,
			"mlFlowTrackingUri": "azureml://" + r.Host + "/mlflow/v1.0" + a.workspaceID(w.Name),
			"storageAccount":    beside("Microsoft.Storage/storageAccounts"), "keyVault": beside("Microsoft.KeyVault/vaults"),
			"applicationInsights": beside("Microsoft.Insights/components"), "containerRegistry": beside("Microsoft.ContainerRegistry/registries"),
			"publicNetworkAccess": "Enabled", "hbiWorkspace": false, "v1LegacyMode": false, "imageBuildCompute": nil,
			"allowPublicAccessWhenBehindVnet": false, "storageHnsEnabled": false,
		},
	}
}

type systemData struct {
	CreatedBy    string `json:"createdBy"`
	CreatedType  string `json:"createdByType"`
	CreatedAt    string `json:"createdAt"`
	ModifiedBy   string `json:"lastModifiedBy"`
	ModifiedType string `json:"lastModifiedByType"`
	ModifiedAt   string `json:"lastModifiedAt"`
}

func systemDataOf(by, at string) systemData { return systemData{by, "User", at, by, "User", at} }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z07:00") }

// discovery says where the data plane of a workspace is: here. Clients ask without a token and keep the
// answer by the workspace's ID.
func (a *api) discovery(w http.ResponseWriter, r *http.Request) {
	out := map[string]string{}
	for _, service := range []string{
		"api", "catalog", "experimentation", "gallery", "history", "hyperdrive", "labeling", "modelmanagement", "notebooks", "pipelines", "studio",
	} {
		out[service] = baseURL(r)
	}
	writeJSON(w, http.StatusOK, out)
}

func (a *api) workspaceKeys(r *http.Request) (any, error) {
	if err := identity.Require(r.Context(), r.PathValue("ws"), identity.Contributor); err != nil {
		return nil, err
	}
	return map[string]any{
		"userStorageKey": nil, "userStorageResourceId": nil, "appInsightsInstrumentationKey": nil,
		"containerRegistryCredentials": nil, "notebookAccessKeys": nil,
	}, nil
}
