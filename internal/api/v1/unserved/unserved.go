// Package unserved is the calls of azureml-core that this server knows and does not answer: its users are
// told why, instead of that there is no such path.
package unserved

import "github.com/zaffre-ml/zaffre/internal/api/v1/face"

// Calls returns them, by service and for every method.
func Calls() []face.Call {
	const (
		data      = "datastores and datasets are not served yet: read files from where the run's machine has them"
		pipelines = "pipelines are not served yet: submit the steps as runs, one after the other"
	)
	var out []face.Call
	for _, c := range []struct{ path, what, why string }{
		{"/datastore/v1.0" + face.WS + "/{rest...}", "Datastores: the default one, registering, listing", data},
		{"/dataset/v1.0" + face.WS + "/{rest...}", "Datasets: registering, listing, looking into them", data},
		{"/data/v1.0" + face.WS + "/{rest...}", "Versions of data", data},
		{"/datacache/v1.0" + face.WS + "/{rest...}", "Caches of datasets", data},
		{"/pipelines/v1.0" + face.WS + "/{rest...}", "Pipelines: submitting, publishing, schedules", pipelines},
	} {
		out = append(out, face.Call{Path: c.path, What: c.what, Refuse: c.why})
	}
	return out
}
