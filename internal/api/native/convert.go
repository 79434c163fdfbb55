package native

import (
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// toFault leaves out what only the log may hold: the underlying error.
func toFault(f *fault.Error) *client.Fault {
	if f == nil {
		return nil
	}
	return &client.Fault{
		Type: "urn:zaffre:reason:" + f.Reason, Title: f.What, Status: StatusOf(f), Detail: f.Why, Code: string(f.Code),
		Reason: f.Reason, Fix: f.Fix, Evidence: f.Evidence, Field: f.Field,
	}
}

func toWorkspace(w workspace.Workspace) client.Workspace {
	return client.Workspace{Name: w.Name, ID: w.ID, CreatedBy: w.CreatedBy, Created: w.Created.UTC()}
}

func toToken(t identity.Token) client.Token {
	return client.Token{
		ID: t.ID, Name: t.Name, Workspace: t.Workspace, Role: string(t.Role), Created: utc(t.Created), CreatedBy: t.CreatedBy,
		Expires: utc(t.Expires), Revoked: utc(t.Revoked),
	}
}

// utc keeps the zero time, which is left out of answers.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

func toEnvironment(e environment.Environment) client.Environment {
	d := e.Definition
	return client.Environment{
		Name: e.Name, Version: e.Version, Digest: e.Digest, Conda: string(d.Conda), Pip: d.Pip, Python: d.Python, Exact: d.Exact,
		Variables: d.Env, UserManaged: d.UserManaged, Interpreter: d.Interpreter, BaseImage: d.BaseImage,
		Created: utc(e.Created), CreatedBy: e.CreatedBy,
	}
}

func fromEnvironment(workspace string, e client.Environment) environment.Environment {
	d := driver.Definition{
		Pip: e.Pip, Python: e.Python, Exact: e.Exact, Env: e.Variables, UserManaged: e.UserManaged,
		Interpreter: e.Interpreter, BaseImage: e.BaseImage,
	}
	if e.Conda != "" {
		d.Conda = []byte(e.Conda)
	}
	return environment.Environment{Workspace: workspace, Name: e.Name, Definition: d}
}

func toBuild(b environment.Build) client.Build {
	out := client.Build{
		Digest: b.Digest, Compute: b.TargetKey.Name, State: string(b.Status.State), Way: b.Status.Way, Python: b.Status.Python,
		Warnings: b.Status.Warnings, Started: utc(b.Started), Ended: utc(b.Ended),
	}
	if s := b.Status; s.State == driver.BuildFailed {
		out.Error = toFault(&fault.Error{
			Code: fault.Precondition, Reason: s.Reason, What: "the environment could not be built", Why: s.Message, Fix: s.Fix,
		})
	}
	return out
}

func fromFiles(list []client.File) []driver.File {
	files := make([]driver.File, 0, len(list))
	for _, f := range list {
		files = append(files, driver.File{Path: f.Path, Mode: f.Mode, Size: f.Size, Hash: f.Hash})
	}
	return files
}

func fromRunRequest(workspace string, r client.RunRequest) run.Request {
	return run.Request{
		Workspace: workspace, Name: r.Name, Experiment: r.Experiment, Display: r.Display, Parent: r.Parent, Tags: r.Tags,
		Spec: run.Spec{
			Target: r.Compute, Command: r.Command, Dir: r.Dir, Snapshot: r.Snapshot, Environment: r.Environment, Env: r.Variables,
			GPUs: r.GPUs, CPU: r.CPU, Memory: r.Memory, Priority: r.Priority, Timeout: seconds(r.Timeout), LostAfter: seconds(r.LostAfter), Retries: r.Retries, Options: r.Options,
		},
	}
}

// seconds is a duration that the wire has as a number; more than a century is a century.
func seconds(s float64) time.Duration {
	const century = 100 * 365 * 24 * 3600
	return time.Duration(min(s, century) * float64(time.Second))
}

func toRun(r run.Run) client.Run {
	p, s := r.Spec, r.Status
	out := client.Run{
		ID: r.Name, UID: r.ID, Workspace: r.Workspace, Experiment: r.Experiment, Number: r.Number, Display: r.Display,
		Parent: r.Parent, Origin: string(r.Origin), State: string(s.State), Compute: p.Target, Command: p.Command, Dir: p.Dir,
		Snapshot: p.Snapshot, Environment: p.Environment, Digest: p.Digest, Variables: p.Env, Tags: r.Tags, GPUs: p.GPUs, CPU: p.CPU,
		Memory: p.Memory, Priority: p.Priority, Timeout: p.Timeout.Seconds(), LostAfter: p.LostAfter.Seconds(), Retries: p.Retries, Options: p.Options, Error: toFault(s.Error),
		Warnings: s.Warnings, CreatedBy: r.CreatedBy, Created: utc(r.Created), Started: utc(s.Started), Ended: utc(s.Ended),
		Params: r.Params, User: r.User, Deleted: utc(r.Deleted),
	}
	for _, a := range s.Attempts {
		out.Attempts = append(out.Attempts, toAttempt(a))
	}
	for _, c := range s.Conditions {
		out.Conditions = append(out.Conditions, client.Condition{Type: c.Type, OK: c.OK, Reason: c.Reason, Message: c.Message, Since: utc(c.Since)})
	}
	return out
}

func toAttempt(a run.Attempt) client.Attempt {
	o := a.Outcome
	out := client.Attempt{
		Number: a.Number, State: string(o.State), ExitCode: o.ExitCode, Signal: o.Signal, Reason: o.Reason, Message: o.Message,
		Started: utc(o.Started), Ended: utc(o.Ended),
	}
	for _, slot := range a.Slots {
		out.GPUs = append(out.GPUs, slot.GPUs...)
	}
	return out
}

// withMetrics is a run with the latest values of its metrics that are numbers.
func withMetrics(r run.Run, logged []metric.Latest) client.Run {
	out := toRun(r)
	for _, m := range logged {
		if m.Kind != metric.Scalar && m.Kind != "" {
			continue
		}
		if out.Metrics == nil {
			out.Metrics = map[string]client.Number{}
		}
		out.Metrics[m.Name] = client.Number(m.Value)
	}
	return out
}

// fromRunChange returns how a run is moved, and whether it is.
func fromRunChange(c client.RunChange) (out run.Change, some bool) {
	if c.State != "" {
		out.State = new(run.State(c.State))
	}
	if !c.Started.IsZero() {
		out.Started = &c.Started
	}
	if !c.Ended.IsZero() {
		out.Ended = &c.Ended
	}
	out.Display, out.Warnings = c.Display, c.Warnings
	return out, out.State != nil || out.Started != nil || out.Ended != nil || out.Display != nil || len(out.Warnings) > 0
}

func toEvent(e store.Event) client.Event {
	return client.Event{Sequence: e.Sequence, Time: utc(e.Time), Subject: e.Subject, Type: e.Type, Actor: e.Actor, Data: e.Data}
}
