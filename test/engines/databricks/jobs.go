package main

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/jobs"
)

// Limits of the Jobs API 2.2, as its documentation has them.
const (
	maxToken      = 64
	maxTasks      = 100
	maxParameters = 10_000 // bytes of a task's parameters
	maxLogs       = 5 << 20
	maxPage       = 25
)

func (w *workspaceSim) jobRoutes() {
	w.route("POST /api/2.2/jobs/runs/submit", w.submit)
	w.route("GET /api/2.2/jobs/runs/get", w.getRun)
	w.route("GET /api/2.2/jobs/runs/get-output", w.getOutput)
	w.route("POST /api/2.2/jobs/runs/cancel", w.cancelRun)
	w.route("POST /api/2.2/jobs/runs/delete", w.deleteRun)
	w.route("GET /api/2.2/jobs/runs/list", w.listRuns)
}

func (w *workspaceSim) submit(r *http.Request) (any, error) {
	in, err := body[jobs.SubmitRun](r)
	if err != nil {
		return nil, err
	}
	if err := w.checkSubmit(in); err != nil {
		return nil, err
	}
	w.mu.Lock()
	if id, had := w.tokens[in.IdempotencyToken]; had && in.IdempotencyToken != "" {
		defer w.mu.Unlock()
		if w.runs[id] == nil {
			return nil, invalid("The run of the idempotency token '%s' was deleted.", in.IdempotencyToken)
		}
		return jobs.SubmitRunResponse{RunId: id}, nil
	}
	w.next += 2
	x := newRun(w.next-1, w.next, in)
	w.runs[x.id] = x
	if in.IdempotencyToken != "" {
		w.tokens[in.IdempotencyToken] = x.id
	}
	w.mu.Unlock()
	go w.execute(x)
	return jobs.SubmitRunResponse{RunId: x.id}, nil
}

func (w *workspaceSim) checkSubmit(in jobs.SubmitRun) error {
	switch {
	case len(in.IdempotencyToken) > maxToken:
		return invalid("The idempotency token has more than %d characters.", maxToken)
	case len(in.Tasks) == 0 || len(in.Tasks) > maxTasks:
		return invalid("A run has 1 to %d tasks.", maxTasks)
	case len(in.Tasks) > 1:
		return &apiError{http.StatusNotImplemented, "NOT_IMPLEMENTED", "this simulator runs one task"}
	}
	return w.checkTask(in.Tasks[0])
}

func (w *workspaceSim) checkTask(t jobs.SubmitTask) error {
	kinds := 0
	for _, is := range []bool{t.SparkPythonTask != nil, t.NotebookTask != nil, t.SparkJarTask != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return invalid("A task has one of spark_python_task, notebook_task and spark_jar_task.")
	case (t.ExistingClusterId == "") == (t.NewCluster == nil):
		return invalid("A task has one of existing_cluster_id and new_cluster.")
	case t.NewCluster != nil && (t.NewCluster.SparkVersion == "" || t.NewCluster.NodeTypeId == "" && t.NewCluster.InstancePoolId == ""):
		return invalid("Missing required field: new_cluster.spark_version or node_type_id")
	case t.ExistingClusterId != "" && !w.hasCluster(t.ExistingClusterId):
		return invalid("Cluster %s does not exist", t.ExistingClusterId)
	}
	var parameters []string
	if t.SparkPythonTask != nil {
		parameters = t.SparkPythonTask.Parameters
	}
	size := 0
	for _, p := range parameters {
		size += len(p)
	}
	if size > maxParameters {
		return invalid("The parameters of a task have more than %d bytes.", maxParameters)
	}
	return nil
}

// find returns a run by its ID, or that of its task.
func (w *workspaceSim) find(id int64) (*run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.runs {
		if x.id == id || x.task == id {
			return x, nil
		}
	}
	return nil, invalid("Run %d does not exist.", id)
}

func (w *workspaceSim) getRun(r *http.Request) (any, error) {
	in, err := query[jobs.GetRunRequest](r)
	if err != nil {
		return nil, err
	}
	x, err := w.find(in.RunId)
	if err != nil {
		return nil, err
	}
	return x.shown(r.Host), nil
}

func (w *workspaceSim) getOutput(r *http.Request) (any, error) {
	in, err := query[jobs.GetRunOutputRequest](r)
	if err != nil {
		return nil, err
	}
	x, err := w.find(in.RunId)
	if err != nil {
		return nil, err
	}
	if in.RunId == x.id {
		return nil, invalid("Retrieving the output of runs with tasks is not supported: ask for the task's run %d.", x.task)
	}
	return x.output(r.Host), nil
}

func (w *workspaceSim) cancelRun(r *http.Request) (any, error) {
	in, err := body[jobs.CancelRun](r)
	if err != nil {
		return nil, err
	}
	x, err := w.find(in.RunId)
	if err == nil {
		time.AfterFunc(50*time.Millisecond, x.cancel) // the answer comes before the end
	}
	return nil, err
}

func (w *workspaceSim) deleteRun(r *http.Request) (any, error) {
	in, err := body[jobs.DeleteRun](r)
	if err != nil {
		return nil, err
	}
	x, err := w.find(in.RunId)
	if err != nil {
		return nil, err
	}
	if !x.over() {
		return nil, &apiError{http.StatusBadRequest, "INVALID_STATE", "The run is active and cannot be deleted."}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.runs, x.id)
	return nil, nil
}

func (w *workspaceSim) listRuns(r *http.Request) (any, error) {
	in, err := query[jobs.ListRunsRequest](r)
	if err != nil {
		return nil, err
	}
	if in.Limit > maxPage || in.Limit < 0 {
		return nil, invalid("The limit is between 1 and %d.", maxPage)
	}
	w.mu.Lock()
	list := make([]*run, 0, len(w.runs))
	for _, x := range w.runs {
		list = append(list, x)
	}
	w.mu.Unlock()
	slices.SortFunc(list, func(a, b *run) int { return cmp.Compare(b.id, a.id) })
	out, limit := jobs.ListRunsResponse{}, cmp.Or(in.Limit, 20)
	for _, x := range list {
		if in.ActiveOnly && x.over() || in.PageToken != "" && itoa(x.id) >= in.PageToken || in.RunType != "" && in.RunType != jobs.RunTypeSubmitRun {
			continue
		}
		if len(out.Runs) == limit {
			out.HasMore, out.NextPageToken = true, itoa(out.Runs[limit-1].RunId)
			break
		}
		out.Runs = append(out.Runs, x.base(r.Host))
	}
	return out, nil
}

// killAll ends and forgets every run, as a workspace that was set up anew.
func (w *workspaceSim) killAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, x := range w.runs {
		x.cancel()
		delete(w.runs, id)
	}
}

// onCluster returns the state of a run's cluster: a new one has none of its own here.
func (w *workspaceSim) onCluster(x *run) compute.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.clusters[x.in.Tasks[0].ExistingClusterId]; c != nil {
		return c.State
	}
	return compute.StateRunning
}
