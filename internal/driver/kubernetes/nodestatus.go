package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// How a run over several nodes stands:
//
//	pods are made -> all run -> each agent has the run -> all are done
//	     |                              |
//	     | deadline, image              | one fails, its pod goes, or the run is canceled
//	     v                              v
//	annotationEnd, pods go         annotationStop, the others are ended, and the run with them

// note writes an annotation of a Job.
func (c *conn) note(ctx context.Context, job, key, value string) error {
	merge, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}})
	if err == nil {
		_, err = c.patch(ctx, jobsResource, job, merge)
	}
	return err
}

// nodesStatus reads how a run over several nodes stands, and moves it on: see above.
func (c *conn) nodesStatus(ctx context.Context, j *object) (driver.JobStatus, error) {
	ms, err := c.membersOf(ctx, j)
	if err != nil {
		return driver.JobStatus{}, err
	}
	if end, over := endOf(j); over {
		if ms.count(absent)+ms.count(ended) < len(ms) {
			return driver.JobStatus{State: driver.JobPending, Message: "its pods end"}, nil
		}
		return end, nil
	}
	if !begunAs(j, ms) {
		return c.gathering(ctx, j, ms)
	}
	return c.together(ctx, j, ms)
}

// begunAs reports whether a run may have begun on a node. What is written down counts: its pods may be gone.
func begunAs(j *object, ms members) bool {
	all := j.GetAnnotations()
	return all[annotationBegun] != "" || all[annotationStop] != "" || ms.begun()
}

// gathering says how a run stands that has begun on no node.
func (c *conn) gathering(ctx context.Context, j *object, ms members) (driver.JobStatus, error) {
	if m := ms.cause(); m != nil {
		return c.halt(ctx, j, ms, *m)
	}
	there := ms.count(ready, silent)
	if there == len(ms) {
		return c.gathered(ctx, j, ms)
	}
	by, err := c.gatherBy(ctx, j, there > 0)
	if err != nil {
		return driver.JobStatus{}, err
	}
	lacking, err := c.lacking(ctx, j, ms)
	if err != nil {
		return driver.JobStatus{}, err
	}
	st := driver.JobStatus{State: driver.JobPending, Nodes: ms.places(), Message: fmt.Sprintf("%d of %d nodes are there; %s", there, len(ms), lacking)}
	if by.IsZero() || time.Now().Before(by) {
		return st, nil
	}
	end := driver.JobStatus{State: driver.JobFailed, Reason: "NodesMissing", Message: fmt.Sprintf(
		"after %s %d of %d nodes were there, and nothing was started; %s", j.GetAnnotations()[annotationGather], there, len(ms), lacking)}
	st.Message = "its pods end: not all nodes came in time"
	return st, c.settle(ctx, j.GetName(), end)
}

// gatherBy is until when all nodes have to be there, which is written down when the first is; zero: none is.
func (c *conn) gatherBy(ctx context.Context, j *object, some bool) (time.Time, error) {
	if by, err := time.Parse(time.RFC3339Nano, j.GetAnnotations()[annotationBy]); err == nil || !some {
		return by, nil
	}
	within, err := time.ParseDuration(j.GetAnnotations()[annotationGather])
	if err != nil {
		within = usualGather
	}
	by := time.Now().Add(within).UTC()
	return by, c.note(ctx, j.GetName(), annotationBy, by.Format(time.RFC3339Nano))
}

// lacking says which nodes are not there, and why.
func (c *conn) lacking(ctx context.Context, j *object, ms members) (string, error) {
	unmade := ""
	if ms.count(absent) > 0 {
		st, err := c.podless(ctx, j)
		if err != nil {
			return "", err
		}
		unmade = st.Message
	}
	var order []string
	by := map[string][]int{}
	for _, m := range ms {
		why := cmp.Or(m.st.Message, unmade)
		if m.phase != absent && m.phase != waiting {
			continue
		}
		if by[why] == nil {
			order = append(order, why)
		}
		by[why] = append(by[why], m.node)
	}
	for i, why := range order {
		order[i] = named(by[why]) + ": " + why
	}
	return strings.Join(order, "; "), nil
}

// gathered says how a run stands whose pods all run, and that was not begun.
func (c *conn) gathered(ctx context.Context, j *object, ms members) (driver.JobStatus, error) {
	st := driver.JobStatus{State: driver.JobPending, Message: fmt.Sprintf("its %d pods are ready", len(ms)), Again: true, Nodes: ms.places()}
	if err := ms.silence(); err != nil {
		return driver.JobStatus{}, err
	}
	digest := j.GetAnnotations()[annotationEnvironment]
	if digest == "" {
		return st, nil
	}
	builds, errs := make([]driver.BuildStatus, len(ms)), make([]error, len(ms))
	ms.each(func(m *member) { builds[m.node], errs[m.node] = m.agent.BuildStatus(ctx, digest) })
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return driver.JobStatus{}, errs[i]
	}
	if slices.ContainsFunc(builds, func(b driver.BuildStatus) bool { return b.State == driver.BuildRunning }) {
		st.Message, st.Again = "its environment is built in its pods", false
	}
	return st, nil
}
