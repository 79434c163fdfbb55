package databricks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const handleVersion = 1

// handle is what a Handle of version 1 holds.
type handle struct {
	Run  int64  `json:"run"`
	Job  string `json:"job"`
	Task string `json:"task"`
}

func handleOf(h handle) (driver.Handle, error) {
	b, err := json.Marshal(h)
	return driver.Handle{Version: handleVersion, Data: b}, err
}

func refOf(h driver.Handle) (handle, error) {
	var v handle
	err := json.Unmarshal(h.Data, &v)
	if err != nil || h.Version != handleVersion || v.Run == 0 || v.Job == "" {
		return v, &fault.Error{
			Code: fault.Invalid, Reason: "HandleUnknown", What: "the job cannot be found on its target",
			Why: "its handle has version " + strconv.Itoa(h.Version) + ", which this server cannot read",
			Fix: "run the server that wrote it, or a newer one", Err: err,
		}
	}
	return v, nil
}

// runState is what the Jobs API says of a run.
type runState struct {
	ID    int64  `json:"run_id"`
	Name  string `json:"run_name"`
	Page  string `json:"run_page_url"`
	Start int64  `json:"start_time"` // milliseconds
	Setup int64  `json:"setup_duration"`
	End   int64  `json:"end_time"`
	State struct {
		Life    string `json:"life_cycle_state"`
		Result  string `json:"result_state"`
		Message string `json:"state_message"`
	} `json:"state"`
	Status struct {
		Termination struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"termination_details"`
	} `json:"status"`
	Tasks []runState `json:"tasks"`
}

// task is the run of the only task; that of the whole where there is none yet.
func (r runState) task() runState {
	if len(r.Tasks) > 0 {
		return r.Tasks[0]
	}
	return r
}

// ended reports whether the run is over. Source: databricks-sdk-go v0.60.0, jobs.RunLifeCycleState.
func (r runState) ended() bool {
	return slices.Contains([]string{"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}, r.State.Life)
}

func (c *conn) run(ctx context.Context, id int64) (runState, error) {
	var r runState
	return r, c.get(ctx, runsGet, url.Values{"run_id": {strconv.FormatInt(id, 10)}}, &r)
}

// Poll implements driver.Runner. A run that was released is there no more for us: the workspace keeps its page.
func (c *conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	ref, err := refOf(h)
	if err != nil {
		return driver.JobStatus{}, err
	}
	r, err := c.run(ctx, ref.Run)
	if missing(err) {
		return lost("the workspace has no record of run " + strconv.FormatInt(ref.Run, 10)), nil
	}
	if err != nil {
		return driver.JobStatus{}, err
	}
	if !r.ended() {
		return r.going(), nil
	}
	j, err := c.ours.Look(ctx, ref.Job)
	switch {
	case err != nil:
		return driver.JobStatus{}, err
	case !j.There:
		return lost("its files were removed from the workspace"), nil
	}
	return c.over(ctx, r, j.End)
}

func lost(why string) driver.JobStatus {
	return driver.JobStatus{State: driver.JobLost, Reason: "NoRecord", Message: why}
}

// going is the status of a run that is not over.
func (r runState) going() driver.JobStatus {
	st := driver.JobStatus{State: driver.JobPending, Message: r.say(r.State.Life)}
	if r.State.Life == "RUNNING" || r.State.Life == "TERMINATING" {
		st.State, st.Started = driver.JobRunning, r.began()
	}
	return st
}

// say adds the page where the user sees more.
func (r runState) say(what string) string {
	if r.State.Message != "" {
		what += ": " + r.State.Message
	}
	if r.Page != "" {
		what += "; see " + r.Page
	}
	return what
}

func (r runState) began() time.Time {
	t := r.task()
	if t.Start == 0 {
		t.Start = r.Start
	}
	return time.UnixMilli(t.Start + t.Setup).UTC()
}

// over is the status of a run that is over. e is what the launcher saw; nil: nothing.
func (c *conn) over(ctx context.Context, r runState, e *launchx.End) (driver.JobStatus, error) {
	st := driver.JobStatus{State: driver.JobFailed}
	switch code := r.termination(); {
	case r.State.Result == "SUCCESS":
		st.State = driver.JobDone
	case r.State.Result == "CANCELED" || r.State.Result == "UPSTREAM_CANCELED":
		st.State, st.Reason, st.Message = driver.JobCanceled, "RunCanceled", r.say("the run was cancelled in the workspace")
	case r.State.Result == "TIMEDOUT":
		st.Reason, st.Message = "TimedOut", r.say("it ran longer than its limit")
	case e != nil:
		st = e.Status()
		st.Message = r.say(st.Message)
	default:
		said, err := c.errorOf(ctx, r)
		if err != nil {
			return st, err
		}
		st.Reason = reasonOf(code)
		st.Message = r.say(strings.TrimSpace(fmt.Sprintf("the run ended as %s (%s) %s", r.State.Life, orNone(code), said)))
	}
	st.Started, st.Ended = r.began(), time.UnixMilli(r.End).UTC()
	if st.Ended.Before(st.Started) {
		st.Started = st.Ended // it ended before it began: its cluster never came up
	}
	return st, nil
}

func orNone(code string) string {
	if code == "" {
		return "the workspace does not say why"
	}
	return code
}

// termination is the code of the task's end, which says more than the run's.
func (r runState) termination() string {
	if code := r.task().Status.Termination.Code; code != "" {
		return code
	}
	return r.Status.Termination.Code
}

// reasonOf names how a run failed. Source: databricks-sdk-go v0.60.0, jobs.TerminationCodeCode.
func reasonOf(code string) string {
	switch code {
	case "LIBRARY_INSTALLATION_ERROR":
		return "LibraryFailed"
	case "CLUSTER_ERROR", "DRIVER_ERROR", "CLOUD_FAILURE":
		return "ClusterTerminated"
	case "CLUSTER_REQUEST_LIMIT_EXCEEDED", "WORKSPACE_RUN_LIMIT_EXCEEDED", "MAX_CONCURRENT_RUNS_EXCEEDED", "MAX_JOB_QUEUE_SIZE_EXCEEDED", "BUDGET_POLICY_LIMIT_EXCEEDED", "MAX_SPARK_CONTEXTS_EXCEEDED":
		return "QuotaExceeded"
	case "RESOURCE_NOT_FOUND":
		return "NotInWorkspace"
	case "INVALID_CLUSTER_REQUEST", "INVALID_RUN_CONFIGURATION", "FEATURE_DISABLED":
		return "RunRefused"
	case "UNAUTHORIZED_ERROR", "STORAGE_ACCESS_ERROR":
		return "PermissionMissing"
	}
	return "RunFailed"
}

// errorOf is what the task's own output says went wrong. It is of the user's code, or of the cluster.
func (c *conn) errorOf(ctx context.Context, r runState) (string, error) {
	out, err := c.output(ctx, r)
	if missing(err) || fault.ReasonOf(err) == "RequestRefused" {
		return "", nil // a task that never began has none
	}
	return out.Error, err
}

// Cancel implements driver.Runner. The workspace ends the run some time later, without mercy.
func (c *conn) Cancel(ctx context.Context, h driver.Handle) error {
	ref, err := refOf(h)
	if err != nil {
		return err
	}
	return c.cancel(ctx, ref.Run)
}

func (c *conn) cancel(ctx context.Context, run int64) error {
	err := c.post(ctx, runsCancel, map[string]any{"run_id": run}, nil)
	if missing(err) {
		return nil
	}
	return err
}

// Release implements driver.Runner. It removes the job's files; the run's page stays in the workspace, which
// forgets it by itself.
func (c *conn) Release(ctx context.Context, h driver.Handle) error {
	ref, err := refOf(h)
	if err != nil {
		return err
	}
	return c.files.Remove(ctx, launchx.JobFolder(ref.Job))
}
