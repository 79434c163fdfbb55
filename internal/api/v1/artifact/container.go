package artifact

import (
	"cmp"
	"context"
	"io"
	"path"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// entry is a file of a container, and where it is read.
type entry struct {
	object.File
	url string
}

// container is a set of files that the caller may read.
type container interface {
	// list returns files whose paths start so.
	list(ctx context.Context, prefix string, p store.Page) ([]entry, string, error)
	put(ctx context.Context, path string, body io.Reader) error
	open(ctx context.Context, path string) (object.File, io.ReadCloser, error)
	remove(ctx context.Context, path string) error
	// writeURL fails unless the caller may write.
	writeURL(ctx context.Context, path string) (string, error)
}

// The origins that mean something; the files of any other one are uploads.
const (
	ofRuns   = "ExperimentRun"
	ofModels = "Model" // of this server: the container is "NAME:VERSION"
	mark     = "dcid." // before a run's name
)

// place is what a request names.
type place struct{ origin, container, path string }

func placeOf(r *face.Request) place {
	at := place{r.PathValue("origin"), r.PathValue("container"), clean(r.PathValue("path"))}
	if name := r.PathValue("run"); name != "" {
		at.origin, at.container = ofRuns, mark+name
	}
	return at
}

// clean makes a path relative, without dots: the SDK takes the names of local files for those of artifacts.
func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

func (d Deps) open(r *face.Request, at place) (container, error) {
	if err := identity.Require(r.Context(), r.Workspace, identity.Reader); err != nil {
		return nil, err
	}
	switch {
	case strings.EqualFold(at.origin, ofRuns):
		name, ok := strings.CutPrefix(at.container, mark)
		if !ok {
			return nil, noContainer(at, "containers of runs are named "+mark+"RUN")
		}
		v, err := d.Runs.Get(r.Context(), r.Key(name))
		return runFiles{d, r, v}, err
	case at.origin == ofModels:
		return d.modelFiles(r, at)
	case strings.Contains(at.origin+at.container, "/"):
		return nil, noContainer(at, "its name has a slash")
	}
	return uploads{d, r, at.origin + "/" + at.container}, nil
}

func noContainer(at place, why string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "ContainerNotFound", What: "there is no container " + at.origin + "/" + at.container,
		Why: why, Fix: "name it as the server did",
	}
}

func noFile(p string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "ArtifactNotFound", What: "there is no file " + p,
		Why: "it was never uploaded, or deleted", Fix: "list the files that there are",
	}
}

// find returns the file at a path.
func find(ctx context.Context, c container, p string) (entry, error) {
	found, _, err := c.list(ctx, p, store.Page{Limit: 1})
	if err != nil {
		return entry{}, err
	}
	for _, e := range found {
		if e.Path == p {
			return e, nil
		}
	}
	return entry{}, noFile(p)
}

// runFiles are those of a run, with its logs.
type runFiles struct {
	Deps
	r *face.Request
	v run.Run
}

func (c runFiles) list(ctx context.Context, prefix string, p store.Page) ([]entry, string, error) {
	files, next, err := c.Runs.ListArtifacts(ctx, c.v.Key(), prefix, p)
	if err != nil {
		return nil, "", err
	}
	var out []entry
	if p.Cursor == "" {
		out = c.logs(prefix)
	}
	for _, f := range files {
		out = append(out, entry{f, c.ReadURL(c.r, "run", c.v.Name, f.Path)})
	}
	return out, next, nil
}

// logs are those of a managed run: files that nobody uploaded.
func (c runFiles) logs(prefix string) (out []entry) {
	if c.v.Origin != run.Managed || c.LogURL == nil {
		return nil
	}
	for i, name := range face.LogNames(len(c.v.Status.Attempts)) {
		if strings.HasPrefix(name, prefix) {
			out = append(out, entry{object.File{Path: name, Created: c.v.Start()}, c.LogURL(c.r, c.v.Name, i+1)})
		}
	}
	return out
}

func (c runFiles) put(ctx context.Context, p string, body io.Reader) error {
	_, err := c.Runs.PutArtifact(ctx, c.v.Key(), p, body)
	return err
}

func (c runFiles) open(ctx context.Context, p string) (object.File, io.ReadCloser, error) {
	for i, name := range face.LogNames(len(c.v.Status.Attempts)) {
		if name == p && c.v.Origin == run.Managed {
			body, err := c.Runs.OpenLog(ctx, c.v.Key(), i+1, 0, false)
			return object.File{Path: p, Size: -1}, body, err
		}
	}
	return c.Runs.OpenArtifact(ctx, c.v.Key(), p, 0)
}

func (c runFiles) remove(ctx context.Context, p string) error {
	return c.Runs.DeleteArtifact(ctx, c.v.Key(), p)
}

func (c runFiles) writeURL(ctx context.Context, p string) (string, error) {
	err := cmp.Or(identity.Require(ctx, c.v.Workspace, identity.Tracker), object.CheckPath(p))
	return c.WriteURL(c.r, "run", c.v.Name, p), err
}

// uploads are files of no run. They wait for a model to be made of them.
type uploads struct {
	Deps
	r    *face.Request
	name string
}

func (c uploads) owner() string { return object.Upload.Owner(c.r.Workspace, c.name) }

func (c uploads) list(ctx context.Context, prefix string, p store.Page) (out []entry, next string, err error) {
	files, next, err := c.Files.List(ctx, c.owner(), prefix, p)
	for _, f := range files {
		out = append(out, entry{f, c.ReadURL(c.r, "upload", c.name, f.Path)})
	}
	return out, next, err
}

func (c uploads) may(ctx context.Context, p string) error {
	return cmp.Or(identity.Require(ctx, c.r.Workspace, identity.Tracker), object.CheckPath(p))
}

func (c uploads) put(ctx context.Context, p string, body io.Reader) error {
	if err := c.may(ctx, p); err != nil {
		return err
	}
	_, err := c.Files.Put(ctx, c.owner(), p, object.Received(body, ""))
	return err
}

func (c uploads) open(ctx context.Context, p string) (object.File, io.ReadCloser, error) {
	return c.Files.Open(ctx, c.owner(), p, 0)
}

func (c uploads) remove(ctx context.Context, p string) error {
	if err := c.may(ctx, p); err != nil {
		return err
	}
	return c.Files.Delete(ctx, c.owner(), p)
}

func (c uploads) writeURL(ctx context.Context, p string) (string, error) {
	return c.WriteURL(c.r, "upload", c.name, p), c.may(ctx, p)
}
