package sqlstore

import (
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/run"
)

func encodeRun(r run.Run) runRow {
	return runRow{
		Workspace: r.Workspace, Name: r.Name, ID: r.ID, Experiment: r.Experiment, Number: r.Number,
		Display: r.Display, Parent: r.Parent, Root: r.Root, Origin: r.Origin, Tags: r.Tags, Params: r.Params, Properties: r.Properties, Definition: r.Definition,
		Spec: specRow(r.Spec), Options: r.Spec.Options, Status: encodeStatus(r.Status), User: r.User, CreatedBy: r.CreatedBy,
		Created: toMicros(r.Created), Deleted: toMicros(r.Deleted),
	}
}

func (r runRow) decode() run.Run {
	out := run.Run{
		Workspace: r.Workspace, Name: r.Name, ID: r.ID, Experiment: r.Experiment, Number: r.Number,
		Display: r.Display, Parent: r.Parent, Root: r.Root, Origin: r.Origin, Tags: r.Tags, Params: r.Params, Properties: r.Properties, Definition: r.Definition,
		Spec: run.Spec(r.Spec), Status: r.Status.decode(), User: r.User, CreatedBy: r.CreatedBy,
		Created: r.Created.time(), Deleted: r.Deleted.time(),
	}
	out.Spec.Options = r.Options
	return out
}

func encodeStatus(s run.Status) statusRow {
	return statusRow{
		State: s.State, Attempts: list(s.Attempts, encodeAttempt), Error: encodeFault(s.Error),
		Conditions: list(s.Conditions, func(c run.Condition) conditionRow {
			return conditionRow{c.Type, c.OK, c.Reason, c.Message, toMicros(c.Since)}
		}),
		Warnings: s.Warnings, Cancel: s.Cancel,
		Changed: toMicros(s.Changed), Started: toMicros(s.Started), Ended: toMicros(s.Ended),
	}
}

func (s statusRow) decode() run.Status {
	return run.Status{
		State: s.State, Attempts: list(s.Attempts, attemptRow.decode), Error: s.Error.decode(),
		Conditions: list(s.Conditions, func(c conditionRow) run.Condition {
			return run.Condition{Type: c.Type, OK: c.OK, Reason: c.Reason, Message: c.Message, Since: c.Since.time()}
		}),
		Warnings: s.Warnings, Cancel: s.Cancel,
		Changed: s.Changed.time(), Started: s.Started.time(), Ended: s.Ended.time(),
	}
}

func encodeAttempt(a run.Attempt) attemptRow {
	o := a.Outcome
	return attemptRow{
		Number: a.Number, JobID: a.JobID, Target: a.Target,
		Slots:  list(a.Slots, func(s driver.Slot) slotRow { return slotRow(s) }),
		Handle: a.Handle, Runtime: runtimeRow(a.Runtime),
		Outcome: outcomeRow{
			o.State, o.ExitCode, o.Signal, o.Reason, o.Message, toMicros(o.Started), toMicros(o.Ended), o.Nodes, o.Again,
		},
		Abandoned: a.Abandoned,
	}
}

func (a attemptRow) decode() run.Attempt {
	o := a.Outcome
	return run.Attempt{
		Number: a.Number, JobID: a.JobID, Target: a.Target,
		Slots:  list(a.Slots, func(s slotRow) driver.Slot { return driver.Slot(s) }),
		Handle: a.Handle, Runtime: driver.Runtime(a.Runtime),
		Outcome: driver.JobStatus{
			State: o.State, ExitCode: o.ExitCode, Signal: o.Signal, Reason: o.Reason, Message: o.Message,
			Started: o.Started.time(), Ended: o.Ended.time(), Nodes: o.Nodes, Again: o.Again,
		},
		Abandoned: a.Abandoned,
	}
}

// IsZero reports whether nothing is known of the job yet.
func (o outcomeRow) IsZero() bool {
	return o.State == "" && o.ExitCode == 0 && o.Signal == 0 && o.Reason == "" && o.Message == "" &&
		o.Started == 0 && o.Ended == 0 && o.Nodes == nil && !o.Again
}
