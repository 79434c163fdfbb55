package slurm

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	// silentFor is for how long a run that Slurm does not know of may say nothing until it is given up.
	silentFor = time.Minute
	// lagFor is how long a shared file system may take until the login node sees what a node wrote.
	lagFor = 5 * time.Second
)

// Start implements driver.Runner: the agent lays the run down, and Slurm is asked to start it. What Slurm refuses
// leaves nothing.
func (c *Conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	o, err := optionsOf(job.Options, c.defaults)
	if err != nil {
		return driver.Handle{}, err
	}
	if job.Runtime.Image != "" {
		return driver.Handle{}, imageFault()
	}
	if c.alone {
		job = job.WithoutServer()
	}
	h, err := c.jobs.StartArray(ctx, job, o.indexes.String())
	if err != nil {
		return h, err
	}
	err = c.slurm.submit(ctx, job.ID, o.arguments(job.Memory))
	if err != nil && !fault.Retryable(err) {
		c.drop(ctx, h, job.ID)
	}
	return h, err
}

// drop takes away what was laid down for a run that Slurm does not take.
func (c *Conn) drop(ctx context.Context, h driver.Handle, job string) {
	_, err := c.jobs.Settle(ctx, job, driver.JobStatus{State: driver.JobFailed, Reason: "NotStarted", Message: "Slurm did not take it"})
	if err == nil {
		_ = c.jobs.Release(ctx, h) // else Clean finds it
	}
}

// Poll implements driver.Runner. What the run wrote down itself is believed first: Slurm's controller may have
// forgotten that it started it. Slurm says why one waits, and what became of one that can no more say it.
func (c *Conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	st, err := c.jobs.Inspect(ctx, h)
	own := st.JobStatus
	if err != nil || own.State.Final() && (st.Tasks != nil || !ambiguous(own)) {
		return own, err
	}
	all, err := c.slurm.queue(ctx)
	if st.Tasks != nil {
		return c.pollArray(ctx, st, all[st.Job], err)
	}
	if err != nil {
		return silent(own, err)
	}
	r, known := all[st.Job].main()
	if own.State.Final() {
		return explain(own, r, known), nil
	}
	if end, over := judge(st, r, known); over {
		return c.settle(ctx, st, end)
	}
	if known && !r.over() {
		return live(st, r), nil
	}
	return own, nil
}

// judge says how a run, or a task, ended that did not say so itself; over is false where it may go on.
func judge(st agentx.Elsewhere, r record, known bool) (end driver.JobStatus, over bool) {
	switch {
	case known && r.state == "PENDING" && st.Claimed && st.Silent > silentFor:
		return gone("NodeFailed", "its node died, and Slurm holds it: "+r.reason), true
	case known && !r.over(), st.Claimed && st.Silent < patience(known):
		return end, false
	}
	return verdict(r, known, st), true
}

// patience is for how long nothing may be heard of a run that began, and that Slurm has done with or not heard of.
func patience(known bool) time.Duration {
	if known {
		return beat + lagFor
	}
	return silentFor
}

// beat is how often a run says that it is there: agent.beatEvery.
const beat = 10 * time.Second

// ambiguous reports whether only Slurm knows why the run ended so: it sends these signals itself.
func ambiguous(st driver.JobStatus) bool {
	return st.Reason == "Signaled" && (st.Signal == int(syscall.SIGTERM) || st.Signal == int(syscall.SIGKILL))
}

// silent is what is said while the cluster does not answer: nothing is lost by silence.
func silent(own driver.JobStatus, err error) (driver.JobStatus, error) {
	if own.State.Final() || own.State == driver.JobRunning {
		return own, nil
	}
	if fault.ReasonOf(err) != "ControllerAway" {
		return driver.JobStatus{}, err
	}
	own.Message = "the cluster's controller does not answer"
	return own, nil
}

// live is the status of a run that Slurm has not done with.
func live(st agentx.Elsewhere, r record) driver.JobStatus {
	own := st.JobStatus
	if own.State == driver.JobPending && !st.Claimed {
		own.Message = r.waiting()
	}
	if r.nodes != "" {
		own.Nodes = nodesOf(r.nodes)
	}
	return own
}

// explain says why a run was ended that only saw the signal.
func explain(own driver.JobStatus, r record, known bool) driver.JobStatus {
	if known && !r.over() && time.Since(own.Ended) < lagFor {
		own.State, own.Reason, own.Message = driver.JobRunning, "", "ends"
		own.Ended = time.Time{}
		return own
	}
	v, ok := endings()[r.state]
	if !known || !ok {
		return own
	}
	own.State, own.Reason, own.Message = v.State, v.Reason, v.Message
	return own
}

// endings are Slurm's final states that say more than an exit code. Source: squeue(1), JOB STATE CODES.
func endings() map[string]driver.JobStatus {
	return map[string]driver.JobStatus{
		"CANCELLED":     {State: driver.JobFailed, Reason: "Killed", Message: "it was canceled in Slurm, by scancel"},
		"TIMEOUT":       {State: driver.JobFailed, Reason: "TimedOut", Message: "it ran longer than its time limit in Slurm"},
		"DEADLINE":      {State: driver.JobFailed, Reason: "TimedOut", Message: "it ran beyond its deadline in Slurm"},
		"OUT_OF_MEMORY": {State: driver.JobFailed, Reason: "OutOfMemory", Message: "Slurm ended it: it used more memory than it had asked for"},
		"PREEMPTED":     gone("Preempted", "Slurm took its nodes for another job"),
		"NODE_FAIL":     gone("NodeFailed", "its node failed"),
		"BOOT_FAIL":     gone("NodeFailed", "its node did not boot"),
	}
}

func gone(reason, message string) driver.JobStatus {
	return driver.JobStatus{State: driver.JobLost, Reason: reason, Message: message}
}

// verdict says how a run ended that did not say so itself.
func verdict(r record, known bool, st agentx.Elsewhere) driver.JobStatus {
	v, said := endings()[r.state]
	switch {
	case st.Asked:
		return driver.JobStatus{State: driver.JobCanceled, Message: "canceled"}
	case said:
		return v
	case !known && st.Claimed:
		return gone("NodeFailed", "Slurm does not know it any more, and nothing was heard of it since")
	case !known:
		return gone("NoRecord", "Slurm has no record of it, and it was never begun")
	case st.Claimed && r.state == "COMPLETED": // a second copy is what ended: whose supervisor ends writes that down first
		return gone("Requeued", "Slurm ended it and started it again, as a controller does that came back with an older state")
	case !st.Claimed:
		return driver.JobStatus{
			State: driver.JobFailed, Reason: "NotStarted",
			Message: "Slurm says " + r.state + " (" + r.reason + "), and it was never begun: node " + r.nodes + " may not see the work directory, or run no programs there",
		}
	}
	return driver.JobStatus{State: driver.JobFailed, Reason: "ExitUnknown", Message: "Slurm says " + r.state + " (" + r.reason + "), and its supervisor was killed"}
}

// settle writes an end down, so that whatever is started later does nothing.
func (c *Conn) settle(ctx context.Context, st agentx.Elsewhere, end driver.JobStatus) (driver.JobStatus, error) {
	end.Started = st.Started
	return c.jobs.Settle(ctx, st.Job, end)
}

// Cancel implements driver.Runner.
func (c *Conn) Cancel(ctx context.Context, h driver.Handle) error {
	if err := c.jobs.Cancel(ctx, h); err != nil {
		return err
	}
	st, err := c.jobs.Inspect(ctx, h)
	if err != nil || st.State.Final() {
		return err
	}
	return c.slurm.cancel(ctx, st.Job)
}

// Release implements driver.Runner. A copy that Slurm still holds is taken out of its queue.
func (c *Conn) Release(ctx context.Context, h driver.Handle) error {
	st, err := c.jobs.Inspect(ctx, h)
	if err != nil {
		return err
	}
	if st.State.Final() && (st.Tasks != nil || st.Reason != "NoRecord") {
		all, err := c.slurm.queue(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all[st.Job], record.held) {
			if err := c.slurm.end(ctx, st.Job); err != nil {
				return err
			}
		}
	}
	return c.jobs.Release(ctx, h)
}

// held reports whether Slurm may start it yet.
func (r record) held() bool {
	return slices.Contains([]string{"PENDING", "REQUEUE_HOLD", "SPECIAL_EXIT"}, r.state)
}

// Clean implements driver.Cleaner. Jobs go out of Slurm's queue first.
func (c *Conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	all, err := c.slurm.queue(ctx)
	if fault.ReasonOf(err) == "SlurmMissing" {
		err = nil // then it has no jobs of ours
	}
	if err != nil {
		return nil, err
	}
	var items []driver.Item
	for _, name := range open(all) {
		items = append(items, driver.Item{Type: "slurm-job", Name: name, Removed: !dryRun})
	}
	if !dryRun {
		if err := c.endAll(ctx, open(all)); err != nil {
			return items, err
		}
	}
	more, err := c.place.Clean(ctx, c.jobs, dryRun)
	return append(items, more...), err
}

// endAll ends jobs, and waits until Slurm has done with them: their nodes write into the folder that goes.
func (c *Conn) endAll(ctx context.Context, jobs []string) error {
	err := c.slurm.end(ctx, jobs...)
	for err == nil {
		var all map[string]records
		if all, err = c.slurm.queue(ctx); err != nil || len(open(all)) == 0 {
			return err
		}
		err = wait(ctx, freshFor)
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return awayFault("")
	case <-time.After(d):
		return nil
	}
}
