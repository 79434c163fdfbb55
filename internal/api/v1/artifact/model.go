package artifact

import (
	"context"
	"io"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// versionFiles are those of a version of a model. The SDK downloads them below the folder that the first segment
// of their paths names: one that a folder was registered as, and none for a single file.
type versionFiles struct {
	Deps
	r *face.Request
	v model.Version
}

func (d Deps) modelFiles(r *face.Request, at place) (container, error) {
	i := strings.LastIndexByte(at.container, ':')
	if i < 0 {
		return nil, noContainer(at, "containers of models are named NAME:VERSION")
	}
	v, err := d.Models.GetVersion(r.Context(), r.Key(at.container[:i]), at.container[i+1:])
	return versionFiles{d, r, v}, err
}

// inside cuts the folder from a path; "" is all.
func (c versionFiles) inside(p string) (folder, rest string) {
	files, _, err := c.Files.List(c.r.Context(), c.v.ID, "", store.Page{Limit: 2})
	if err == nil && len(files) == 1 && files[0].Path == p {
		return "", p
	}
	folder, rest, _ = strings.Cut(p, "/")
	return folder, rest
}

func (c versionFiles) list(ctx context.Context, prefix string, p store.Page) (out []entry, next string, err error) {
	folder, rest := c.inside(prefix)
	files, next, err := c.Files.List(ctx, c.v.ID, rest, p)
	for _, f := range files {
		url := c.ReadURL(c.r, "model", c.v.ID, f.Path)
		if folder != "" {
			f.Path = folder + "/" + f.Path
		}
		out = append(out, entry{f, url})
	}
	return out, next, err
}

func (c versionFiles) open(ctx context.Context, p string) (object.File, io.ReadCloser, error) {
	_, rest := c.inside(p)
	return c.Files.Open(ctx, c.v.ID, rest, 0)
}

func (versionFiles) put(context.Context, string, io.Reader) error     { return readOnly() }
func (versionFiles) remove(context.Context, string) error             { return readOnly() }
func (versionFiles) writeURL(context.Context, string) (string, error) { return "", readOnly() }

func readOnly() error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ModelVersionReady", What: "cannot change the files of a registered model",
		Why: "a version's files never change", Fix: "register another version",
	}
}
