// Package modelmgmt is the model management as azureml-core 1.61 calls it: assets, which name files, and models,
// which are versions of a registered model. Versions that other clients registered are there as well.
package modelmgmt

import (
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// Deps is what the service stands on.
type Deps struct {
	Models *model.Service
	Runs   *run.Service
	Files  *object.Store // of uploads and versions
}

// Calls returns what the service answers.
func Calls(d Deps) []face.Call {
	const base = "/modelmanagement/v1.0" + face.WS
	const noServices = "models are not deployed as web services here"
	list := []face.Call{
		{Method: http.MethodPost, Path: base + "/assets", What: "Names files that a model is to be of", Do: d.createAsset},
		{Method: http.MethodGet, Path: base + "/assets", What: "Lists assets", Do: d.listAssets},
		{Method: http.MethodGet, Path: base + "/assets/{id}", What: "Gets an asset: where a model's files are", Do: d.getAsset},
		{Method: http.MethodPatch, Path: base + "/assets/{id}", What: "Changes an asset", Refuse: "no script of the SDK does it"},
		{Method: http.MethodDelete, Path: base + "/assets/{id}", What: "Forgets an asset", Do: d.deleteAsset},
		{Method: http.MethodPost, Path: base + "/models", What: "Registers a version of a model", Do: d.register},
		{Method: http.MethodGet, Path: base + "/models", What: "Lists models by name, tags, properties, run and framework", Do: d.list},
		{Method: http.MethodPost, Path: base + "/models/list", What: "Lists models, by a body", Refuse: "azureml-core 1.61 lists them by a query"},
		{Method: http.MethodGet, Path: base + "/models/{id}", What: "Gets a version of a model", Do: d.get},
		{Method: http.MethodPatch, Path: base + "/models/{id}", What: "Changes tags, properties and description of a version", Do: d.patch},
		{Method: http.MethodDelete, Path: base + "/models/{id}", What: "Deletes a version of a model", Do: d.remove},
	}
	for _, path := range []string{"services", "images", "packages", "profiles", "operations"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			list = append(list, face.Call{Method: method, Path: base + "/" + path, What: "Model management: " + path, Refuse: noServices})
		}
		list = append(list, face.Call{Method: http.MethodGet, Path: base + "/" + path + "/{rest...}", What: "Model management: one of the " + path, Refuse: noServices})
	}
	return list
}
