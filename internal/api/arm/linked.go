package arm

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func (a *api) putLinked(w http.ResponseWriter, r *http.Request) error {
	body, err := a.body(w, r)
	if err != nil {
		return err
	}
	redact(body)
	props, _ := body["properties"].(map[string]any)
	document, err := json.Marshal(body)
	if err != nil {
		return err
	}
	l := workspace.LinkedService{
		Workspace: r.PathValue("ws"), Name: r.PathValue("name"), ID: uuid.NewString(), Document: document,
		ResourceID: text(props, "linkedServiceResourceId"), Type: cmp.Or(text(props, "linkType"), "Synapse"), // azureml-core sends none, and knows no other
	}
	l, _, err = a.Workspaces.Link(r.Context(), l)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a.showLinked(l)) // azureml-core 1.61 takes no 201
	return nil
}

func (a *api) getLinked(r *http.Request) (any, error) {
	l, err := a.Workspaces.Linked(r.Context(), store.Key{Workspace: r.PathValue("ws"), Name: r.PathValue("name")})
	if err != nil {
		return nil, err
	}
	return a.showLinked(l), nil
}

func (a *api) listLinked(r *http.Request) (any, error) {
	return listed(r, func(p store.Page) ([]workspace.LinkedService, string, error) {
		return a.Workspaces.ListLinked(r.Context(), r.PathValue("ws"), p)
	}, func(l workspace.LinkedService) any { return a.showLinked(l) })
}

func (a *api) deleteLinked(w http.ResponseWriter, r *http.Request) error {
	if err := a.Workspaces.Unlink(r.Context(), store.Key{Workspace: r.PathValue("ws"), Name: r.PathValue("name")}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// showLinked echoes the document. Clients dereference identity.principalId.
func (a *api) showLinked(l workspace.LinkedService) map[string]any {
	out := map[string]any{}
	_ = json.Unmarshal(l.Document, &out) // it was JSON when it was stored
	props, _ := out["properties"].(map[string]any)
	if props == nil {
		props = map[string]any{}
	}
	props["linkedServiceResourceId"], props["linkType"] = l.ResourceID, l.Type
	out["properties"] = props
	out["id"] = a.workspaceID(l.Workspace) + "/linkedServices/" + url.PathEscape(l.Name)
	out["name"], out["type"], out["location"] = l.Name, Provider+"/workspaces/linkedServices", Location
	out["identity"] = map[string]string{"type": "SystemAssigned", "principalId": l.ID, "tenantId": a.Tenant}
	return out
}
