package history

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// patch is what a client says of a run.
type patch struct {
	id, parent       string
	name, display    *string
	status           string
	started, ended   *time.Time
	tags, properties map[string]string
	kept             map[string]string // other fields, as they came
}

// made are fields that the server makes: what a client says of them counts nothing.
var made = []string{
	"runNumber", "rootRunId", "experimentId", "createdUtc", "userId", "token", "tokenExpiryTimeUtc", "dataContainerId", "createdBy",
	"cancelUri", "error", "warnings", "runUuid", "rootRunUuid", "parentRunUuid", "hidden",
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *patch) UnmarshalJSON(raw []byte) error {
	var known struct {
		RunID, ParentRunID, Status string
		Name, DisplayName          *string
		StartTimeUtc, EndTimeUtc   *moment
		Tags, Properties           map[string]*string
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &known); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	*p = patch{
		id: known.RunID, parent: known.ParentRunID, status: known.Status, name: known.Name, display: known.DisplayName,
		started: (*time.Time)(known.StartTimeUtc), ended: (*time.Time)(known.EndTimeUtc),
		tags: texts(known.Tags), properties: texts(known.Properties), kept: map[string]string{},
	}
	for field, value := range all {
		switch field {
		case "runId", "parentRunId", "status", "displayName", "startTimeUtc", "endTimeUtc", "tags", "properties":
		default:
			if text := string(value); text != "null" && !slices.Contains(made, field) {
				p.kept[keep+field] = text
			}
		}
	}
	return nil
}

func (p *patch) check() error {
	for name := range p.properties {
		if isHidden(name) {
			return &fault.Error{
				Code: fault.Invalid, Reason: "PropertyReserved", What: "cannot set the property " + name,
				Why: "zaffre keeps what it needs under such names", Fix: "choose another name", Field: "properties",
			}
		}
	}
	if _, ok := states[p.status]; p.status != "" && !ok {
		return &fault.Error{
			Code: fault.Invalid, Reason: "StatusUnknown", What: "a run cannot become " + p.status,
			Why: "azureml-core knows no such status", Fix: "see azureml.core.Run.get_status", Field: "status",
		}
	}
	return nil
}

// request makes the run, which begins as NotStarted.
func (p *patch) request(workspace, experiment, name string) run.ExternalRequest {
	q := run.ExternalRequest{
		Workspace: workspace, Name: name, Experiment: experiment, Parent: p.parent, Tags: p.tags, Properties: p.properties, State: run.NotStarted,
	}
	for field, value := range p.kept {
		q.Properties[field] = value
	}
	if s, ok := states[p.status]; ok {
		q.State = s
	}
	if p.started != nil {
		q.Started = *p.started
	}
	switch {
	case p.display != nil:
		q.Display = *p.display
	case p.name != nil && *p.name != "run_"+name: // which start_logging makes up
		q.Display = (*p.name)[strings.LastIndex(*p.name, ">")+1:] // a child's begins with its parent's
	}
	return q
}

// change changes a run that is there. It does not go back to what it was made as.
func (p *patch) change(v run.Run) run.Change {
	c := run.Change{Display: p.display, Started: p.started, Ended: p.ended, Tags: p.tags, Properties: p.properties, Kept: p.kept}
	if s, ok := states[p.status]; ok && s != run.NotStarted && v.Origin == run.External {
		c.State = &s
	}
	return c
}

// moment is a time as clients write it.
type moment time.Time

// layouts are of what the SDK writes: with a zone, or without one in UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999", time.DateOnly}

func parseTime(s string) (t time.Time, err error) {
	for _, layout := range layouts {
		if t, err = time.Parse(layout, s); err == nil {
			break
		}
	}
	return t, err
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	t, err := parseTime(s)
	*m = moment(t)
	return err
}
