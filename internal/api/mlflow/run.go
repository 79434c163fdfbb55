package mlflow

import (
	"context"
	"maps"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Tags that MLflow's clients know.
const (
	nameTag   = "mlflow.runName"
	parentTag = "mlflow.parentRunId"
	userTag   = "mlflow.user"
	modelsTag = "mlflow.log-model.history"
)

// statuses are those of MLflow by our states.
var statuses = map[run.State]string{
	run.NotStarted: "SCHEDULED", run.Preparing: "SCHEDULED", run.Queued: "SCHEDULED",
	run.Running: "RUNNING", run.Finalizing: "RUNNING", run.CancelRequested: "RUNNING",
	run.Completed: "FINISHED", run.Failed: "FAILED", run.Canceled: "KILLED",
}

// states are ours by MLflow's statuses: names and numbers of its enum.
var states = map[string]run.State{
	"RUNNING": run.Running, "SCHEDULED": run.Queued, "FINISHED": run.Completed, "FAILED": run.Failed, "KILLED": run.Canceled,
	"1": run.Running, "2": run.Queued, "3": run.Completed, "4": run.Failed, "5": run.Canceled,
}

// word is an enum, sent as its name or its number.
type word string

func (v *word) UnmarshalJSON(raw []byte) error {
	return (*viewType)(v).UnmarshalJSON(raw)
}

func (a *api) key(c call, id string) store.Key { return store.Key{Workspace: c.ws, Name: id} }

// toInfo says what a run is.
func (a *api) toInfo(c call, r run.Run) (wireInfo, error) {
	experiment, err := a.experimentIDOf(c.Context(), c.ws, r.Experiment)
	out := wireInfo{
		RunUUID: r.Name, RunID: r.Name, Name: r.Display, Experiment: experiment, User: r.User, Status: statuses[r.Status.State],
		Start: millis(r.Status.Started), End: millis(r.Status.Ended), Artifacts: a.filesURL(c, runFiles, r.Name), Stage: active,
	}
	if out.Name == "" {
		out.Name = r.Name
	}
	if out.User == "" {
		out.User = r.CreatedBy
	}
	if !r.Deleted.IsZero() {
		out.Stage = deleted
	}
	return out, err
}

func (a *api) toRun(c call, r run.Run, latest []metric.Latest) (wireRun, error) {
	info, err := a.toInfo(c, r)
	out := wireRun{Info: info, Data: wireData{Params: pairs(r.Params)}}
	tags := r.Tags
	if _, ok := tags[nameTag]; !ok {
		tags = maps.Clone(tags)
		if tags == nil {
			tags = map[string]string{}
		}
		tags[nameTag] = info.Name
	}
	if _, ok := tags[parentTag]; !ok && r.Parent != "" {
		tags = maps.Clone(tags)
		tags[parentTag] = r.Parent
	}
	out.Data.Tags = pairs(tags)
	for _, m := range latest {
		if m.Kind == metric.Scalar || m.Kind == "" {
			out.Data.Metrics = append(out.Data.Metrics, toMetric(m.Point))
		}
	}
	out.Inputs, out.Outputs = inputsOf(r.Properties)
	return out, err
}

func toMetric(p metric.Point) wireMetric {
	return wireMetric{Key: p.Name, Value: double(p.Value), Timestamp: p.Time.UnixMilli(), Step: p.Step}
}

type runAnswer struct {
	Run wireRun `json:"run"`
}

func (a *api) createRun(c call) (any, error) {
	in, err := decode[struct {
		experimentID
		User  string  `json:"user_id"`
		Name  string  `json:"run_name"`
		Start integer `json:"start_time"`
		Tags  []pair  `json:"tags"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	if in.ID == "" {
		in.ID = run.DefaultID
	}
	e, err := a.experimentOf(c, in.ID)
	if err != nil {
		return nil, err
	}
	tags, _, err := cutTags(in.Tags)
	if err != nil {
		return nil, err
	}
	q := run.ExternalRequest{Workspace: c.ws, Experiment: e.Name, Tags: tags, User: in.User, Started: fromMillis(int64(in.Start))}
	if q.Display, err = runName(in.Name, tags); err != nil {
		return nil, err
	}
	tags[nameTag] = q.Display
	if err := a.parent(c, &q); err != nil {
		return nil, err
	}
	r, _, err := a.Runs.CreateExternal(c.Context(), q)
	if err != nil {
		return nil, err
	}
	out, err := a.toRun(c, r, nil)
	return runAnswer{out}, err
}

// parent takes the parent over from the tag, if it is a run here.
func (a *api) parent(c call, q *run.ExternalRequest) error {
	name := q.Tags[parentTag]
	if name == "" {
		return nil
	}
	_, err := a.Runs.Get(c.Context(), a.key(c, name))
	if fault.CodeOf(err) == fault.NotFound {
		return nil // the tag stays: MLflow takes any
	}
	q.Parent = name
	return err
}

func fromMillis(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// runName settles what a run is called: field and tag are the same thing.
func runName(name string, tags map[string]string) (string, error) {
	tag := tags[nameTag]
	switch {
	case name != "" && tag != "" && name != tag:
		return "", invalid("run_name", `"`+name+`"`, "the tag "+nameTag+" has another value: "+tag)
	case name != "":
		return name, nil
	case tag != "":
		return tag, nil
	}
	return randomName(), nil
}

// randomName is a name for a run that nobody named.
func randomName() string {
	adjectives := []string{"amber", "brisk", "calm", "daring", "eager", "fond", "gentle", "hardy", "indigo", "jolly", "keen", "lively", "mellow", "noble", "olive", "patient", "quiet", "rapid", "sturdy", "tidy", "upbeat", "vivid", "witty", "young", "zesty"}
	birds := []string{"avocet", "bunting", "curlew", "dipper", "egret", "finch", "grebe", "heron", "ibis", "jay", "kestrel", "lark", "martin", "nuthatch", "osprey", "plover", "quail", "robin", "siskin", "tern", "vireo", "warbler", "wren", "yellowhammer", "zaffre"}
	return adjectives[rand.IntN(len(adjectives))] + "-" + birds[rand.IntN(len(birds))] + "-" + strconv.Itoa(rand.IntN(1000))
}

type runID struct {
	ID   string `json:"run_id"`
	UUID string `json:"run_uuid"` // what it was called before
}

func (r runID) check() (string, error) {
	if r.ID == "" {
		r.ID = r.UUID
	}
	if r.ID == "" {
		return "", missing("run_id")
	}
	return r.ID, nil
}

// runOf reads a request that names a run.
func (a *api) runOf(c call, id runID) (run.Run, error) {
	name, err := id.check()
	if err != nil {
		return run.Run{}, err
	}
	return a.Runs.Get(c.Context(), a.key(c, name))
}

func (a *api) getRun(c call) (any, error) {
	in, err := decode[runID](c.Request)
	if err != nil {
		return nil, err
	}
	r, err := a.runOf(c, in)
	if err != nil {
		return nil, err
	}
	latest, err := a.Metrics.Latest(c.Context(), r.ID)
	if err != nil {
		return nil, err
	}
	out, err := a.toRun(c, r, latest)
	return runAnswer{out}, err
}

func (a *api) updateRun(c call) (any, error) {
	in, err := decode[struct {
		runID
		Status word     `json:"status"`
		End    *integer `json:"end_time"`
		Name   string   `json:"run_name"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	id, err := in.check()
	if err != nil {
		return nil, err
	}
	var change run.Change
	if in.Status != "" {
		state, ok := states[string(in.Status)]
		if !ok {
			return nil, invalid("status", `"`+string(in.Status)+`"`, "MLflow has RUNNING, SCHEDULED, FINISHED, FAILED and KILLED")
		}
		change.State = &state
	}
	if in.End != nil {
		change.Ended = new(fromMillis(int64(*in.End)))
	}
	if in.Name != "" {
		change.Display = &in.Name
	}
	r, err := a.Runs.UpdateExternal(c.Context(), a.key(c, id), change)
	if err == nil && in.Name != "" {
		r, err = a.Runs.Label(c.Context(), a.key(c, id), map[string]string{nameTag: in.Name}, nil, nil)
	}
	if err != nil {
		return nil, err
	}
	info, err := a.toInfo(c, r)
	return map[string]wireInfo{"run_info": info}, err
}

// changeRun is an endpoint that changes the run of an ID and answers nothing.
func changeRun(c call, change func(ctx context.Context, k store.Key) (run.Run, error)) (any, error) {
	in, err := decode[runID](c.Request)
	if err != nil {
		return nil, err
	}
	id, err := in.check()
	if err == nil {
		_, err = change(c.Context(), store.Key{Workspace: c.ws, Name: id})
	}
	return nil, err
}

func (a *api) deleteRun(c call) (any, error)  { return changeRun(c, a.Runs.DeleteRun) }
func (a *api) restoreRun(c call) (any, error) { return changeRun(c, a.Runs.RestoreRun) }
