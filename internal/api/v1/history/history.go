// Package history is run history as azureml-core 1.61 calls it: experiments, runs, their events and details.
package history

import (
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// Deps is what the service stands on. The functions that make addresses write the host that the request came
// to; what they return is never stored.
type Deps struct {
	Runs *run.Service
	// Token returns the token with which the run's process logs in, and when it ends.
	Token func(r run.Run) (token string, expires time.Time)
	// LogURL returns where the log of an attempt of a managed run can be read without more: as long as the
	// attempt goes on, it has whole lines only, because clients count them. nil: logs are not shown.
	LogURL func(r *face.Request, run string, attempt int) string
	// ReadURL returns where a file of a run can be read without more. nil: logs are not shown.
	ReadURL func(r *face.Request, run, path string) string
}

type api struct {
	Deps
	ids  ids
	tail tail
}

const (
	base     = "/history/v1.0" + face.WS
	byName   = base + "/experiments/{experiment}"
	byNumber = base + "/experimentids/{experimentid}"
	oldWay   = "metrics go to the service of metrics, as azureml-core sends them unless AZUREML_METRICS_V2 is empty"
)

// Calls returns what the service answers.
func Calls(d Deps) []face.Call {
	a := &api{Deps: d}
	list := []face.Call{
		{Method: "GET", Path: byName, What: "Gets an experiment by its name", Do: a.experiment},
		{Method: "POST", Path: byName, What: "Creates an experiment", Do: a.createExperiment},
		{Method: "GET", Path: byNumber, What: "Gets an experiment by its ID", Do: a.experiment},
		{Method: "PATCH", Path: byNumber, What: "Sets tags of an experiment, archives it or takes that back", Do: a.patchExperiment},
		{Method: "DELETE", Path: byNumber, What: "Removes an experiment that had no run", Do: a.deleteExperiment},
		{Method: "POST", Path: byNumber + "/tags:delete", What: "Removes tags of an experiment", Do: a.untagExperiment},
		{Method: "POST", Path: base + "/experiments:query", What: "Lists experiments by name and tags", Do: a.queryExperiments},
		{Method: "GET", Path: base + "/runs/{run}", What: "Gets a run of any experiment", Do: a.get},
		{Method: "GET", Path: base + "/runs/{run}/details", What: "Gets the details of a run of any experiment", Do: a.details},
		{Method: "GET", Path: base + "/runs/{run}/children", What: "Lists the child runs of a run of any experiment", Do: a.children},
		{Method: "GET", Path: base + "/computes/{compute}/runs", What: "Lists the runs of a compute target", Do: a.ofCompute},
		{Method: "POST", Path: byName + "/runs:query", What: "Lists runs by what they are, their tags and properties", Do: a.query},
		{Method: "PATCH", Path: byName + "/batch/runs", What: "Creates or changes many runs", Do: a.patchMany},
		{Method: "POST", Path: byName + "/batch/events", What: "Tells what happened to many runs", Do: a.eventsOfMany},
		{Method: "POST", Path: byName + "/runs/{run}/metrics", What: "Logs a metric, in the first version", Refuse: oldWay},
		{Method: "POST", Path: byName + "/runs/{run}/batch/metrics", What: "Logs metrics, in the first version", Refuse: oldWay},
		{Method: "GET", Path: byName + "/metrics/{metric}", What: "Gets a metric, in the first version", Refuse: oldWay},
		{Method: "POST", Path: byName + "/metrics:query", What: "Lists metrics, in the first version, which azureml.widgets reads", Do: a.queryMetrics},
		{Method: "GET", Path: byName + "/runcounts", What: "Counts runs by their status", Refuse: "no script of the SDK asks for it"},
	}
	for _, experiment := range []string{byName, byNumber} {
		list = append(list, a.ofRun(experiment+"/runs/{run}")...)
	}
	return list
}

func (a *api) ofRun(path string) []face.Call {
	return []face.Call{
		{Method: "GET", Path: path, What: "Gets a run", Do: a.get},
		{Method: "PATCH", Path: path, What: "Creates a run, or changes its tags, properties and names", Do: a.patch},
		{Method: "GET", Path: path + "/details", What: "Gets a run with its definition, logs, error and warnings", Do: a.details},
		{Method: "GET", Path: path + "/children", What: "Lists the child runs", Do: a.children},
		{Method: "GET", Path: path + "/token", What: "Gets a new token for the run's process", Do: a.token},
		{Method: "GET", Path: path + "/metricsingest/wait", What: "Waits until metrics are written, which they are when they were taken", Do: a.ingested},
		{Method: "POST", Path: path + "/events", What: "Tells that a run started, ended, failed, or has a warning", Do: a.event},
		{Method: "DELETE", Path: path + "/tags", What: "Removes tags of a run", Do: a.untag},
	}
}
