package modelmgmt

import (
	"cmp"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// wireAsset is an asset (Asset). A version of a model is one too, by the ID "NAME:VERSION".
type wireAsset struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Type        *string           `json:"type"`
	Description *string           `json:"description"`
	Artifacts   []files           `json:"artifacts"`
	Tags        map[string]string `json:"kvTags"`
	Properties  map[string]string `json:"properties"`
	Run         *string           `json:"runid"`
	Meta        map[string]string `json:"meta"`
	Created     time.Time         `json:"createdTime,omitzero"`
}

// files are a file, or all below a path; both begin with origin and container.
type files struct {
	ID     string `json:"id,omitempty"`
	Prefix string `json:"prefix,omitempty"`
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (d Deps) createAsset(r *face.Request) (any, error) {
	in, err := face.Body[wireAsset](r)
	if err != nil {
		return nil, err
	}
	a := model.Asset{
		Workspace: r.Workspace, Name: in.Name, Type: value(in.Type), Description: value(in.Description), Run: value(in.Run),
		Tags: in.Tags, Properties: in.Properties, Meta: in.Meta,
	}
	for _, f := range in.Artifacts {
		a.Files = append(a.Files, cmp.Or(f.ID, f.Prefix))
	}
	a, err = d.Models.CreateAsset(r.Context(), a)
	return toAsset(a), err
}

func toAsset(a model.Asset) wireAsset {
	out := wireAsset{
		ID: a.ID, Name: a.Name, Type: face.OrNull(a.Type), Description: face.OrNull(a.Description), Artifacts: []files{}, Tags: face.OrEmpty(a.Tags),
		Properties: face.OrEmpty(a.Properties), Run: face.OrNull(a.Run), Meta: face.OrEmpty(a.Meta), Created: a.Created.UTC(),
	}
	for _, f := range a.Files {
		out.Artifacts = append(out.Artifacts, files{Prefix: f})
	}
	return out
}

func (d Deps) getAsset(r *face.Request) (any, error) {
	id := r.PathValue("id")
	if strings.Contains(id, ":") {
		v, err := d.version(r, id)
		if err != nil {
			return nil, err
		}
		return d.assetOf(r, v)
	}
	a, err := d.Models.GetAsset(r.Context(), r.Key(id))
	return toAsset(a), err
}

// assetOf is the asset that a version is. Its files are the version's own, and stay when the run goes.
func (d Deps) assetOf(r *face.Request, v model.Version) (any, error) {
	name, base := idOf(v), baseOf(v)
	list, _, err := d.Files.List(r.Context(), v.ID, "", store.Page{Limit: 2})
	if err != nil {
		return nil, err
	}
	if len(list) == 1 && len(v.Definition) == 0 && v.Source == "" {
		base.Name = list[0].Path // nobody said what it was called
	}
	out := wireAsset{
		ID: name, Name: v.Model, Artifacts: []files{{Prefix: "Model/" + name + "/" + base.Name}}, Tags: face.OrEmpty(v.Tags),
		Properties: face.OrEmpty(v.Properties), Run: face.OrNull(v.Run), Meta: map[string]string{}, Created: v.Created.UTC(),
	}
	return out, nil
}

func (d Deps) listAssets(r *face.Request) (any, error) {
	q := r.Request.URL.Query()
	p := store.Page{Limit: 200, Cursor: q.Get("$skipToken")}
	list, next, err := d.Models.ListAssets(r.Context(), model.AssetFilter{Workspace: r.Workspace, Run: q.Get("runId")}, p)
	if err != nil {
		return nil, err
	}
	out := []wireAsset{}
	for _, a := range list {
		if matches(q.Get("name"), a.Name) && matches(q.Get("type"), a.Type) && holdsAll(a.Properties, q.Get("properties")) {
			out = append(out, toAsset(a))
		}
	}
	return page(r, out, next), nil
}

func matches(want, have string) bool { return want == "" || want == have }

// page is one page of a list; the SDK takes $skipToken from the link.
func page(r *face.Request, items any, next string) map[string]any {
	out := map[string]any{"value": items, "continuationToken": nil, "nextLink": nil}
	if next != "" {
		u := *r.Request.URL
		q := u.Query()
		q.Set("$skipToken", next)
		u.RawQuery = q.Encode()
		out["nextLink"] = r.Address(u.RequestURI())
	}
	return out
}

func (d Deps) deleteAsset(r *face.Request) (any, error) {
	return face.Status{Code: http.StatusOK}, d.Models.DeleteAsset(r.Context(), r.Key(r.PathValue("id")))
}

// source is whose files a version is made of, and which of them.
type source struct {
	owner, path string
	base        base
}

// sourceOf finds the files of an asset, which the caller must be able to read.
func (d Deps) sourceOf(r *face.Request, a model.Asset) (source, error) {
	if len(a.Files) != 1 {
		return source{}, badAsset(a.ID, fmt.Sprintf("it names %d files or folders", len(a.Files)), "name one: a file, or a folder that holds all")
	}
	origin, rest, _ := strings.Cut(a.Files[0], "/")
	container, p, _ := strings.Cut(rest, "/")
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); container == "" {
		return source{}, badAsset(a.ID, fmt.Sprintf("%.200q is no ORIGIN/CONTAINER/PATH", a.Files[0]), "name files as azureml-core 1.61 does")
	}
	s := source{path: p, base: base{Name: path.Base("/" + p)}}
	if !strings.EqualFold(origin, "ExperimentRun") {
		if err := identity.Require(r.Context(), r.Workspace, identity.Reader); err != nil {
			return source{}, err
		}
		s.owner = object.Upload.Owner(r.Workspace, origin, container)
	} else {
		v, err := d.Runs.Get(r.Context(), r.Key(strings.TrimPrefix(container, "dcid.")))
		if err != nil {
			return source{}, err
		}
		s.owner = v.ID
	}
	_, err := d.Files.Get(r.Context(), s.owner, p)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return source{}, err
	}
	s.base.Folder = err != nil
	if s.base.Name == "/" {
		s.base.Name = "model"
	}
	return s, nil
}

func badAsset(id, why, fix string) error {
	return &fault.Error{Code: fault.Invalid, Reason: "AssetInvalid", What: "cannot register the files of asset " + id, Why: why, Fix: fix, Field: "url"}
}
