package registry

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// manifest answers with a manifest, as it was pushed.
func manifest(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	m, err := a.Images.Pull(r.Context(), c.workspace, c.repository, c.reference)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", m.MediaType)
	h.Set("Content-Length", strconv.Itoa(len(m.Content)))
	h.Set("Docker-Content-Digest", m.Digest)
	h.Set("Etag", `"`+m.Digest+`"`)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = w.Write(m.Content) // the caller may have gone
	return nil
}

func putManifest(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	content, err := io.ReadAll(httpx.Upload(w, r, image.MaxManifest))
	if err != nil {
		return err
	}
	m, err := a.Images.PutManifest(r.Context(), c.workspace, c.repository, c.reference, cmp.Or(r.Header.Get("Content-Type"), mediaTypeOf(content)), content)
	if err != nil {
		return err
	}
	w.Header().Set("Location", Prefix+c.name()+"/manifests/"+m.Digest)
	w.Header().Set("Docker-Content-Digest", m.Digest)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// mediaTypeOf is what a manifest says of itself.
func mediaTypeOf(content []byte) string {
	var m struct{ MediaType string }
	_ = json.Unmarshal(content, &m) // what is none is refused by who reads it
	return m.MediaType
}

func deleteManifest(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	if _, err := a.Images.Get(r.Context(), c.workspace, c.repository, c.reference); err != nil {
		return err
	}
	if err := a.Images.Delete(r.Context(), c.workspace, c.repository, c.reference); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (c call) name() string { return c.workspace + "/" + c.repository }

// maxTags is how many tags one answer has at most.
const maxTags = 1000

// tags lists the tags of a repository: n of them after last.
func tags(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	if c.reference != "list" {
		return unknown(r)
	}
	names, err := a.allTags(r, c)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 0 || n > maxTags {
		n = maxTags
	}
	more := len(names) > n
	names = names[:min(n, len(names))]
	if more && n > 0 {
		w.Header().Set("Link", "<"+Prefix+c.name()+"/tags/list?n="+strconv.Itoa(n)+"&last="+names[n-1]+`>; rel="next"`)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]any{"name": c.name(), "tags": names})
}

// allTags returns the names of tags after the one that the request names, in their order.
func (a *api) allTags(r *http.Request, c call) ([]string, error) {
	names, seen := []string{}, 0
	for cursor := ""; ; {
		list, next, err := a.Images.List(r.Context(), image.Filter{Workspace: c.workspace, Repository: c.repository}, store.Page{Limit: maxTags, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			if seen++; t.Name > r.URL.Query().Get("last") {
				names = append(names, t.Name)
			}
		}
		if cursor = next; next == "" || len(names) > maxTags {
			break
		}
	}
	if seen == 0 {
		_, err := a.Images.Get(r.Context(), c.workspace, c.repository, "latest") // says that there is none
		return nil, err
	}
	return names, nil
}
