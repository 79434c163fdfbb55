package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// phase is how far a node of a run is.
type phase int

// The phases. A node has no pod, one that waits, one whose agent waits for the run, and then the run's process, which
// ends; what its pod ends with is an end too.
const (
	absent phase = iota
	waiting
	ready
	silent // its pod runs, and its agent does not answer
	active
	ended
)

// member is one node of a run.
type member struct {
	node  int
	phase phase
	pod   *pod
	agent *podAgent // nil: its pod does not run
	st    driver.JobStatus
	byPod bool  // it ended so because its pod did
	err   error // why it is silent
}

type members []member

// atOnce bounds how many nodes are asked at the same time.
const atOnce = 32

// each does something for all nodes.
func (ms members) each(do func(m *member)) {
	var all sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i := range ms {
		free <- struct{}{}
		all.Go(func() {
			do(&ms[i])
			<-free
		})
	}
	all.Wait()
}

// membersOf looks at all nodes of a run.
func (c *conn) membersOf(ctx context.Context, j *object) (members, error) {
	pods, err := c.podsOf(ctx, j)
	if err != nil {
		return nil, err
	}
	ms, broken := make(members, len(pods)), failing(j)
	for i, p := range pods {
		ms[i] = member{node: i, pod: p}
	}
	ms.each(func(m *member) {
		if m.place(broken); m.phase == ready {
			m.agent = c.agent(j.GetName(), *m.pod)
			c.askMember(ctx, j.GetName(), m)
		}
	})
	return ms, nil
}

// failing reports whether a Job has lost a pod: it takes the others away.
func failing(j *object) bool {
	return slices.ContainsFunc(conditions(j, "conditions"), func(c condition) bool {
		return (c.Type == "Failed" || c.Type == "FailureTarget") && c.Status == "True"
	})
}

// place says how far a node is by its pod alone; ready is one whose agent can be asked. broken: what has no pod had one.
func (m *member) place(broken bool) {
	switch p := m.pod; {
	case p == nil && broken:
		m.end(lost("PodDeleted", podGone))
	case p == nil:
		m.phase = absent
	case p.over():
		m.end(p.verdict())
	case p.reachable():
		m.phase = ready
	case p.Metadata.Deletion != nil:
		m.end(p.takenOr("its pod was deleted before the run began"))
	default:
		m.phase, m.st = waiting, p.waiting()
		if m.st.State.Final() {
			m.phase, m.byPod = ended, true
		}
	}
}

// end notes what the node's pod ended with.
func (m *member) end(st driver.JobStatus) {
	m.phase, m.byPod, m.st = ended, true, st
	if m.st.Ended.IsZero() && m.pod != nil && m.pod.Metadata.Deletion != nil {
		m.st.Ended = m.pod.Metadata.Deletion.UTC()
	}
}

// askMember asks a node's agent.
func (c *conn) askMember(ctx context.Context, job string, m *member) {
	st, err := c.ask(ctx, m.agent, job)
	if m.pod != nil {
		st = m.pod.doubt(st)
	}
	switch {
	case err != nil:
		m.phase, m.err = silent, err
	case m.pod != nil && m.pod.Metadata.Deletion != nil && st.Reason == "NoRecord":
		m.end(m.pod.takenOr("its pod was deleted before it was begun there"))
	case st.Reason == "NoRecord":
		m.phase = ready
	case st.State == driver.JobLost:
		m.end(st)
	case st.State.Final():
		m.phase, m.st = ended, st
	default:
		m.phase, m.st = active, st
	}
}

// quick asks the agents of all nodes without the API server; ok: they answer, and there is nothing to be looked into.
func (c *conn) quick(ctx context.Context, v handle) (st driver.JobStatus, ok bool) {
	ms := make(members, v.Nodes)
	for i := range ms {
		ms[i] = member{node: i, agent: c.knownNode(v.Job, i)}
		if ms[i].agent == nil {
			return st, false
		}
	}
	ms.each(func(m *member) { c.askMember(ctx, v.Job, m) })
	if slices.ContainsFunc(ms, func(m member) bool { return m.phase != active && !m.done() }) {
		return st, false
	}
	return ms.status(), true
}

func (m member) done() bool { return m.phase == ended && m.st.State == driver.JobDone }

// count returns how many nodes are in one of the phases.
func (ms members) count(phases ...phase) (n int) {
	for _, m := range ms {
		if slices.Contains(phases, m.phase) {
			n++
		}
	}
	return n
}

// begun reports whether the process of any node was started.
func (ms members) begun() bool {
	return slices.ContainsFunc(ms, func(m member) bool { return m.phase == active || m.phase == ended && !m.byPod && m.agent != nil })
}

// silence is why a node does not answer; nil: all do.
func (ms members) silence() error {
	for _, m := range ms {
		if m.phase == silent {
			return m.err
		}
	}
	return nil
}

// places are the cluster's nodes that the run is on.
func (ms members) places() (out []string) {
	for _, m := range ms {
		var on []string
		switch {
		case m.pod != nil:
			on = m.pod.nodes()
		case m.agent != nil:
			on = m.agent.nodes
		}
		if len(on) > 0 && !slices.Contains(out, on[0]) {
			out = append(out, on[0])
		}
	}
	return out
}

// status is how a run stands of whose nodes none has failed.
func (ms members) status() driver.JobStatus {
	st := driver.JobStatus{State: driver.JobRunning, Nodes: ms.places(), Started: ms.started()}
	switch {
	case !slices.ContainsFunc(ms, func(m member) bool { return !m.done() }):
		st.State, st.Ended = driver.JobDone, ms.lastEnd()
	case ms.count(ready) > 0:
		st.State, st.Again = driver.JobPending, true
		st.Message = fmt.Sprintf("it has begun on %d of %d nodes", len(ms)-ms.count(ready), len(ms))
	}
	return st
}

// started is when the first process was.
func (ms members) started() (first time.Time) {
	for _, m := range ms {
		if t := m.st.Started; !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// lastEnd is when the last node ended.
func (ms members) lastEnd() (last time.Time) {
	for _, m := range ms {
		if m.st.Ended.After(last) {
			last = m.st.Ended
		}
	}
	return last
}

// named are the numbers of nodes, for people.
func named(nodes []int) string {
	if len(nodes) == 1 {
		return "node " + strconv.Itoa(nodes[0])
	}
	var words []string
	for i, n := range nodes {
		if i == 8 {
			words = append(words, "…")
			break
		}
		words = append(words, strconv.Itoa(n))
	}
	return "nodes " + strings.Join(words, ", ")
}
