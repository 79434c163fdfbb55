package batch

import (
	"context"
	"maps"
	"slices"
	"strings"
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
func (c *conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	o, err := optionsOf(job.Options, c.defaults)
	if err != nil {
		return driver.Handle{}, err
	}
	if job.Runtime.Image != "" {
		return driver.Handle{}, imageFault()
	}
	if c.alone {
		job = withoutServer(job)
	}
	h, err := c.jobs.Start(ctx, job)
	if err != nil {
		return h, err
	}
	err = c.slurm.submit(ctx, job.ID, o.arguments(job.Memory))
	if err != nil && !fault.Retryable(err) {
		c.drop(ctx, h, job.ID)
	}
	return h, err
}

// withoutServer returns a job that does not know of the server.
func withoutServer(job driver.Job) driver.Job {
	job.Token, job.Env = "", maps.Clone(job.Env)
	maps.DeleteFunc(job.Env, func(_, v string) bool {
		return strings.Contains(v, driver.HomeURL) || strings.Contains(v, driver.HomeCA)
	})
	return job
}

// drop takes away what was laid down for a run that Slurm does not take.
func (c *conn) drop(ctx context.Context, h driver.Handle, job string) {
	_, err := c.jobs.Settle(ctx, job, driver.JobStatus{State: driver.JobFailed, Reason: "NotStarted", Message: "Slurm did not take it"})
	if err == nil {
		_ = c.jobs.Release(ctx, h) // else Clean finds it
	}
}

// Poll implements driver.Runner. What the run wrote down itself is believed first: Slurm's controller may have
// forgotten that it started it. Slurm says why one waits, and what became of one that can no more say it.
func (c *conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	st, err := c.jobs.Inspect(ctx, h)
	own := st.JobStatus
	if err != nil || own.State.Final() && !ambiguous(own) {
		return own, err
	}
	all, err := c.slurm.queue(ctx)
	if err != nil {
		return silent(own, err)
	}
	r, known := all[st.Job]
	switch {
	case own.State.Final():
		return explain(own, r, known), nil
	case known && !r.over() && r.state == "PENDING" && st.Claimed && st.Silent > silentFor:
		return c.settle(ctx, st, gone("NodeFailed", "its node died, and Slurm holds it: "+r.reason))
	case known && !r.over():
		return live(st, r), nil
	case st.Claimed && st.Silent < c.patience(known):
		return own, nil
	}
	return c.settle(ctx, st, verdict(r, known, st))
}

// patience is for how long nothing may be heard of a run that began, and that Slurm has done with or not heard of.
func (c *conn) patience(known bool) time.Duration {
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
		own.Nodes = strings.Split(r.nodes, ",")
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
	case !st.Claimed:
		return driver.JobStatus{
			State: driver.JobFailed, Reason: "NotStarted",
			Message: "Slurm says " + r.state + " (" + r.reason + "), and it was never begun: node " + r.nodes + " may not see the work directory, or run no programs there",
		}
	}
	return driver.JobStatus{State: driver.JobFailed, Reason: "ExitUnknown", Message: "Slurm says " + r.state + " (" + r.reason + "), and its supervisor was killed"}
}

// settle writes an end down, so that whatever is started later does nothing.
func (c *conn) settle(ctx context.Context, st agentx.Elsewhere, end driver.JobStatus) (driver.JobStatus, error) {
	end.Started = st.Started
	return c.jobs.Settle(ctx, st.Job, end)
}

// Cancel implements driver.Runner.
func (c *conn) Cancel(ctx context.Context, h driver.Handle) error {
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
func (c *conn) Release(ctx context.Context, h driver.Handle) error {
	st, err := c.jobs.Inspect(ctx, h)
	if err != nil {
		return err
	}
	if st.State.Final() && st.Reason != "NoRecord" {
		all, err := c.slurm.queue(ctx)
		if err != nil {
			return err
		}
		if r := all[st.Job]; slices.Contains([]string{"PENDING", "REQUEUE_HOLD", "SPECIAL_EXIT"}, r.state) {
			if err := c.slurm.end(ctx, st.Job); err != nil {
				return err
			}
		}
	}
	return c.jobs.Release(ctx, h)
}

// Clean implements driver.Cleaner. Jobs go out of Slurm's queue first.
func (c *conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
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
func (c *conn) endAll(ctx context.Context, jobs []string) error {
	err := c.slurm.end(ctx, jobs...)
	for err == nil {
		var all map[string]record
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
