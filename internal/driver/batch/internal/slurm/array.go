package slurm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// inspectAtOnce is how many tasks are looked at by one poll: the next one goes on.
const inspectAtOnce = 1000

// pollArray is Poll for a run that is an array: its tasks are believed first, and each is judged as a run is. The agent
// ends the run with the last of them. failed is why Slurm could not be asked.
func (c *Conn) pollArray(ctx context.Context, st agentx.Elsewhere, l records, failed error) (driver.JobStatus, error) {
	if failed != nil {
		own := st.JobStatus
		own.Message = progress(*st.Tasks, "the cluster's controller does not answer")
		return silent(own, failed)
	}
	q := queued(l)
	if doubt := q.doubtful(*st.Tasks); len(doubt) > 0 {
		var err error
		if st, err = c.settleTasks(ctx, st, q, doubt); err != nil || st.State.Final() {
			return st.JobStatus, err
		}
	}
	return q.live(st), nil
}

// settleTasks writes down the ends of tasks that can no more do so themselves, or do not know why they ended.
func (c *Conn) settleTasks(ctx context.Context, st agentx.Elsewhere, q queue, doubt agentx.Indexes) (agentx.Elsewhere, error) {
	seen, err := c.jobs.InspectTasks(ctx, st.Job, doubt)
	if err != nil {
		return st, err
	}
	var ends []agentx.TaskEnd
	for _, i := range doubt {
		t, there := seen[i]
		r, known := q.of(i)
		if !known && !t.Claimed && len(q.all) > 0 { // scancel leaves no record of a task that waits
			r, known = record{state: "CANCELLED"}, true
		}
		if end, over := judgeTask(t, r, known); there && over {
			ends = join(ends, i, end, t.Claimed)
		}
	}
	if len(ends) == 0 {
		return st, nil
	}
	return c.jobs.SettleTasks(ctx, st.Job, ends)
}

// judgeTask is judge for a task, which may have written down its end.
func judgeTask(t agentx.Elsewhere, r record, known bool) (end driver.JobStatus, over bool) {
	if !t.State.Final() {
		return judge(t, r, known)
	}
	end = t.JobStatus
	if ambiguous(end) {
		end = explain(end, r, known)
	}
	return driver.JobStatus{State: end.State, Reason: end.Reason, Message: end.Message}, end.State.Final()
}

// join adds the end of a task to those that ended alike.
func join(ends []agentx.TaskEnd, index int, end driver.JobStatus, claimed bool) []agentx.TaskEnd {
	for i, e := range ends {
		if e.Status.State == end.State && e.Status.Reason == end.Reason && e.Status.Message == end.Message && e.Claimed == claimed {
			ends[i].Tasks = append(e.Tasks, index)
			return ends
		}
	}
	return append(ends, agentx.TaskEnd{Tasks: agentx.Indexes{index}, Status: end, Claimed: claimed})
}

// queue is what Slurm knows of the tasks of an array.
type queue struct {
	all    records
	tasks  map[int]record
	others record // stands for those that no record names: the rest of an array that was canceled is one that names none
	any    bool   // whether there is such a one
}

// queued reads the records of an array.
func queued(l records) queue {
	q := queue{all: l, tasks: map[int]record{}}
	for _, r := range l {
		list, _ := agentx.ParseIndexes(r.tasks)
		for _, i := range list {
			if old, twice := q.tasks[i]; !twice || old.over() {
				q.tasks[i] = r
			}
		}
		if r.tasks == "" && (!q.any || q.others.over()) {
			q.others, q.any = r, true
		}
	}
	return q
}

// of returns what is known of a task.
func (q queue) of(index int) (r record, known bool) {
	if r, known = q.tasks[index]; known {
		return r, true
	}
	return q.others, q.any
}

// doubtful are the tasks that Slurm contradicts: it has done with them, holds one that began, or knows more.
func (q queue) doubtful(t agentx.Tasks) agentx.Indexes {
	doubt := slices.Clone(t.Unclear)
	for _, i := range t.Running {
		if r, known := q.of(i); !known || r.over() || r.state == "PENDING" {
			doubt = append(doubt, i)
		}
	}
	for _, i := range t.Waiting {
		if r, known := q.of(i); !known || r.over() {
			doubt = append(doubt, i)
		}
	}
	doubt = doubt[:min(len(doubt), inspectAtOnce)]
	slices.Sort(doubt)
	return doubt
}

// live is the status of an array that has not ended.
func (q queue) live(st agentx.Elsewhere) driver.JobStatus {
	own, why := st.JobStatus, ""
	for _, i := range st.Tasks.Waiting {
		r, known := q.of(i)
		if known && !r.over() {
			why = r.waiting()
		}
		if r.state == "PENDING" {
			break // it says what the others wait for too
		}
	}
	if own.Message = why; own.State == driver.JobRunning || st.Tasks.Ended() > 0 {
		own.Message = progress(*st.Tasks, why)
	}
	for _, r := range q.all {
		if !r.over() && r.nodes != "" {
			own.Nodes = append(own.Nodes, strings.Split(r.nodes, ",")...)
		}
	}
	slices.Sort(own.Nodes)
	own.Nodes = slices.Compact(own.Nodes)
	return own
}

// progress says how far the tasks are, and why the rest of them waits.
func progress(t agentx.Tasks, why string) string {
	text := fmt.Sprintf("%d of %d tasks have ended, %d run", t.Ended(), t.All, len(t.Running)+len(t.Unclear))
	switch {
	case strings.HasPrefix(why, "waits"), strings.HasPrefix(why, "starts"):
		text += "; the rest " + why
	case len(t.Waiting) > 0:
		text += strings.TrimSuffix("; the rest waits: "+why, ": ")
	}
	return text
}
