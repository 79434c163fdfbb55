package kubernetes

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// A node may say up to a second late that a container runs (Source: the kubelet's PLEG, which looks once a second), and
// takes commands for it at once. So in a pod that was just placed the agent is tried to be started before that. One
// whose image is not there yet is waited for in the usual way.
const (
	awaitWithin = 5 * time.Second
	awaitFirst  = 50 * time.Millisecond   // between tries until the pod's sandbox is there; each is a request
	awaitNext   = 15 * time.Millisecond   // after that: what is left is the container
	awaitSoon   = 1500 * time.Millisecond // so long most containers take at most
	awaitRarely = 250 * time.Millisecond  // after that
)

// arrival is an agent that is tried to be started in a pod.
type arrival struct {
	near chan struct{} // closed when its container starts at this moment

	// c.mu guards these.
	in    bool      // a try got into the pod, and starts the agent there
	agent *podAgent // nil: it was known before
}

// await starts the agent in a pod that was placed, and wakes who listens.
func (c *conn) await(job string, p pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaited[p.name()] != nil || c.agents[agentKey(job, 0)] != nil || len(c.onChange) == 0 || time.Since(p.since()) > awaitWithin {
		return
	}
	a, w := &arrival{near: make(chan struct{})}, c.onChange[0]
	c.awaited[p.name()] = a
	w.all.Go(func() {
		defer w.changed(job) // who waited for this looks again
		c.enter(w, job, p, a)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.awaited, p.name())
	})
}

// nears has the agent tried more often whose pod says that it is near.
func (c *conn) nears(p pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.awaited[p.name()]
	if a == nil || !p.near() {
		return
	}
	select {
	case <-a.near:
	default:
		close(a.near)
	}
}

// enter tries to start the agent until a try gets into the pod. From then on the agent is known: who asks it waits for
// it, and what comes before that is done while it is sent.
func (c *conn) enter(w *watching, job string, p pod, at *arrival) {
	paced := pace{near: at.near, every: awaitFirst, since: time.Now()}
	for end := time.Now().Add(awaitWithin); time.Now().Before(end); {
		came := make(chan io.ReadWriteCloser, 1)
		place := c.place(p)
		place.Host = podHost{c.cluster, p.name(), func() {
			c.comes(job, p, at, came)
			w.all.Go(func() { w.changed(job) })
		}}
		first, err := place.StartHere(w.ctx)
		in, a := c.entrance(at)
		switch {
		case err == nil && a != nil:
			came <- first
			context.AfterFunc(a.ctx, func() { hangUp(came) })
		case err == nil:
			first.Close()
		}
		close(came)
		if in || paced.wait(w.ctx) != nil {
			return
		}
	}
}

// comes notes an agent that is being started.
func (c *conn) comes(job string, p pod, at *arrival, came <-chan io.ReadWriteCloser) {
	a, isNew := c.agentBy(job, p, arriving(came, c.starter(p)))
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.in = true; isNew {
		at.agent = a
	}
}

func (c *conn) entrance(at *arrival) (bool, *podAgent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return at.in, at.agent
}

// arriving waits for an agent that is being started; where that failed, and later, one is started anew.
func arriving(came <-chan io.ReadWriteCloser, again agentx.Starter) agentx.Starter {
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		select {
		case first, ok := <-came:
			if ok {
				return first, nil
			}
			return again(ctx)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// hangUp ends an agent that nobody took.
func hangUp(came <-chan io.ReadWriteCloser) {
	if first, ok := <-came; ok {
		first.Close()
	}
}

// pace says when the next try is.
type pace struct {
	near  <-chan struct{} // nil: it was closed
	every time.Duration
	since time.Time
}

func (p *pace) wait(ctx context.Context) error {
	every := p.every
	if time.Since(p.since) > awaitSoon {
		every = awaitRarely
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.near:
		p.near, p.every, p.since = nil, awaitNext, time.Now()
	case <-time.After(every):
	}
	return nil
}

// awaiting reports whether an agent is tried to be started in a pod, and no try got into it yet.
func (c *conn) awaiting(p pod) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.awaited[p.name()]
	return a != nil && !a.in
}

// coming reports whether an agent is being started in a pod.
func (c *conn) coming(pod string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.awaited[pod]
	return a != nil && a.in
}

// entered reports whether the agent in a job's pod is known, though its node has not said yet that it runs.
func (c *conn) entered(job string, p pod) bool {
	a := c.known(job)
	return a != nil && a.pod == p.name() && p.placed()
}

// since is when a pod was placed.
func (p pod) since() time.Time {
	for _, cond := range p.Status.Conditions {
		if cond.Type == "PodScheduled" && cond.Status == "True" {
			return cond.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// near reports whether its container starts at this moment, as nodes from Kubernetes 1.29 on say, or has.
func (p pod) near() bool {
	return p.runs() || slices.ContainsFunc(p.Status.Conditions, func(cond condition) bool {
		return cond.Type == "PodReadyToStartContainers" && cond.Status == "True"
	})
}
