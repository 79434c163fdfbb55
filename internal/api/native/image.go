package native

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
)

// ImagePath names an image.
type ImagePath struct {
	WorkspacePath
	Name string `path:"name" doc:"NAME, NAME:TAG or NAME@sha256:DIGEST"`
}

func (a *api) routesImages() {
	const all, one, builds = "/workspaces/{ws}/images", "/workspaces/{ws}/images/{name}", "/workspaces/{ws}/image-builds"
	huma.Register(a.huma, a.op(http.MethodGet, all, "list-images", "List the images of the server's registry"), a.listImages)
	huma.Register(a.huma, a.op(http.MethodGet, one, "get-image", "Show an image"), a.getImage)
	huma.Register(a.huma, a.op(http.MethodDelete, one, "delete-image", "Delete an image, by tag or digest"), a.deleteImage)
	huma.Register(a.huma, a.op(http.MethodPost, builds, "build-image", "Have an image made of a base, an environment and code, or find the same being made"), a.buildImage)
	huma.Register(a.huma, a.op(http.MethodGet, builds+"/{id}", "get-image-build", "Show how a build of an image goes, with its log"), a.getImageBuild)
}

func toImage(t image.Tag) client.Image {
	return client.Image{Name: t.Repository + ":" + t.Name, Digest: t.Digest, Bytes: t.Size, Source: t.Source, CreatedBy: t.CreatedBy, Updated: utc(t.Updated)}
}

func (a *api) listImages(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
	Repository string `query:"repository" doc:"only the tags of it"`
},
) (*out[client.Page[client.Image]], error) {
	list, next, err := a.Images.List(ctx, image.Filter{Workspace: in.Workspace, Repository: in.Repository}, in.page())
	return pageOf(list, next, toImage), err
}

func (a *api) getImage(ctx context.Context, in *ImagePath) (*out[client.Image], error) {
	repository, reference := image.Split(in.Name)
	m, err := a.Images.Get(ctx, in.Workspace, repository, reference)
	if err != nil {
		return nil, err
	}
	doc := client.Image{Name: in.Name, Digest: m.Digest, Bytes: m.Size, CreatedBy: m.CreatedBy, Updated: utc(m.Used)}
	var parts v1.Manifest
	if json.Unmarshal(m.Content, &parts) == nil {
		for _, l := range parts.Layers {
			doc.Layers = append(doc.Layers, client.ImageLayer{Digest: l.Digest.String(), Bytes: l.Size})
		}
	}
	return &out[client.Image]{doc}, nil
}

func (a *api) deleteImage(ctx context.Context, in *ImagePath) (*struct{}, error) {
	repository, reference := image.Split(in.Name)
	return nil, a.Images.Delete(ctx, in.Workspace, repository, reference)
}

func (a *api) buildImage(ctx context.Context, in *struct {
	WorkspacePath
	Body client.ImageBuild
},
) (*out[client.ImageBuilding], error) {
	q, err := a.imageRequest(ctx, in.Workspace, in.Body)
	if err == nil {
		err = a.Images.Build(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	return a.lookAtImage(ctx, in.Workspace, q.ID, 0)
}

// imageRequest resolves what a request names. The same names the same build.
func (a *api) imageRequest(ctx context.Context, ws string, b client.ImageBuild) (image.Request, error) {
	q := image.Request{Workspace: ws, Name: b.Name, Base: b.Base, Hosts: a.Hosts}
	if b.Environment != "" {
		e, err := a.Environments.Get(ctx, ws, b.Environment)
		if err != nil {
			return q, err
		}
		q.Digest, q.Environment = e.Digest, e.Definition
	}
	if b.Snapshot != "" {
		files, err := a.Snapshots.Files(ctx, snapshot.ID(b.Snapshot))
		if err != nil {
			return q, err
		}
		q.Code = files
	}
	text, err := json.Marshal([]string{b.Name, b.Base, q.Digest, b.Snapshot})
	sum := sha256.Sum256(text)
	q.ID = hex.EncodeToString(sum[:16])
	return q, err
}

func (a *api) getImageBuild(ctx context.Context, in *struct {
	WorkspacePath
	ID     string `path:"id" doc:"ID of the build"`
	Offset int64  `query:"offset" minimum:"0" doc:"where in the log to go on, in bytes"`
},
) (*out[client.ImageBuilding], error) {
	return a.lookAtImage(ctx, in.Workspace, in.ID, in.Offset)
}

func (a *api) lookAtImage(ctx context.Context, ws, id string, offset int64) (*out[client.ImageBuilding], error) {
	b, err := a.Images.Look(ctx, ws, id, offset)
	if err != nil {
		return nil, err
	}
	doc := client.ImageBuilding{
		ID: id, State: string(b.Status.State), Image: b.Status.Runtime.Image, Python: b.Status.Python, Warnings: b.Status.Warnings, Bytes: b.Size, Log: string(b.Log), Next: b.Next,
	}
	if b.Status.State == driver.BuildFailed {
		doc.Error = &client.Fault{Code: client.CodePrecondition, Reason: b.Status.Reason, Title: "the image is not made", Detail: b.Status.Message, Fix: cmp.Or(b.Status.Fix, "read the log")}
	}
	return &out[client.ImageBuilding]{doc}, nil
}
