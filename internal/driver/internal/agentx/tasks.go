package agentx

import (
	"context"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Indexes are the indexes of tasks of a job, in their order.
type Indexes = wire.Indexes

// ParseIndexes reads indexes as Slurm writes them: 0-9, or 1,3,5-7:2.
func ParseIndexes(text string) (Indexes, error) { return wire.ParseIndexes(text) }

// Tasks are how the tasks of a job stand. All others have ended.
type Tasks struct {
	All              int     // how many there are
	Waiting, Running Indexes // those that did not say yet that they began, and those that did
	Unclear          Indexes // ended by a signal of which only the scheduler can say why it was sent
}

// Ended is how many have ended.
func (t Tasks) Ended() int { return t.All - len(t.Waiting) - len(t.Running) - len(t.Unclear) }

func tasksOf(a *wire.Array) *Tasks {
	if a == nil {
		return nil
	}
	read := func(text string) Indexes {
		list, _ := wire.ParseIndexes(text) // what the agent writes it can
		return list
	}
	return &Tasks{a.Tasks, read(a.Waiting), read(a.Running), read(a.Unclear)}
}

// InspectTasks says of tasks of a job how they stand by their own files, by their indexes.
func (c *Conn) InspectTasks(ctx context.Context, job string, tasks Indexes) (map[int]Elsewhere, error) {
	list, err := call[[]wire.Task](ctx, c.Session, wire.OpTasks, wire.TasksRef{Job: job, Tasks: tasks.String()})
	out := make(map[int]Elsewhere, len(list))
	for _, t := range list {
		out[t.Index] = elsewhereOf(job, t.Status)
	}
	return out, err
}

// TaskEnd is how some tasks of a job ended.
type TaskEnd struct {
	Tasks   Indexes
	Status  driver.JobStatus
	Claimed bool // they were begun; those of which it is not so, and which begin meanwhile, go on
}

// SettleTasks is Settle for tasks of a job, and returns how the job stands then.
func (c *Conn) SettleTasks(ctx context.Context, job string, ends []TaskEnd) (Elsewhere, error) {
	q := wire.TaskEnds{Job: job}
	for _, e := range ends {
		w := wireOf(e.Status)
		w.Claimed = e.Claimed
		q.Ends = append(q.Ends, wire.TaskEnd{Tasks: e.Tasks.String(), Status: w})
	}
	st, err := call[wire.Status](ctx, c.Session, wire.OpSettleTasks, q)
	return elsewhereOf(job, st), err
}
