package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Model is a registered model.
type Model struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Aliases     map[string]int    `json:"aliases,omitempty" doc:"Numbers of versions"`
	Latest      int               `json:"latest,omitempty" doc:"The newest version that is ready"`
	CreatedBy   string            `json:"created_by"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
}

// ModelRequest asks for a model without versions.
type ModelRequest struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// ModelVersion is a version of a model.
type ModelVersion struct {
	Model            string            `json:"model"`
	Version          int               `json:"version"`
	UID              string            `json:"uid" doc:"ULID"`
	Run              string            `json:"run,omitempty" doc:"The run that it comes from"`
	RunUID           string            `json:"run_uid,omitempty"`
	Logged           string            `json:"logged,omitempty" doc:"The logged model that it comes from"`
	Source           string            `json:"source,omitempty"`
	Snapshot         string            `json:"snapshot,omitempty"`
	Environment      string            `json:"environment,omitempty"`
	Stage            string            `json:"stage" enum:"None,Staging,Production,Archived"`
	Status           string            `json:"status" enum:"READY,PENDING_REGISTRATION,FAILED_REGISTRATION"`
	Message          string            `json:"message,omitempty" doc:"Of a status that is not READY"`
	Framework        string            `json:"framework,omitempty"`
	FrameworkVersion string            `json:"framework_version,omitempty"`
	Description      string            `json:"description,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	Properties       map[string]string `json:"properties,omitempty"`
	CreatedBy        string            `json:"created_by"`
	Created          time.Time         `json:"created"`
	Updated          time.Time         `json:"updated"`
}

// ModelVersionRequest registers a version. Its files come from a run or a logged model, or with Upload
// from the client: see PutModelFile and FinishModel.
type ModelVersionRequest struct {
	Request          string            `json:"request,omitempty" doc:"A name of the client's own: the same again is the same version"`
	Run              string            `json:"run,omitempty" doc:"The run that has the files"`
	Logged           string            `json:"logged,omitempty" doc:"The logged model that has the files"`
	Path             string            `json:"path,omitempty" doc:"A file or a folder there; all if it is left out"`
	Upload           bool              `json:"upload,omitempty" doc:"The files are uploaded, and then it is finished"`
	Source           string            `json:"source,omitempty"`
	Environment      string            `json:"environment,omitempty" doc:"name:version; the run's if it is left out"`
	Framework        string            `json:"framework,omitempty"`
	FrameworkVersion string            `json:"framework_version,omitempty"`
	Description      string            `json:"description,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	Properties       map[string]string `json:"properties,omitempty"`
}

// ModelChange says what to change of a model or a version; what is left out stays.
type ModelChange struct {
	Name        string            `json:"name,omitempty" doc:"A new name; of a model only"`
	Description *string           `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty" doc:"To add, or to change"`
	RemoveTags  []string          `json:"remove_tags,omitempty"`
	Properties  map[string]string `json:"properties,omitempty" doc:"To add, or to change; of a version only"`
}

func modelPath(ws string, more ...string) []string {
	return append([]string{"workspaces", ws, "models"}, more...)
}

func versionPath(ws, model, version string, more ...string) []string {
	return append(modelPath(ws, model, "versions", version), more...)
}

// Models lists models, by name.
func (c *Client) Models(ctx context.Context, ws string, at Cursor) (Page[Model], error) {
	return list[Model](ctx, c, get(modelPath(ws)...), at)
}

// Model returns a model.
func (c *Client) Model(ctx context.Context, ws, name string) (Model, error) {
	return fetch[Model](ctx, c, get(modelPath(ws, name)...))
}

// CreateModel makes a model without versions. Registering a version makes its model too.
func (c *Client) CreateModel(ctx context.Context, ws string, m ModelRequest) (Model, error) {
	k := post(modelPath(ws)...)
	k.body, k.once = m, true
	return fetch[Model](ctx, c, k)
}

// UpdateModel changes a model, or renames it.
func (c *Client) UpdateModel(ctx context.Context, ws, name string, m ModelChange) (Model, error) {
	return fetch[Model](ctx, c, call{method: http.MethodPatch, path: modelPath(ws, name), body: m, once: m.Name != ""})
}

// DeleteModel deletes a model with all its versions and their files. What runs have stays.
func (c *Client) DeleteModel(ctx context.Context, ws, name string) error {
	_, err := fetch[struct{}](ctx, c, call{method: http.MethodDelete, path: modelPath(ws, name)})
	return err
}

// SetModelAlias has an alias mean a version, and no other one any more.
func (c *Client) SetModelAlias(ctx context.Context, ws, name, alias string, version int) (Model, error) {
	body := map[string]int{"version": version}
	return fetch[Model](ctx, c, call{method: http.MethodPut, path: modelPath(ws, name, "aliases", alias), body: body})
}

// DeleteModelAlias takes an alias away.
func (c *Client) DeleteModelAlias(ctx context.Context, ws, name, alias string) (Model, error) {
	return fetch[Model](ctx, c, call{method: http.MethodDelete, path: modelPath(ws, name, "aliases", alias)})
}

// ModelVersions lists the versions of a model, the newest first.
func (c *Client) ModelVersions(ctx context.Context, ws, name string, at Cursor) (Page[ModelVersion], error) {
	return list[ModelVersion](ctx, c, get(modelPath(ws, name, "versions")...), at)
}

// ModelVersion returns a version: a number, "latest" or an alias.
func (c *Client) ModelVersion(ctx context.Context, ws, name, version string) (ModelVersion, error) {
	return fetch[ModelVersion](ctx, c, get(versionPath(ws, name, version)...))
}

// RegisterModel registers a version under the next number. Give it a Request: without one, a call whose
// answer is lost cannot be repeated.
func (c *Client) RegisterModel(ctx context.Context, ws, name string, r ModelVersionRequest) (ModelVersion, error) {
	k := post(modelPath(ws, name, "versions")...)
	k.body, k.once = r, r.Request == ""
	return fetch[ModelVersion](ctx, c, k)
}

// UpdateModelVersion changes a version's description, tags and properties.
func (c *Client) UpdateModelVersion(ctx context.Context, ws, name string, version int, m ModelChange) (ModelVersion, error) {
	return fetch[ModelVersion](ctx, c, call{method: http.MethodPatch, path: versionPath(ws, name, strconv.Itoa(version)), body: m})
}

// DeleteModelVersion deletes a version, its aliases and its files.
func (c *Client) DeleteModelVersion(ctx context.Context, ws, name string, version int) error {
	_, err := fetch[struct{}](ctx, c, call{method: http.MethodDelete, path: versionPath(ws, name, strconv.Itoa(version))})
	return err
}

// StageModel moves a version to a stage; archive moves the others that are there to Archived.
func (c *Client) StageModel(ctx context.Context, ws, name string, version int, stage string, archive bool) (ModelVersion, error) {
	k := post(versionPath(ws, name, strconv.Itoa(version), "stage")...)
	k.body = map[string]any{"stage": stage, "archive_existing": archive}
	return fetch[ModelVersion](ctx, c, k)
}

// FinishModel ends the upload of a version: it is ready, or with a message it has failed.
func (c *Client) FinishModel(ctx context.Context, ws, name string, version int, message string) (ModelVersion, error) {
	k := post(versionPath(ws, name, strconv.Itoa(version), "finish")...)
	k.body = map[string]string{"message": message}
	return fetch[ModelVersion](ctx, c, k)
}

// ModelFiles lists the files of a version, below a prefix of their paths.
func (c *Client) ModelFiles(ctx context.Context, ws, name, version, prefix string, at Cursor) (Page[Artifact], error) {
	k := get(versionPath(ws, name, version, "files")...)
	k.query = url.Values{}
	set(k.query, "prefix", prefix)
	return list[Artifact](ctx, c, k, at)
}

// OpenModelFile opens a file of a version, from an offset. The caller closes it, and compares its bytes
// with Artifact.Hash.
func (c *Client) OpenModelFile(ctx context.Context, ws, name, version, path string, offset int64) (io.ReadCloser, error) {
	return c.openFile(ctx, versionPath(ws, name, version, "files"), path, offset)
}

// PutModelFile uploads a file of a version that was registered with Upload and is not finished.
func (c *Client) PutModelFile(ctx context.Context, ws, name string, version int, path string, u Upload) (Artifact, error) {
	return c.putFile(ctx, versionPath(ws, name, strconv.Itoa(version), "files"), path, u)
}

// DownloadModel fetches files of a version into a folder, as Download does.
func (c *Client) DownloadModel(ctx context.Context, ws, name, version string, files []Artifact, dir string, progress func(more int64)) error {
	return c.download(ctx, files, dir, progress, func(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
		return c.OpenModelFile(ctx, ws, name, version, path, offset)
	})
}
