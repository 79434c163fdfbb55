package content

import (
	"archive/zip"
	"context"
	"io"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
)

// zipOwner owns the ZIP file of a snapshot. One that is there is the same as one made anew.
func zipOwner(snapshot string) string { return "zip-" + snapshot }

func (d Deps) zip(r *face.Request) (any, error) {
	ctx := r.Context()
	c, err := d.Runs.CodeOf(ctx, r.Key(r.PathValue("snapshot")))
	if err != nil {
		return nil, err
	}
	owner, name := zipOwner(c.Snapshot), c.Snapshot+".zip"
	f, err := d.Files.Get(ctx, Owner(r.Workspace, owner), name)
	if fault.CodeOf(err) == fault.NotFound || err == nil && object.Expired(f) {
		err = d.pack(ctx, r.Workspace, c.Snapshot, name)
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{"zipSasUri": d.ReadURL(r, Kind, owner, name)}, nil
}

func (d Deps) pack(ctx context.Context, workspace, id, name string) error {
	files, err := d.Snapshots.Files(ctx, snapshot.ID(id))
	if err != nil {
		return err
	}
	list, err := files.Manifest(ctx)
	if err != nil {
		return err
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(write(ctx, out, files, list)) }()
	defer in.Close()
	_, err = d.Files.Put(ctx, Owner(workspace, zipOwner(id)), name, in)
	return err
}

func write(ctx context.Context, w io.Writer, files driver.Files, list []driver.File) error {
	z := zip.NewWriter(w)
	for _, f := range list {
		body, err := files.OpenHash(ctx, f.Hash)
		if err != nil {
			return err
		}
		to, err := z.Create(f.Path)
		if err == nil {
			_, err = io.Copy(to, body)
		}
		body.Close()
		if err != nil {
			return err
		}
	}
	return z.Close()
}
