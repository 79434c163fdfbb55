package artifact

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// dto is a file (ArtifactDto).
type dto struct {
	ID        string     `json:"artifactId"`
	Origin    string     `json:"origin"`
	Container string     `json:"container"`
	Path      string     `json:"path"`
	ETag      string     `json:"etag,omitempty"`
	Created   *time.Time `json:"createdTime,omitempty"`
	DataPath  any        `json:"dataPath"`
}

// address is where a file is read or written (ArtifactContentInformationDto).
type address struct {
	URL       string `json:"contentUri"`
	Origin    string `json:"origin"`
	Container string `json:"container"`
	Path      string `json:"path"`
}

func (at place) dto(path string) dto {
	return dto{ID: at.origin + "/" + at.container + "/" + path, Origin: at.origin, Container: at.container, Path: path}
}

func (at place) file(e entry) dto {
	out := at.dto(e.Path)
	out.ETag, out.Created = e.Hash, new(e.Created.UTC())
	return out
}

func (at place) address(path, url string) address {
	return address{url, at.origin, at.container, path}
}

// announced is files to come (BatchArtifactCreateCommand).
type announced struct {
	Paths []struct {
		Path string `json:"path"`
	} `json:"paths"`
}

func (d Deps) announce(r *face.Request) (any, error) {
	in, err := face.Body[announced](r)
	if err != nil {
		return nil, err
	}
	at := placeOf(r)
	c, err := d.open(r, at)
	if err != nil {
		return nil, err
	}
	files, addresses, failed := map[string]dto{}, map[string]address{}, map[string]any{}
	for _, p := range in.Paths {
		path := clean(p.Path)
		url, err := c.writeURL(r.Context(), path)
		if fault.ReasonOf(err) == "ArtifactPathInvalid" {
			f := fault.From(err)
			failed[p.Path] = map[string]any{"error": map[string]any{"code": "UserError", "message": f.What + ": " + f.Why, "details": []any{}}}
			continue
		}
		if err != nil {
			return nil, err
		}
		files[p.Path], addresses[p.Path] = at.dto(path), at.address(path, url)
	}
	return map[string]any{"artifacts": files, "artifactContentInformation": addresses, "errors": failed}, nil
}

func (d Deps) announceOne(r *face.Request) (any, error) {
	in, err := face.Body[dto](r)
	if err != nil {
		return nil, err
	}
	at := place{in.Origin, in.Container, clean(in.Path)}
	c, err := d.open(r, at)
	if err != nil {
		return nil, err
	}
	_, err = c.writeURL(r.Context(), at.path)
	return at.dto(at.path), err
}

func (d Deps) writable(r *face.Request) (any, error) {
	at := placeOf(r)
	c, err := d.open(r, at)
	if err != nil {
		return nil, err
	}
	url, err := c.writeURL(r.Context(), at.path)
	return at.address(at.path, url), err
}

// found looks for the file that a request names.
func (d Deps) found(r *face.Request) (place, entry, error) {
	at := placeOf(r)
	c, err := d.open(r, at)
	if err != nil {
		return at, entry{}, err
	}
	e, err := find(r.Context(), c, at.path)
	return at, e, err
}

func (d Deps) get(r *face.Request) (any, error) {
	at, e, err := d.found(r)
	return at.file(e), err
}

func (d Deps) readable(r *face.Request) (any, error) {
	at, e, err := d.found(r)
	return at.address(e.Path, e.url), err
}

func (d Deps) uri(r *face.Request) (any, error) {
	_, e, err := d.found(r)
	return e.url, err
}

// below walks one page of the files at a path and below it.
func (d Deps) below(r *face.Request, do func(at place, e entry)) (next *string, err error) {
	at := placeOf(r)
	c, err := d.open(r, at)
	if err != nil {
		return nil, err
	}
	q := r.Request.URL.Query()
	page := store.Page{Limit: 500, Cursor: q.Get("continuationToken")}
	files, more, err := c.list(r.Context(), at.path, page)
	for _, e := range files {
		if at.path == "" || e.Path == at.path || strings.HasPrefix(e.Path, at.path+"/") {
			do(at, e)
		}
	}
	if more != "" {
		next = &more
	}
	return next, err
}

func (d Deps) list(r *face.Request) (any, error) {
	value := []dto{}
	next, err := d.below(r, func(at place, e entry) { value = append(value, at.file(e)) })
	return map[string]any{"value": value, "continuationToken": next}, err
}

func (d Deps) readables(r *face.Request) (any, error) {
	value := []address{}
	next, err := d.below(r, func(at place, e entry) { value = append(value, at.address(e.Path, e.url)) })
	return map[string]any{"value": value, "continuationToken": next}, err
}

func (d Deps) remove(r *face.Request) (any, error) {
	at := placeOf(r)
	c, err := d.open(r, at)
	if err != nil {
		return nil, err
	}
	return face.Status{Code: http.StatusOK}, c.remove(r.Context(), at.path)
}

func (d Deps) removeAll(r *face.Request) (any, error) {
	c, err := d.open(r, placeOf(r))
	if err != nil {
		return nil, err
	}
	for cursor := ""; ; {
		files, next, err := c.list(r.Context(), "", store.Page{Limit: 500, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, e := range files {
			if err := c.remove(r.Context(), e.Path); err != nil {
				return nil, err
			}
		}
		if cursor = next; cursor == "" {
			return face.Status{Code: http.StatusOK}, nil
		}
	}
}

func (d Deps) upload(r *face.Request) (any, error) {
	at := placeOf(r)
	if q := r.Request.URL.Query(); strings.EqualFold(q.Get("append"), "true") {
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "AppendUnsupported", What: "cannot append to the file " + at.path,
			Why: "files are written whole", Fix: "send all of it", Field: "append",
		}
	}
	c, err := d.open(r, at)
	if err != nil {
		return nil, err
	}
	if err := c.put(r.Context(), at.path, r.Request.Body); err != nil {
		return nil, err
	}
	return d.get(r)
}

func (d Deps) download(r *face.Request) (any, error) {
	at := placeOf(r)
	c, err := d.open(r, at)
	if err != nil {
		return nil, err
	}
	f, body, err := c.open(r.Context(), at.path)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	r.W.Header().Set("Content-Type", "application/octet-stream")
	if f.Size >= 0 {
		r.W.Header().Set("Content-Length", strconv.FormatInt(f.Size, 10))
	}
	_, _ = io.Copy(r.W, body) // a client that sees fewer bytes than it was told knows
	return face.Answered{}, nil
}
