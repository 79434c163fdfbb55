package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// silentFor is for how long the failure of a node counts for nothing while another does not answer: it may be the other's
// machine that is gone, which a cluster says after five minutes.
const silentFor = 10 * time.Minute

// endWithin is for how long a node that does not answer may take to end.
const endWithin = time.Minute

// stopped is why the nodes of a run are ended.
type stopped struct {
	Node   int              `json:"node"`          // whose end it was; -1: of none
	Over   bool             `json:"over,omitzero"` // all nodes have ended: nothing of it changes any more
	Status driver.JobStatus `json:"status"`
}

func stopOf(j *object) (s stopped, is bool) {
	text := j.GetAnnotations()[annotationStop]
	return s, text != "" && json.Unmarshal([]byte(text), &s) == nil
}

// stop writes down why the nodes of a run are ended. What a process wrote does not stand there.
func (c *conn) stop(ctx context.Context, job string, s stopped) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return c.note(ctx, job, annotationStop, string(text))
}

// together says how a run stands that has begun. What ends one node ends all.
func (c *conn) together(ctx context.Context, j *object, ms members) (driver.JobStatus, error) {
	ms.gone()
	if s, is := stopOf(j); is {
		return c.ending(ctx, j, ms, s)
	}
	m := ms.cause()
	if m != nil && !m.byPod { // the end of another's pod may have made its process fail
		var err error
		if ms, err = c.again(ctx, j); err != nil {
			return driver.JobStatus{}, err
		}
		m = ms.cause()
	}
	if m == nil {
		return ms.status(), ms.silence()
	}
	return c.halt(ctx, j, ms, *m)
}

// halt ends a run by the end of a node, which is written down first.
func (c *conn) halt(ctx context.Context, j *object, ms members, m member) (driver.JobStatus, error) {
	s := c.causeOf(ctx, j, m)
	if ms.silence() != nil && !m.byPod && time.Since(s.Status.Ended) < silentFor {
		c.cancelActive(ctx, j, ms)
		return ms.going(s.Status.Message + "; another node does not answer, and may be gone"), nil
	}
	if err := c.stop(ctx, j.GetName(), s); err != nil {
		return driver.JobStatus{}, err
	}
	return c.ending(ctx, j, ms, s)
}

// again looks once more at the nodes of a run.
func (c *conn) again(ctx context.Context, j *object) (members, error) {
	now, err := c.get(ctx, jobsResource, j.GetName())
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = j
	}
	ms, err := c.membersOf(ctx, now)
	ms.gone()
	return ms, err
}

// gone notes that nodes of a run that has begun have no pod any more.
func (ms members) gone() {
	for i := range ms {
		if ms[i].phase == absent {
			ms[i].end(lost("PodDeleted", podGone))
		}
	}
}

// cause is the node whose end is that of the run; nil: none has ended otherwise than done. What a cluster does to a pod
// comes before what that does to processes, and a deleted pod is the weakest of it: when one of its pods ends, a Job
// deletes the others.
func (ms members) cause() *member {
	weight := func(m *member) int {
		switch {
		case m.byPod && m.st.Reason != "PodDeleted":
			return 0
		case m.byPod:
			return 1
		case m.st.State == driver.JobFailed:
			return 2
		}
		return 3
	}
	var found *member
	for i := range ms {
		m := &ms[i]
		if m.phase != ended || m.done() {
			continue
		}
		if found == nil || weight(m) < weight(found) || weight(m) == weight(found) && m.st.Ended.Before(found.st.Ended) {
			found = m
		}
	}
	return found
}

// causeOf is the end of a run by that of a node.
func (c *conn) causeOf(ctx context.Context, j *object, m member) stopped {
	st := m.st
	if st.Reason == "PodDeleted" {
		st = c.disrupted(ctx, j, st)
	}
	st.Message = fmt.Sprintf("node %d: %s", m.node, st.Message)
	st.Ended = byNow(st.Ended)
	return stopped{Node: m.node, Status: st}
}

// byNow is a time that is over: a pod that is being deleted has one at which it is to be gone.
func byNow(t time.Time) time.Time {
	if now := time.Now().UTC(); t.IsZero() || t.After(now) {
		return now
	}
	return t
}

// ending ends the nodes that have not ended, and says how the run stands: it is over when they are.
func (c *conn) ending(ctx context.Context, j *object, ms members, s stopped) (driver.JobStatus, error) {
	left := ms.left(s.Status.Ended)
	if len(left) == 0 || s.Over {
		return c.over(ctx, j, ms, s)
	}
	c.cancelActive(ctx, j, ms)
	return ms.going(s.Status.Message + "; what is left on " + named(left) + " is being ended"), nil
}

// left are the nodes that have not ended since that was asked for.
func (ms members) left(since time.Time) (nodes []int) {
	for _, m := range ms {
		if m.phase == active || m.phase == silent && time.Since(since) < endWithin {
			nodes = append(nodes, m.node)
		}
	}
	return nodes
}

// going is how a run stands that is being ended.
func (ms members) going(message string) driver.JobStatus {
	return driver.JobStatus{State: driver.JobRunning, Message: message, Started: ms.started(), Nodes: ms.places()}
}

// cancelActive has the agents end what runs. What one does not hear the next look orders again.
func (c *conn) cancelActive(ctx context.Context, j *object, ms members) {
	h, err := handleFor(j.GetName())
	if err != nil {
		return
	}
	ms.each(func(m *member) {
		if m.phase == active {
			_ = m.agent.Cancel(ctx, h)
		}
	})
}

// over is the end of a run whose nodes have all ended. It is written down: an agent may yet go silent, with its pod.
func (c *conn) over(ctx context.Context, j *object, ms members, s stopped) (driver.JobStatus, error) {
	if !slices.ContainsFunc(ms, func(m member) bool { return !m.done() }) {
		return ms.status(), nil // it was quicker than what would have ended it
	}
	if !s.Over {
		s.Over = true
		if err := c.stop(ctx, j.GetName(), s); err != nil {
			return driver.JobStatus{}, err
		}
	}
	st := s.Status
	st.Started, st.Nodes = ms.started(), ms.places()
	if last := ms.lastEnd(); last.After(st.Ended) {
		st.Ended = byNow(last)
	}
	if s.Node > 0 && st.State == driver.JobFailed {
		st.Message += c.lastWords(ctx, ms[s.Node])
	}
	return st, nil
}

// cancelNodes cancels a run over several nodes. One that has begun on none is ended by an order on its Job.
func (c *conn) cancelNodes(ctx context.Context, j *object) error {
	ms, err := c.membersOf(ctx, j)
	if err != nil {
		return err
	}
	_, is := stopOf(j)
	end := driver.JobStatus{State: driver.JobCanceled, Message: "canceled", Ended: time.Now().UTC()}
	switch {
	case !begunAs(j, ms):
		if err := ms.silence(); err != nil {
			return err // it may have begun there
		}
		end.Message = "canceled before it began"
		return c.settle(ctx, j.GetName(), end)
	case ms.count(active, silent, ready) == 0:
		return nil
	case !is:
		if err := c.stop(ctx, j.GetName(), stopped{Node: -1, Status: end}); err != nil {
			return err
		}
	}
	c.cancelActive(ctx, j, ms)
	return nil
}
