package native

import (
	"cmp"
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// ModelPath names a model.
type ModelPath struct {
	WorkspacePath
	Name string `path:"name" doc:"Name of the model"`
}

func (in ModelPath) key() store.Key { return store.Key{Workspace: in.Workspace, Name: in.Name} }

// ModelRefPath names a version in any way.
type ModelRefPath struct {
	ModelPath
	Version string `path:"version" doc:"A number, latest, or an alias"`
}

// ModelVersionPath names a version by its number.
type ModelVersionPath struct {
	ModelPath
	Version int `path:"version" minimum:"1" doc:"A number"`
}

// AliasPath names an alias.
type AliasPath struct {
	ModelPath
	Alias string `path:"alias"`
}

// AliasRequest says what an alias means.
type AliasRequest struct {
	Version int `json:"version" minimum:"1"`
}

// StageRequest asks for another stage.
type StageRequest struct {
	Stage   string `json:"stage" enum:"None,Staging,Production,Archived"`
	Archive bool   `json:"archive_existing,omitempty" doc:"Move the others that are there to Archived"`
}

// FinishRequest ends an upload.
type FinishRequest struct {
	Message string `json:"message,omitempty" doc:"Why it failed; without one it is ready"`
}

const (
	modelsPath   = "/workspaces/{ws}/models"
	modelPath    = modelsPath + "/{name}"
	versionsPath = modelPath + "/versions"
	versionPath  = versionsPath + "/{version}"
)

func (a *api) routesModels() {
	create := a.op(http.MethodPost, modelsPath, "create-model", "Make a model without versions")
	create.DefaultStatus = http.StatusCreated
	remove := a.op(http.MethodDelete, modelPath, "delete-model", "Delete a model with its versions and their files")
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(a.huma, a.op(http.MethodGet, modelsPath, "list-models", "List models"), a.listModels)
	huma.Register(a.huma, create, a.createModel)
	huma.Register(a.huma, a.op(http.MethodGet, modelPath, "get-model", "Show a model"), a.getModel)
	huma.Register(a.huma, a.op(http.MethodPatch, modelPath, "update-model", "Change a model, or rename it"), a.updateModel)
	huma.Register(a.huma, remove, a.deleteModel)
	huma.Register(a.huma, a.op(http.MethodPut, modelPath+"/aliases/{alias}", "set-model-alias", "Have an alias mean a version"), a.setAlias)
	huma.Register(a.huma, a.op(http.MethodDelete, modelPath+"/aliases/{alias}", "delete-model-alias", "Take an alias away"), a.deleteAlias)
	a.routesVersions()
	a.routesModelFiles()
}

func (a *api) routesVersions() {
	register := a.op(http.MethodPost, versionsPath, "register-model", "Register a version under the next number, and its model if there is none")
	register.DefaultStatus = http.StatusCreated
	remove := a.op(http.MethodDelete, versionPath, "delete-model-version", "Delete a version, its aliases and its files")
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(a.huma, a.op(http.MethodGet, versionsPath, "list-model-versions", "List the versions of a model, the newest first"), a.listVersions)
	huma.Register(a.huma, register, a.registerModel)
	huma.Register(a.huma, a.op(http.MethodGet, versionPath, "get-model-version", "Show a version"), a.getVersion)
	huma.Register(a.huma, a.op(http.MethodPatch, versionPath, "update-model-version", "Change a version's description, tags and properties"), a.updateVersion)
	huma.Register(a.huma, remove, a.deleteVersion)
	huma.Register(a.huma, a.op(http.MethodPost, versionPath+"/stage", "stage-model-version", "Move a version to a stage"), a.stageVersion)
	huma.Register(a.huma, a.op(http.MethodPost, versionPath+"/finish", "finish-model-version", "End the upload of a version's files"), a.finishVersion)
}

func (a *api) routesModelFiles() {
	const files = versionPath + "/files"
	huma.Register(a.huma, a.op(http.MethodGet, files, "list-model-files", "List the files of a version"), a.listModelFiles)
	read := a.op(http.MethodGet, files+"/{path...}", "get-model-file", "Read a file of a version; takes Range")
	read.Responses = streams("application/octet-stream")
	huma.Register(a.huma, read, a.getModelFile)
	huma.Register(a.huma, a.upload(files+"/{path...}", "put-model-file", "Upload a file of a version that is pending"), a.putModelFile)
}

func (a *api) listModels(ctx context.Context, in *struct {
	WorkspacePath
	PageQuery
},
) (*out[client.Page[client.Model]], error) {
	list, next, err := a.Models.List(ctx, model.Filter{Workspace: in.Workspace}, in.page())
	return pageOf(list, next, toModel), err
}

func (a *api) createModel(ctx context.Context, in *struct {
	WorkspacePath
	Body client.ModelRequest
},
) (*out[client.Model], error) {
	m, err := a.Models.Create(ctx, model.Model{
		Workspace: in.Workspace, Name: in.Body.Name, Description: in.Body.Description, Tags: in.Body.Tags,
	})
	return &out[client.Model]{toModel(m)}, err
}

func (a *api) getModel(ctx context.Context, in *ModelPath) (*out[client.Model], error) {
	m, err := a.Models.Get(ctx, in.key())
	return &out[client.Model]{toModel(m)}, err
}

func (a *api) updateModel(ctx context.Context, in *struct {
	ModelPath
	Body client.ModelChange
},
) (*out[client.Model], error) {
	m, err := a.Models.Update(ctx, in.key(), fromChange(in.Body))
	if err == nil && in.Body.Name != "" && in.Body.Name != in.Name {
		m, err = a.Models.Rename(ctx, in.key(), in.Body.Name)
	}
	return &out[client.Model]{toModel(m)}, err
}

func (a *api) deleteModel(ctx context.Context, in *ModelPath) (*struct{}, error) {
	return nil, a.Models.Delete(ctx, in.key())
}

func (a *api) setAlias(ctx context.Context, in *struct {
	AliasPath
	Body AliasRequest
},
) (*out[client.Model], error) {
	m, err := a.Models.SetAlias(ctx, in.key(), in.Alias, in.Body.Version)
	return &out[client.Model]{toModel(m)}, err
}

func (a *api) deleteAlias(ctx context.Context, in *AliasPath) (*out[client.Model], error) {
	m, err := a.Models.DeleteAlias(ctx, in.key(), in.Alias)
	return &out[client.Model]{toModel(m)}, err
}

func (a *api) listVersions(ctx context.Context, in *struct {
	ModelPath
	PageQuery
},
) (*out[client.Page[client.ModelVersion]], error) {
	if _, err := a.Models.Get(ctx, in.key()); err != nil {
		return nil, err
	}
	list, next, err := a.Models.ListVersions(ctx, model.VersionFilter{Workspace: in.Workspace, Model: in.Name}, in.page())
	return pageOf(list, next, toVersion), err
}

func (a *api) registerModel(ctx context.Context, in *struct {
	ModelPath
	Body client.ModelVersionRequest
},
) (*out[client.ModelVersion], error) {
	v, err := a.Models.CreateVersion(ctx, fromVersionRequest(in.Workspace, in.Name, in.Body))
	return &out[client.ModelVersion]{toVersion(v)}, err
}

func (a *api) getVersion(ctx context.Context, in *ModelRefPath) (*out[client.ModelVersion], error) {
	v, err := a.Models.GetVersion(ctx, in.key(), in.Version)
	return &out[client.ModelVersion]{toVersion(v)}, err
}

func (a *api) updateVersion(ctx context.Context, in *struct {
	ModelVersionPath
	Body client.ModelChange
},
) (*out[client.ModelVersion], error) {
	v, err := a.Models.UpdateVersion(ctx, in.key(), in.Version, fromChange(in.Body))
	return &out[client.ModelVersion]{toVersion(v)}, err
}

func (a *api) deleteVersion(ctx context.Context, in *ModelVersionPath) (*struct{}, error) {
	return nil, a.Models.DeleteVersion(ctx, in.key(), in.Version)
}

func (a *api) stageVersion(ctx context.Context, in *struct {
	ModelVersionPath
	Body StageRequest
},
) (*out[client.ModelVersion], error) {
	v, err := a.Models.TransitionStage(ctx, in.key(), in.Version, model.Transition{Stage: model.Stage(in.Body.Stage), Archive: in.Body.Archive})
	return &out[client.ModelVersion]{toVersion(v)}, err
}

func (a *api) finishVersion(ctx context.Context, in *struct {
	ModelVersionPath
	Body FinishRequest
},
) (*out[client.ModelVersion], error) {
	v, err := a.Models.Finish(ctx, in.key(), in.Version, in.Body.Message)
	return &out[client.ModelVersion]{toVersion(v)}, err
}

func (a *api) listModelFiles(ctx context.Context, in *struct {
	ModelRefPath
	PageQuery
	Prefix string `query:"prefix" doc:"Of their paths"`
},
) (*out[client.Page[client.Artifact]], error) {
	list, next, err := a.Models.ListFiles(ctx, in.key(), in.Version, in.Prefix, in.page())
	return pageOf(list, next, toArtifact), err
}

func (a *api) getModelFile(ctx context.Context, in *struct {
	ModelRefPath
	Path string `path:"path"`
},
) (*huma.StreamResponse, error) {
	file, body, err := a.Models.OpenFile(ctx, in.key(), in.Version, in.Path, 0)
	if err != nil {
		return nil, err
	}
	return sendFile(ctx, file, body, a.Models.Files.OpenFile), nil
}

func (a *api) putModelFile(ctx context.Context, in *struct {
	ModelVersionPath
	UploadQuery
	Path string `path:"path"`
},
) (*huma.StreamResponse, error) {
	return receiveFile(in.Hash, func(body io.Reader) (object.File, error) {
		return a.Models.PutFile(ctx, in.key(), in.Version, in.Path, body)
	}), nil
}

// sendFile answers with a file, whose bytes open opens anew where somebody seeks to.
func sendFile(ctx context.Context, file object.File, body io.ReadCloser, open func(context.Context, object.File, int64) (io.ReadCloser, error)) *huma.StreamResponse {
	content := httpx.NewSeeker(ctx, file.Size, body, func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return open(ctx, file, offset)
	})
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer content.Close()
		r, w := humago.Unwrap(c)
		serveArtifact(w, r, file, content)
	}}
}

func toModel(m model.Model) client.Model {
	return client.Model{
		Name: m.Name, Description: m.Description, Tags: m.Tags, Aliases: m.Aliases, Latest: m.Latest, CreatedBy: m.CreatedBy,
		Created: m.Created.UTC(), Updated: m.Updated.UTC(),
	}
}

func toVersion(v model.Version) client.ModelVersion {
	return client.ModelVersion{
		Model: v.Model, Version: v.Number, UID: v.ID, Run: v.Run, RunUID: v.RunID, Logged: v.Logged, Source: v.Source,
		Snapshot: v.Snapshot, Environment: v.Environment, Stage: string(v.Stage), Status: string(v.Status), Message: v.Message,
		Framework: v.Framework, FrameworkVersion: v.FrameworkVersion, Description: v.Description, Tags: v.Tags,
		Properties: v.Properties, CreatedBy: v.CreatedBy, Created: v.Created.UTC(), Updated: v.Updated.UTC(),
	}
}

func fromChange(c client.ModelChange) model.Change {
	return model.Change{Description: c.Description, Tags: c.Tags, RemoveTags: c.RemoveTags, Properties: c.Properties}
}

func fromVersionRequest(ws, name string, r client.ModelVersionRequest) model.NewVersion {
	return model.NewVersion{
		Workspace: ws, Model: name, Request: r.Request, Run: r.Run, Logged: r.Logged, Path: r.Path, Upload: r.Upload,
		Source: cmp.Or(r.Source, sourceOf(r)), Environment: r.Environment, Framework: r.Framework, FrameworkVersion: r.FrameworkVersion,
		Description: r.Description, Tags: r.Tags, Properties: r.Properties,
	}
}

// sourceOf names where a version's files come from, in MLflow's words.
func sourceOf(r client.ModelVersionRequest) string {
	switch {
	case r.Run != "":
		return "runs:/" + r.Run + "/" + r.Path
	case r.Logged != "":
		return "models:/" + r.Logged
	}
	return ""
}
