package sqlstore

import "github.com/zaffre-ml/zaffre/internal/run"

type experimentRow struct {
	Workspace string            `json:"workspace"`
	Name      string            `json:"name"`
	ID        string            `json:"id,omitempty"`
	Runs      int64             `json:"runs,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	CreatedBy string            `json:"created_by,omitempty"`
	Created   micros            `json:"created,omitempty"`
	Updated   micros            `json:"updated,omitempty"`
	Deleted   micros            `json:"deleted,omitempty"`
}

// Experiments returns the store of experiments. No two in a workspace have one ID.
func (d *DB) Experiments() run.ExperimentStore {
	return newRepo(d, &table[run.Experiment, run.ExperimentFilter, experimentRow]{
		name: "experiment", noun: "experiment", reason: "ExperimentNotFound", show: "zaffre experiment list",
		key: run.Experiment.Key, encode: encodeExperiment, decode: experimentRow.decode,
		columns: []column[run.Experiment]{
			{"id", true, func(e *run.Experiment) any { return e.ID }},
			{"deleted", false, func(e *run.Experiment) any { return int64(toMicros(e.Deleted)) }},
		},
		filter: func(w *where, f run.ExperimentFilter) {
			w.equal("workspace", f.Workspace)
			if f.ID != "" {
				w.and("id <> ''") // the index is of these rows only
				w.and("id =", f.ID)
			}
			w.view("deleted", f.Deleted)
		},
		order:    []string{"workspace", "name"},
		position: func(e run.Experiment) []any { return []any{e.Workspace, e.Name} },
	})
}

func encodeExperiment(e run.Experiment) experimentRow {
	return experimentRow{
		e.Workspace, e.Name, e.ID, e.Runs, e.Tags, e.CreatedBy, toMicros(e.Created), toMicros(e.Updated), toMicros(e.Deleted),
	}
}

func (r experimentRow) decode() run.Experiment {
	return run.Experiment{
		Workspace: r.Workspace, Name: r.Name, ID: r.ID, Runs: r.Runs, Tags: r.Tags, CreatedBy: r.CreatedBy,
		Created: r.Created.time(), Updated: r.Updated.time(), Deleted: r.Deleted.time(),
	}
}
