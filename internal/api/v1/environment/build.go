package environment

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// home is the target that builds where none is named: the server's own machine.
const home = "server"

func (d Deps) build(r *face.Request) (any, error) {
	e, err := d.of(r)
	if err != nil {
		return nil, err
	}
	target := cmp.Or(r.PathValue("compute"), home)
	if _, err := d.Environments.Build(r.Context(), r.Workspace, reference(e), compute.KeyOf(r.Workspace, target)); err != nil {
		return nil, err
	}
	location := r.Address("/environment/v2.0" + r.Resource() + "/environments/" + url.PathEscape(e.Name) + "/versions/" + strconv.Itoa(e.Version) + "/image/builds/" + url.PathEscape(target))
	return face.Status{Code: http.StatusAccepted, Body: map[string]string{"location": location}}, nil
}

func reference(e environment.Environment) string { return e.Name + ":" + strconv.Itoa(e.Version) }

// states are the words that azureml-core waits by: it goes on while it reads Running or Queued.
var states = map[driver.BuildState]string{
	driver.BuildMissing: "Queued", driver.BuildRunning: "Running", driver.BuildDone: "Succeeded", driver.BuildFailed: "Failed",
}

func (d Deps) buildState(r *face.Request) (any, error) {
	name, err := ref(r)
	if err != nil {
		return nil, err
	}
	b, err := d.Environments.BuildOf(r.Context(), r.Workspace, name, compute.KeyOf(r.Workspace, r.PathValue("compute")))
	if err != nil {
		return nil, err
	}
	out := map[string]any{"status": states[b.Status.State], "logUrl": d.LogURL(r, name, r.PathValue("compute"))}
	if b.Status.State == driver.BuildFailed {
		out["error"] = map[string]string{"code": b.Status.Reason, "message": b.Status.Message + ". Fix: " + b.Status.Fix}
	}
	return out, nil
}

// image describes what an environment is on the server's machine: an image if it was built as one, or else
// a folder of packages, or nothing yet. No registry of images belongs to the workspace.
func (d Deps) image(r *face.Request) (any, error) {
	e, err := d.of(r)
	if err != nil {
		return nil, err
	}
	b, err := d.Environments.BuildOf(r.Context(), r.Workspace, reference(e), compute.KeyOf(r.Workspace, home))
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, err
	}
	python := map[string]any{"interpreterPath": cmp.Or(e.Definition.Interpreter, "python"), "condaEnvironmentPath": nil}
	if p := b.Status.Runtime.Prefix; p != "" {
		python = map[string]any{"interpreterPath": p + "/bin/python", "condaEnvironmentPath": p}
	}
	ingredients := map[string]any{"dockerfile": nil}
	if e.Definition.Dockerfile != nil {
		ingredients["dockerfile"] = string(e.Definition.Dockerfile)
	}
	return map[string]any{
		"imageExistsInRegistry": false, "ingredients": ingredients, "pythonEnvironment": python, "vulnerabilityFindings": nil,
		"dockerImage": map[string]any{
			"name":     cmp.Or(b.Status.Runtime.Image, e.Definition.BaseImage),
			"registry": map[string]any{"address": nil, "username": nil, "password": nil},
		},
	}, nil
}
