// Package artifact is the service of files as azureml-core 1.61 calls it: those of runs, those that a client
// uploads before it says what they are, and those of registered models.
//
// A file's bytes go through addresses that this service hands out. One that was announced and never uploaded is
// not there.
package artifact

import (
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// Deps is what the service stands on. The functions make addresses that need no login, on behalf of the caller;
// they write the host that the request came to, and what they return is never stored.
type Deps struct {
	Runs   *run.Service
	Models *model.Service
	Files  *object.Store // of uploads
	// WriteURL and ReadURL return where a file of an owner is written and read. The kinds are "run", whose owner
	// is a run's name, "upload", whose owner is "ORIGIN/CONTAINER", and "model", whose owner is a version's ID.
	WriteURL, ReadURL func(r *face.Request, kind, owner, path string) string
	// LogURL returns where the log of an attempt of a managed run is read.
	LogURL func(r *face.Request, run string, attempt int) string
}

// Calls returns what the service answers.
func Calls(d Deps) []face.Call {
	const (
		base  = "/artifact/v2.0" + face.WS + "/artifacts"
		all   = "/{origin}/{container}"
		one   = all + "/{path...}"
		asset = "/artifact/v1.0" + face.WS + "/projects/{project}"
		runs  = "/history/v1.0" + face.WS + "/experiments/{experiment}/runs/{run}/artifacts"
		old   = "assets are the model management's; azureml-core 1.61 has no call of these"
	)
	return []face.Call{
		{Method: http.MethodPost, Path: base + "/batch/metadata" + all, What: "Announces files, and gets addresses to write them to", Do: d.announce},
		{Method: http.MethodGet, Path: base + all, What: "Lists files", Do: d.list},
		{Method: http.MethodGet, Path: base + one, What: "Lists files below a path", Do: d.list},
		{Method: http.MethodGet, Path: base + "/metadata" + one, What: "Gets what is known of a file", Do: d.get},
		{Method: http.MethodPost, Path: base + "/metadata", What: "Announces a file", Do: d.announceOne},
		{Method: http.MethodDelete, Path: base + "/metadata" + one, What: "Deletes a file", Do: d.remove},
		{Method: http.MethodDelete, Path: base + "/batch" + all, What: "Deletes all files", Do: d.removeAll},
		{Method: http.MethodGet, Path: base + "/contentinfo" + one, What: "Gets an address to read a file from", Do: d.readable},
		{Method: http.MethodGet, Path: base + "/write" + one, What: "Gets an address to write a file to", Do: d.writable},
		{Method: http.MethodGet, Path: base + "/prefix/contentinfo" + all, What: "Gets addresses to read all files from", Do: d.readables},
		{Method: http.MethodGet, Path: base + "/prefix/contentinfo" + one, What: "Gets addresses to read the files below a path from", Do: d.readables},
		{Method: http.MethodGet, Path: base + "/content" + one, What: "Downloads a file", Do: d.download},
		{Method: http.MethodPost, Path: base + "/content" + one, What: "Uploads a file", Do: d.upload},
		{Method: http.MethodPost, Path: base + "/batch/ingest/containersas" + all, What: "Takes in files from a container of Azure", Refuse: "the server does not reach into Azure's storage"},
		{Method: http.MethodPut, Path: asset + "/artifacts/asset" + one, What: "Makes a file an asset", Refuse: old},
		{Method: http.MethodPost, Path: asset + "/artifacts/asset" + one, What: "Makes a file an asset, once", Refuse: old},
		{Method: http.MethodGet, Path: asset + "/assets", What: "Lists assets of the first version", Refuse: old},
		{Method: http.MethodGet, Path: asset + "/assets/{rest...}", What: "Gets an asset of the first version", Refuse: old},
		{Method: http.MethodGet, Path: runs, What: "Lists the files of a run", Do: d.list},
		{Method: http.MethodGet, Path: runs + "/path/{path...}", What: "Lists the files of a run below a path", Do: d.list},
		{Method: http.MethodGet, Path: runs + "/contentinfo/{path...}", What: "Gets an address to read a file of a run from", Do: d.readable},
		{Method: http.MethodGet, Path: runs + "/artifacturi/{path...}", What: "Gets an address to read a file of a run from, alone", Do: d.uri},
		{Method: http.MethodGet, Path: runs + "/prefix/contentinfo/{path...}", What: "Gets addresses to read the files of a run below a path from", Do: d.readables},
		{Method: http.MethodPost, Path: runs + "/batch/metadata", What: "Announces files of a run, and gets addresses to write them to", Do: d.announce},
	}
}
