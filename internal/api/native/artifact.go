package native

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/object"
)

// serveArtifact sends a file, or the ranges of it that are asked for. It is never shown by a browser:
// it may hold anything.
func serveArtifact(w http.ResponseWriter, r *http.Request, file object.File, content io.ReadSeeker) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+file.Hash+`"`)
	http.ServeContent(httpx.Download(w), r, "", time.Time{}, content)
}

// fileMax bounds a file that clients upload.
const fileMax = 1 << 40

// UploadQuery says what a file that is uploaded has to be.
type UploadQuery struct {
	Hash string `query:"sha256" pattern:"^[0-9a-f]{64}$" doc:"SHA-256 of the file: other bytes are refused"`
}

// upload describes a route that takes a file.
func (a *api) upload(path, id, summary string) huma.Operation {
	put := a.op(http.MethodPut, path, id, summary)
	file := &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
	put.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": file}}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.Artifact](), true, "")
	put.Responses = map[string]*huma.Response{"200": {Description: "Stored", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}}
	return put
}

// receiveFile reads a file as it comes, and answers with what was stored.
func receiveFile(hash string, put func(io.Reader) (object.File, error)) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		body := httpx.Upload(w, r, fileMax)
		defer body.Close()
		f, err := put(object.Received(body, hash))
		if err != nil {
			WriteFault(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(toArtifact(f)) // nobody to tell: the client is gone
	}}
}

// ArtifactPath names a file of a run.
type ArtifactPath struct {
	RunPath
	Path string `path:"path"`
}

func (a *api) routesArtifacts() {
	const one, file = "/workspaces/{ws}/runs/{id}", "/workspaces/{ws}/runs/{id}/artifacts/{path...}"
	huma.Register(a.huma, a.upload(file, "put-artifact", "Add a file to a run, in place of one at its path"), a.putArtifact)
	remove := a.op(http.MethodDelete, file, "delete-artifact", "Remove a file of a run")
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(a.huma, remove, a.deleteArtifact)
	huma.Register(a.huma, a.op(http.MethodGet, one+"/folder", "list-artifact-folder", "List one level of a run's files: those in a folder, and its folders"), a.listFolder)
}

func (a *api) putArtifact(ctx context.Context, in *struct {
	ArtifactPath
	UploadQuery
},
) (*huma.StreamResponse, error) {
	return receiveFile(in.Hash, func(body io.Reader) (object.File, error) {
		return a.Runs.PutArtifact(ctx, in.key(), in.Path, body)
	}), nil
}

func (a *api) deleteArtifact(ctx context.Context, in *ArtifactPath) (*struct{}, error) {
	return nil, a.Runs.DeleteArtifact(ctx, in.key(), in.Path)
}

func (a *api) listFolder(ctx context.Context, in *struct {
	RunPath
	PageQuery
	Path string `query:"path" doc:"Of the folder; the root if it is left out"`
},
) (*out[client.Page[client.Artifact]], error) {
	list, next, err := a.Runs.ArtifactFolder(ctx, in.key(), in.Path, in.page())
	return pageOf(list, next, toListed), err
}

func toListed(e object.Entry) client.Artifact {
	if e.Dir {
		return client.Artifact{Path: e.Path, Folder: true}
	}
	return toArtifact(e.File)
}

func toArtifact(f object.File) client.Artifact {
	return client.Artifact{Path: f.Path, Size: f.Size, Hash: f.Hash, Created: f.Created.UTC()}
}
