package history

import (
	"cmp"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// dto is a run on the wire. It is a map, because it also has what clients sent and zaffre only keeps.
type dto map[string]any

// keep begins the names of properties in which fields of a run are kept that zaffre does not know.
const keep = "zaffre.azureml."

// hidden begin the names of properties that are no properties here.
var hidden = []string{"zaffre.", "mlflow.input.", "mlflow.output."}

// words are the statuses that the SDK knows, by our states.
var words = map[run.State]string{
	run.NotStarted: "NotStarted", run.Preparing: "Preparing", run.Queued: "Queued", run.Running: "Running", run.Finalizing: "Finalizing",
	run.CancelRequested: "CancelRequested", run.Completed: "Completed", run.Failed: "Failed", run.Canceled: "Canceled",
}

// states are ours by the SDK's statuses.
var states = map[string]run.State{
	"NotStarted": run.NotStarted, "Unapproved": run.NotStarted, "Preparing": run.Preparing, "Provisioning": run.Preparing, "Starting": run.Preparing,
	"Queued": run.Queued, "Pausing": run.Queued, "Paused": run.Queued, "Running": run.Running, "NotResponding": run.Running,
	"Finalizing": run.Finalizing, "CancelRequested": run.CancelRequested, "Completed": run.Completed, "Failed": run.Failed, "Canceled": run.Canceled,
}

// scriptRun is the type of a run that was submitted.
const scriptRun = "azureml.scriptrun"

// dto returns a run as clients see it.
func (a *api) dto(r *face.Request, v run.Run) (dto, error) {
	return a.shown(r, v, a.tail.state(v))
}

func (a *api) shown(r *face.Request, v run.Run, state run.State) (dto, error) {
	out, err := a.common(r, v, state)
	if err != nil {
		return nil, err
	}
	experiment, err := a.ids.of(r.Context(), a.Runs, r.Key(v.Experiment))
	maps.Copy(out, dto{
		"runNumber": v.Number, "rootRunId": v.Top(), "experimentId": experiment, "createdUtc": stamp(v.Created), "dataContainerId": "dcid." + v.Name,
		"runUuid": v.ID, "userId": v.Owner(), "createdBy": dto{"userName": v.Owner(), "userObjectId": "", "userTenantId": ""},
		"displayName": cmp.Or(v.Display, v.Name), "tags": orEmpty(v.Tags), "parentRunId": orNull(v.Parent),
	})
	delete(out, "runDefinition") // the details have it
	if v.Origin == run.Managed {
		out["cancelUri"] = r.Address("/execution/v1.0" + r.Resource() + "/experiments/" + v.Experiment + "/runs/" + v.Name + "/cancel")
	}
	if _, ok := out["runType"]; !ok {
		out["runType"] = runType(v)
	}
	if text := waiting(v); text != "" {
		out["queueingInfo"] = dto{"code": "Queued", "message": text}
	}
	return out, err
}

func runType(v run.Run) *string {
	if v.Origin == run.Managed || v.Definition != nil {
		return new(scriptRun)
	}
	return nil
}

// waiting says why a run waits.
func waiting(v run.Run) string {
	for _, c := range v.Status.Conditions {
		if v.Status.State == run.Queued && c.Type == "Placed" && !c.OK {
			return c.Message
		}
	}
	return ""
}

// common is what a run and its details both have.
func (a *api) common(_ *face.Request, v run.Run, state run.State) (dto, error) {
	out, properties := dto{}, map[string]string{}
	for name, value := range v.Properties {
		if field, ok := strings.CutPrefix(name, keep); ok {
			out[field] = json.RawMessage(value)
		} else if !isHidden(name) {
			properties[name] = value
		}
	}
	given := out["error"]
	delete(out, "error")
	maps.Copy(out, dto{"runId": v.Name, "status": words[state], "properties": properties, "warnings": warnings(v), "error": wireError(v, given)})
	if v.Origin == run.Managed {
		out["target"] = v.Spec.Target
	}
	if !v.Status.Started.IsZero() {
		out["startTimeUtc"] = stamp(v.Status.Started)
	}
	if state.Final() && !v.Status.Ended.IsZero() {
		out["endTimeUtc"] = stamp(v.Status.Ended)
	}
	return out, nil
}

func isHidden(property string) bool {
	for _, prefix := range hidden {
		if strings.HasPrefix(property, prefix) {
			return true
		}
	}
	return false
}

func warnings(v run.Run) []dto {
	out := make([]dto, 0, len(v.Status.Warnings))
	for _, w := range v.Status.Warnings {
		out = append(out, dto{"source": "zaffre", "message": w})
	}
	return out
}

// wireError is why a run failed: as its client said it, if it did.
func wireError(v run.Run, given any) any {
	f := v.Status.Error
	switch {
	case f == nil:
		return nil
	case given != nil:
		return given
	}
	code, text := "UserError", f.What
	if f.Code == fault.Internal || f.Code == fault.Unavailable || f.Code == fault.Exhausted {
		code = "ServiceError"
	}
	if f.Why != "" {
		text += ": " + f.Why
	}
	if f.Fix != "" {
		text += ". Fix: " + f.Fix
	}
	details := make([]dto, 0, len(f.Evidence))
	for _, e := range f.Evidence {
		details = append(details, dto{"code": f.Reason, "message": e})
	}
	return dto{"error": dto{"code": code, "message": text, "details": details, "innerError": dto{"code": f.Reason}}}
}

// stamp writes a time as the SDK reads it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// texts takes what is null for empty.
func texts(m map[string]*string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		if out[k] = ""; v != nil {
			out[k] = *v
		}
	}
	return out
}

func mayCancel(r *face.Request) bool {
	return identity.Require(r.Context(), r.Workspace, identity.Contributor) == nil
}
