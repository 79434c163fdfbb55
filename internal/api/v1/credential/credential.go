// Package credential answers for a workspace's key vault, as azureml-core's Keyvault and Run.get_secret call
// it.
package credential

import (
	"cmp"
	"net/http"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// Deps is what the part stands on.
type Deps struct {
	Vault *workspace.Vault
}

// secretDoc is a secret on the wire (CredentialDto).
type secretDoc struct {
	Name        string    `json:"name"`
	Value       *string   `json:"value"` // in answers to reads alone
	ContentType string    `json:"contentType,omitempty"`
	Created     time.Time `json:"createdTime,omitzero"`
	Modified    time.Time `json:"modifiedTime,omitzero"`
}

// batch is several at once (CredentialBatchDto).
type batch struct {
	Secrets  []secretDoc `json:"secrets"`
	NotFound []string    `json:"notFoundSecrets"`
}

// Calls returns what the part answers.
func Calls(d Deps) []face.Call {
	const all, one = "/credential/v2.0" + face.WS + "/secrets", "/credential/v2.0" + face.WS + "/secrets/{name}"
	return []face.Call{
		{Method: http.MethodPut, Path: all, What: "Sets a secret", Do: d.set},
		{Method: http.MethodGet, Path: all, What: "Lists the names of secrets", Do: d.list},
		{Method: http.MethodGet, Path: one, What: "Reads a secret", Do: d.get},
		{Method: http.MethodDelete, Path: one, What: "Deletes a secret", Do: d.remove},
		{Method: http.MethodPut, Path: all + ":putbatch", What: "Sets several secrets", Do: d.setBatch},
		{Method: http.MethodPost, Path: all + ":getbatch", What: "Reads several secrets", Do: d.getBatch},
		{Method: http.MethodPost, Path: all + ":deletebatch", What: "Deletes several secrets", Do: d.removeBatch},
	}
}

func document(s workspace.Secret) secretDoc {
	return secretDoc{Name: s.Name, ContentType: s.ContentType, Created: s.Created.UTC(), Modified: s.Updated.UTC()}
}

// notProvided is how azureml-core says that it names no content type.
const notProvided = "application/NotProvided"

func (d Deps) put(r *face.Request, doc secretDoc) (secretDoc, error) {
	if doc.Value == nil {
		return secretDoc{}, &fault.Error{
			Code: fault.Invalid, Reason: "SecretValueMissing", What: "cannot set the secret",
			Why: "the request has no value for it", Fix: "give a text as its value", Field: "value",
		}
	}
	if doc.ContentType == notProvided {
		doc.ContentType = ""
	}
	s, _, err := d.Vault.Set(r.Context(), r.Key(doc.Name), []byte(*doc.Value), doc.ContentType)
	return document(s), err
}

func (d Deps) set(r *face.Request) (any, error) {
	doc, err := face.Body[secretDoc](r)
	if err != nil {
		return nil, err
	}
	return d.put(r, doc)
}

func (d Deps) setBatch(r *face.Request) (any, error) {
	asked, err := face.Body[batch](r)
	if err != nil {
		return nil, err
	}
	out := batch{Secrets: []secretDoc{}, NotFound: []string{}}
	for _, doc := range asked.Secrets {
		if doc, err = d.put(r, doc); err != nil {
			return nil, err
		}
		out.Secrets = append(out.Secrets, doc)
	}
	return out, nil
}

func (d Deps) read(r *face.Request, name string) (secretDoc, error) {
	s, value, err := d.Vault.Get(r.Context(), r.Key(name))
	doc := document(s)
	doc.Value = new(string(value))
	return doc, err
}

func (d Deps) get(r *face.Request) (any, error) { return d.read(r, r.PathValue("name")) }

func (d Deps) getBatch(r *face.Request) (any, error) {
	asked, err := face.Body[batch](r)
	if err != nil {
		return nil, err
	}
	out := batch{Secrets: []secretDoc{}, NotFound: []string{}}
	for _, doc := range asked.Secrets {
		found, err := d.read(r, doc.Name)
		switch {
		case fault.CodeOf(err) == fault.NotFound:
			out.NotFound = append(out.NotFound, doc.Name)
		case err != nil:
			return nil, err
		default:
			out.Secrets = append(out.Secrets, found)
		}
	}
	return out, nil
}

func (d Deps) remove(r *face.Request) (any, error) {
	return face.Status{Code: http.StatusOK}, d.Vault.Delete(r.Context(), r.Key(r.PathValue("name")))
}

func (d Deps) removeBatch(r *face.Request) (any, error) {
	asked, err := face.Body[batch](r)
	if err != nil {
		return nil, err
	}
	for _, doc := range asked.Secrets {
		if err := d.Vault.Delete(r.Context(), r.Key(doc.Name)); err != nil {
			return nil, err
		}
	}
	return face.Status{Code: http.StatusOK}, nil
}

func (d Deps) list(r *face.Request) (any, error) {
	q := r.Request.URL.Query()
	p := store.Page{Cursor: cmp.Or(q.Get("continuationToken"), q.Get("continuation_token"))}
	found, next, err := d.Vault.List(r.Context(), r.Workspace, p)
	if err != nil {
		return nil, err
	}
	items := []map[string]string{}
	for _, s := range found {
		items = append(items, map[string]string{"name": s.Name})
	}
	out := map[string]any{"value": items, "continuationToken": nil}
	if next != "" {
		out["continuationToken"] = next
	}
	return out, nil
}
