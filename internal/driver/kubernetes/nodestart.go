package kubernetes

import (
	"context"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// giveAll has the agents of all nodes start the run, if all are there. Nodes that have it already keep it.
func (c *conn) giveAll(ctx context.Context, job driver.Job, j *object) error {
	ms, err := c.membersOf(ctx, j)
	if err != nil {
		return err
	}
	if _, is := stopOf(j); is || ms.count(absent, waiting) > 0 || ms.cause() != nil || ms.count(ready) == 0 {
		return nil
	}
	if err := ms.silence(); err != nil {
		return err
	}
	jobs, isReady, err := c.prepareAll(ctx, job, j, ms)
	if err != nil || !isReady {
		return err
	}
	if err := c.note(ctx, j.GetName(), annotationBegun, "true"); err != nil {
		return err
	}
	errs := make([]error, len(ms))
	ms.each(func(m *member) {
		if m.phase == ready {
			errs[m.node] = c.begin(ctx, m.agent, jobs[m.node])
		}
	})
	return firstOf(errs)
}

// prepareAll puts the run's environment into the pods, and returns the job of each node; false: it is being built in one.
func (c *conn) prepareAll(ctx context.Context, job driver.Job, j *object, ms members) (jobs []driver.Job, isReady bool, err error) {
	jobs = make([]driver.Job, len(ms))
	there, errs := make([]bool, len(ms)), make([]error, len(ms))
	ms.each(func(m *member) {
		i := m.node
		jobs[i], there[i] = job, m.phase != ready
		if m.phase != ready {
			return
		}
		if there[i], errs[i] = c.prepare(ctx, m.agent, &jobs[i]); errs[i] != nil {
			return
		}
		var s seat
		if s, errs[i] = seatOf(job, j, i, ms[0].pod.Status.PodIP); errs[i] == nil {
			jobs[i] = s.on(jobs[i])
		}
	})
	return jobs, !slices.Contains(there, false), firstOf(errs)
}

// firstOf is the first error; nil: there is none. One fault is all that a user is told.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
