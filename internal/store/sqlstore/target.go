package sqlstore

import (
	"encoding/json"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

type targetRow struct {
	Workspace string            `json:"workspace"`
	Name      string            `json:"name"`
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
	Options   options           `json:"options,omitempty"`
	Sealed    map[string][]byte `json:"sealed,omitempty"`
	Shared    bool              `json:"shared,omitempty"`
	Made      bool              `json:"made,omitempty"`
	Foreign   []byte            `json:"foreign,omitempty"`
	Refused   bool              `json:"refused,omitempty"`
	By        string            `json:"by,omitempty"`
	Role      identity.Role     `json:"role,omitempty"`
	Status    targetStatusRow   `json:"status"`
	CreatedBy string            `json:"created_by,omitempty"`
	Created   micros            `json:"created,omitempty"`
	Revision  int64             `json:"revision,omitempty"`
}

type targetStatusRow struct {
	State      compute.State     `json:"state,omitempty"`
	Error      *faultRow         `json:"error,omitempty"`
	Conditions []conditionRow    `json:"conditions,omitempty"`
	Seen       observationRow    `json:"seen,omitzero"`
	Found      options           `json:"found,omitempty"`
	Pinned     map[string]string `json:"pinned,omitempty"`
	Revision   int64             `json:"revision,omitempty"`
	Force      bool              `json:"force,omitempty"`
	Made       bool              `json:"made,omitempty"`
	Changed    micros            `json:"changed,omitempty"`
	Answered   micros            `json:"answered,omitempty"`
	Orphans    []orphanRow       `json:"orphans,omitempty"`
}

type orphanRow struct {
	Job   string `json:"job"`
	Space string `json:"space"`
}

type observationRow struct {
	Exists   bool              `json:"exists,omitempty"`
	Ready    bool              `json:"ready,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Message  string            `json:"message,omitempty"`
	Identity string            `json:"identity,omitempty"`
	Lasting  string            `json:"lasting,omitempty"`
	Checks   []checkRow        `json:"checks,omitempty"`
	Machines []machineRow      `json:"machines,omitempty"`
	Facts    map[string]string `json:"facts,omitempty"`
	Pin      map[string]string `json:"pin,omitempty"`
	Observed micros            `json:"observed,omitempty"`
}

// IsZero reports whether nothing was observed yet.
func (r observationRow) IsZero() bool {
	return r.Observed == 0 && !r.Exists && r.Reason == "" && r.Identity == "" &&
		r.Checks == nil && r.Machines == nil && r.Facts == nil && r.Message == "" && r.Lasting == "" && !r.Ready && r.Pin == nil
}

// listedTargetRow is a targetRow without its checks: they are most of a document, and lists do not show
// them.
type listedTargetRow struct {
	targetRow
	Status struct {
		targetStatusRow
		Seen struct {
			observationRow
			Checks skipped `json:"checks"`
		} `json:"seen"`
	} `json:"status"`
}

type skipped struct{}

// UnmarshalJSON takes any value and keeps nothing.
func (*skipped) UnmarshalJSON([]byte) error { return nil }

func parseListedTarget(doc []byte) (compute.Target, error) {
	var row listedTargetRow
	err := json.Unmarshal(doc, &row)
	row.targetRow.Status = row.Status.targetStatusRow
	row.targetRow.Status.Seen = row.Status.Seen.observationRow
	return row.targetRow.decode(), err
}

type checkRow struct {
	Name     string        `json:"name"`
	Required bool          `json:"required,omitempty"`
	OK       bool          `json:"ok,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	Evidence []string      `json:"evidence,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Fix      string        `json:"fix,omitempty"`
}

type machineRow struct {
	Identity string  `json:"identity"`
	Name     string  `json:"name,omitempty"`
	Runs     int     `json:"runs,omitempty"`
	GPUs     int     `json:"gpus,omitempty"`
	CPU      float64 `json:"cpu,omitempty"`
	Memory   int64   `json:"memory,omitempty"`
}

// Targets returns the store of compute targets. The filter's Machine is looked for in the rows of
// the workspace one by one: targets come by the hundred, not by the thousand. A list's targets have no
// checks in what was seen.
func (d *DB) Targets() compute.Store {
	return newRepo(d, &table[compute.Target, compute.Filter, targetRow]{
		name: "target", noun: "compute target", reason: "ComputeNotFound", show: "zaffre compute list",
		key: compute.Target.Key, encode: encodeTarget, decode: targetRow.decode,
		columns: []column[compute.Target]{
			{"kind", false, func(t *compute.Target) any { return t.Kind }},
			{"machines", false, func(t *compute.Target) any { return lines(machines(t)) }},
		},
		filter: func(w *where, f compute.Filter) {
			w.equal("workspace", f.Workspace)
			w.equal("kind", f.Kind)
			if f.Machine != "" {
				w.and("strpos(machines, " + w.arg(lines([]string{f.Machine})) + ") > 0")
			}
		},
		order:    []string{"name", "workspace"},
		position: func(t compute.Target) []any { return []any{t.Name, t.Workspace} },
		listed:   parseListedTarget,
	})
}

func machines(t *compute.Target) []string {
	return list(t.Status.Seen.Machines, func(m driver.Machine) string { return m.Identity })
}

func encodeTarget(t compute.Target) targetRow {
	s := t.Status
	return targetRow{
		Workspace: t.Workspace, Name: t.Name, ID: t.ID, Kind: t.Kind,
		Options: t.Spec.Options, Sealed: t.Spec.Sealed, Shared: t.Spec.Shared,
		Made: t.Spec.Made, Foreign: t.Spec.Foreign, Refused: t.Spec.Refused, By: t.Spec.By.Name, Role: t.Spec.By.Role,
		Status: targetStatusRow{
			State: s.State, Error: encodeFault(s.Error),
			Conditions: list(s.Conditions, func(c compute.Condition) conditionRow {
				return conditionRow{c.Type, c.OK, c.Reason, c.Message, toMicros(c.Since)}
			}),
			Seen: encodeObservation(s.Seen), Found: s.Found, Pinned: s.Pinned, Revision: s.Revision, Force: s.Force, Made: s.Made, Changed: toMicros(s.Changed), Answered: toMicros(s.Answered),
			Orphans: list(s.Orphans, func(o compute.Orphan) orphanRow { return orphanRow(o) }),
		},
		CreatedBy: t.CreatedBy, Created: toMicros(t.Created), Revision: t.Revision,
	}
}

func (r targetRow) decode() compute.Target {
	s := r.Status
	return compute.Target{
		Workspace: r.Workspace, Name: r.Name, ID: r.ID, Kind: r.Kind,
		Spec: compute.Spec{
			Options: r.Options, Sealed: r.Sealed, Shared: r.Shared, Made: r.Made, Foreign: r.Foreign, Refused: r.Refused,
			By: compute.By{Name: r.By, Role: r.Role},
		},
		Status: compute.Status{
			State: s.State, Error: s.Error.decode(),
			Conditions: list(s.Conditions, func(c conditionRow) compute.Condition {
				return compute.Condition{Type: c.Type, OK: c.OK, Reason: c.Reason, Message: c.Message, Since: c.Since.time()}
			}),
			Seen: s.Seen.decode(), Found: s.Found, Pinned: s.Pinned, Revision: s.Revision, Force: s.Force, Made: s.Made, Changed: s.Changed.time(), Answered: s.Answered.time(),
			Orphans: list(s.Orphans, func(o orphanRow) compute.Orphan { return compute.Orphan(o) }),
		},
		CreatedBy: r.CreatedBy, Created: r.Created.time(), Revision: r.Revision,
	}
}

func encodeObservation(o driver.Observation) observationRow {
	return observationRow{
		Exists: o.Exists, Ready: o.Ready, Reason: o.Reason, Message: o.Message,
		Identity: o.Identity, Lasting: o.Lasting,
		Checks:   list(o.Checks, func(c driver.Check) checkRow { return checkRow(c) }),
		Machines: list(o.Machines, func(m driver.Machine) machineRow { return machineRow(m) }),
		Facts:    o.Facts, Pin: o.Pin, Observed: toMicros(o.Observed),
	}
}

func (r observationRow) decode() driver.Observation {
	return driver.Observation{
		Exists: r.Exists, Ready: r.Ready, Reason: r.Reason, Message: r.Message,
		Identity: r.Identity, Lasting: r.Lasting,
		Checks:   list(r.Checks, func(c checkRow) driver.Check { return driver.Check(c) }),
		Machines: list(r.Machines, func(m machineRow) driver.Machine { return driver.Machine(m) }),
		Facts:    r.Facts, Pin: r.Pin, Observed: r.Observed.time(),
	}
}
