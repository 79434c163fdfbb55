package history

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// event tells what happened to a run. Its name is "Microsoft.MachineLearning.Run." and a word.
type event struct {
	Timestamp string `json:"timestamp"`
	Name      string `json:"name"`
	Data      struct {
		RunID, Source, Message string
		StartTime, EndTime     *moment
		ErrorResponse          json.RawMessage
		QueueingInfo           json.RawMessage
	} `json:"data"`
}

// eventStates are the states that events lead to. Others, such as Heartbeat, lead to none.
var eventStates = map[string]run.State{
	"Queued": run.Queued, "Preparing": run.Preparing, "Start": run.Running, "Finalizing": run.Finalizing,
	"Completed": run.Completed, "Failed": run.Failed, "Canceled": run.Canceled, "CancelRequested": run.CancelRequested,
}

func (e event) word() string { return e.Name[strings.LastIndex(e.Name, ".")+1:] }

func (e event) change(run string) (c changeOf) {
	if s, ok := eventStates[e.word()]; ok {
		c.State = &s
	}
	c.Started, c.Ended = (*time.Time)(e.Data.StartTime), (*time.Time)(e.Data.EndTime)
	switch e.word() {
	case "Warning":
		c.Warnings = []string{e.warning()}
	case "Error":
		if len(e.Data.ErrorResponse) > 0 {
			c.Error, c.Kept = e.fault(run), map[string]string{keep + "error": string(e.Data.ErrorResponse)}
		}
	case "QueueingInfo":
		if len(e.Data.QueueingInfo) > 0 {
			c.Kept = map[string]string{keep + "queueingInfo": string(e.Data.QueueingInfo)}
		}
	}
	return c
}

type changeOf = run.Change

func (e event) warning() string {
	if e.Data.Source == "" {
		return e.Data.Message
	}
	return e.Data.Source + ": " + e.Data.Message
}

// fault is the error that a client gave, for those who know no other way to read it.
func (e event) fault(name string) *fault.Error {
	var in struct {
		Error struct{ Message, Code string }
	}
	_ = json.Unmarshal(e.Data.ErrorResponse, &in) // what it cannot be read as is kept as it is
	why := in.Error.Message
	if why == "" {
		why = "its client said no more than " + in.Error.Code
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "RunFailed", What: "the run failed", Why: why,
		Fix: "look at its files and tags; run: zaffre run show " + name,
	}
}

func (a *api) event(r *face.Request) (any, error) {
	e, err := face.Body[event](r)
	if err != nil {
		return nil, err
	}
	experiment, err := a.experimentName(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, a.happened(r, experiment, r.PathValue("run"), e)
}

func (a *api) eventsOfMany(r *face.Request) (any, error) {
	in, err := face.Body[struct{ Events []json.RawMessage }](r)
	if err != nil {
		return nil, err
	}
	errs := []dto{}
	for _, raw := range in.Events {
		var e event
		err := json.Unmarshal(raw, &e)
		if err == nil {
			err = a.happened(r, r.PathValue("experiment"), e.Data.RunID, e)
		}
		if err != nil {
			errs = append(errs, dto{"key": raw, "value": errorOf(err)})
		}
	}
	return dto{"errors": errs}, nil
}

// happened does what an event says. A run that nobody told of is made: events may come before it. A managed
// run moves by itself; of its user, who may, the word that it is to be canceled counts.
func (a *api) happened(r *face.Request, experiment, name string, e event) error {
	v, err := a.put(r, experiment, name, patch{tags: map[string]string{}, properties: map[string]string{}})
	if err != nil {
		return err
	}
	word := e.word()
	if v.Origin == run.Managed && (word == "Canceled" || word == "CancelRequested") && mayCancel(r) {
		_, err = a.Runs.Cancel(r.Context(), v.Key())
		return err
	}
	_, err = a.Runs.UpdateExternal(r.Context(), v.Key(), e.change(name))
	return err
}
