package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type runRow struct {
	Workspace  string            `json:"workspace"`
	Name       string            `json:"name"`
	ID         string            `json:"id"`
	Experiment string            `json:"experiment"`
	Number     int64             `json:"number,omitempty"`
	Display    string            `json:"display,omitempty"`
	Parent     string            `json:"parent,omitempty"`
	Root       string            `json:"root,omitempty"`
	Origin     run.Origin        `json:"origin"`
	Tags       map[string]string `json:"tags,omitempty"`
	Params     map[string]string `json:"params,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	Definition []byte            `json:"definition,omitempty"`
	Spec       specRow           `json:"spec"`
	Options    options           `json:"options,omitempty"` // of Spec, with whole numbers as such
	Status     statusRow         `json:"status"`
	User       string            `json:"user,omitempty"`
	CreatedBy  string            `json:"created_by,omitempty"`
	Created    micros            `json:"created,omitempty"`
	Deleted    micros            `json:"deleted,omitempty"`
}

type specRow struct {
	Target      string            `json:"target,omitempty"`
	Command     []string          `json:"command,omitempty"`
	Dir         string            `json:"dir,omitempty"`
	Snapshot    string            `json:"snapshot,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Digest      string            `json:"digest,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	GPUs        int               `json:"gpus,omitempty"`
	CPU         float64           `json:"cpu,omitempty"`
	Memory      int64             `json:"memory,omitempty"`
	Priority    int               `json:"priority,omitempty"`
	Timeout     time.Duration     `json:"timeout,omitempty"`
	LostAfter   time.Duration     `json:"lost_after,omitempty"`
	Retries     int               `json:"retries,omitempty"`
	Options     map[string]any    `json:"-"` // see runRow
}

type statusRow struct {
	State      run.State      `json:"state"`
	Attempts   []attemptRow   `json:"attempts,omitempty"`
	Error      *faultRow      `json:"error,omitempty"`
	Conditions []conditionRow `json:"conditions,omitempty"`
	Warnings   []string       `json:"warnings,omitempty"`
	Cancel     bool           `json:"cancel,omitempty"`
	Changed    micros         `json:"changed,omitempty"`
	Started    micros         `json:"started,omitempty"`
	Ended      micros         `json:"ended,omitempty"`
}

type attemptRow struct {
	Number    int            `json:"number"`
	JobID     string         `json:"job_id"`
	Target    string         `json:"target,omitempty"`
	Slots     []slotRow      `json:"slots,omitempty"`
	Handle    *driver.Handle `json:"handle,omitempty"`
	Runtime   runtimeRow     `json:"runtime,omitzero"`
	Outcome   outcomeRow     `json:"outcome,omitzero"`
	Abandoned bool           `json:"abandoned,omitempty"`
}

type slotRow struct {
	Machine string `json:"machine"`
	Run     int    `json:"run"`
	GPUs    []int  `json:"gpus,omitempty"`
}

type outcomeRow struct {
	State    driver.JobState `json:"state,omitempty"`
	ExitCode int             `json:"exit_code,omitempty"`
	Signal   int             `json:"signal,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Message  string          `json:"message,omitempty"`
	Started  micros          `json:"started,omitempty"`
	Ended    micros          `json:"ended,omitempty"`
	Nodes    []string        `json:"nodes,omitempty"`
	Again    bool            `json:"again,omitempty"`
}

type runs struct {
	*repo[run.Run, run.Filter, runRow]
}

// Runs returns the store of runs. Each field of the filter has an index; what Where asks for is in the
// indexes of labels and metrics.
func (d *DB) Runs() run.Store {
	return runs{newRepo(d, &table[run.Run, run.Filter, runRow]{
		name: "run", noun: "run", reason: "RunNotFound", show: "zaffre run list",
		key: run.Run.Key, encode: encodeRun, decode: runRow.decode,
		columns: runColumns(), filter: filterRuns,
		order: []string{"id"}, newest: true,
		position: func(r run.Run) []any { return []any{r.ID} },
		beside:   labels(),
	})}
}

func runColumns() []column[run.Run] {
	return []column[run.Run]{
		{"id", true, func(r *run.Run) any { return r.ID }},
		{"experiment", true, func(r *run.Run) any { return r.Experiment }},
		{"target", true, func(r *run.Run) any { return r.Spec.Target }},
		{"parent", true, func(r *run.Run) any { return r.Parent }},
		{"root", true, func(r *run.Run) any { return r.Top() }},
		{"state", false, func(r *run.Run) any { return string(r.Status.State) }},
		{"active", false, active},
		{"queue", false, queue},
		{"rank", false, func(r *run.Run) any { return int64(-r.Spec.Priority) }},
		{"display", false, func(r *run.Run) any { return r.Display }},
		{"owner", false, func(r *run.Run) any { return r.Owner() }},
		{"started", false, func(r *run.Run) any { return int64(toMicros(r.Start())) }},
		{"ended", false, func(r *run.Run) any { return int64(toMicros(r.Status.Ended)) }},
		{"deleted", false, func(r *run.Run) any { return int64(toMicros(r.Deleted)) }},
	}
}

func active(r *run.Run) any {
	if r.Status.State.Final() {
		return int64(0)
	}
	return int64(1)
}

// queue is the target that a run waits for; "" for none.
func queue(r *run.Run) any {
	if !r.Waiting() {
		return ""
	}
	return r.TargetKey().String()
}

func filterRuns(w *where, f run.Filter) {
	w.equal("workspace", f.Workspace)
	w.equal("experiment", f.Experiment)
	w.equal("target", f.Target)
	w.equal("state", string(f.State))
	if f.Parent != "" {
		w.and("parent <> ''") // the index is of these rows only
		w.and("parent =", f.Parent)
	}
	w.equal("root", f.Root)
	if f.Top {
		w.and("parent = ''")
	}
	if f.Active {
		w.and("active = 1")
	}
	w.view("deleted", f.Deleted)
	if f.Tag != "" {
		w.and(newConditions(w, "run").clause(tagClause(f.Tag)))
	}
}

// view selects what was not deleted, what was, or both.
func (w *where) view(column string, v run.View) {
	switch v {
	case run.Live:
		w.and(column + " = 0")
	case run.DeletedOnly:
		w.and(column + " > 0")
	}
}

// tagClause is the filter "name" or "name=value": the name ends at the first "=".
func tagClause(tag string) query.Clause {
	name, value, whole := strings.Cut(tag, "=")
	if !whole {
		return query.Clause{Field: query.Tag, Name: name, Op: query.IsNotNull}
	}
	return query.Clause{Field: query.Tag, Name: name, Op: query.Equal, Value: value}
}

const queueOrder = ` ORDER BY rank, id LIMIT `

// Queue implements run.Store.
func (r runs) Queue(ctx context.Context, target store.Key, n int) ([]run.Run, error) {
	w := where{}
	w.and("queue <> ''") // the index is of these rows only
	w.and("queue =", target.String())
	text := `SELECT doc FROM run` + w.text() + queueOrder + w.arg(max(n, 0))
	return r.collect(ctx, text, w.args)
}
