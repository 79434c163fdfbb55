package kubernetes

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
)

// homeFunc connects to the server's own listener: see driver.Target.
type homeFunc = func(ctx context.Context) (net.Conn, error)

// podAgent is the agent in one pod. Its channel stays open while the pod is there: the run's way to the server goes
// through it.
type podAgent struct {
	*agentx.Conn
	job   string
	pod   string
	nodes []string
	done  context.CancelFunc
	ctx   context.Context // of what listens to it
	once  sync.Once
}

func (a *podAgent) close() {
	a.once.Do(func() {
		a.done()
		_ = a.Conn.Close()
	})
}

// agent returns the agent in a job's pod.
func (c *conn) agent(job string, p pod) *podAgent {
	a, _ := c.agentBy(job, p, c.starter(p))
	return a
}

// starter starts the agent in a pod. What the caller has not the time for, the next one finds.
func (c *conn) starter(p pod) agentx.Starter {
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		return c.place(p).StartHere(context.WithoutCancel(ctx))
	}
}

func (c *conn) place(p pod) hostagent.Place {
	return hostagent.Place{Host: podHost{cluster: c.cluster, pod: p.name()}, Work: workDir, ID: c.id}
}

// agentBy returns the agent in a job's pod, which is started so if it is not known: then it is new.
func (c *conn) agentBy(job string, p pod, start agentx.Starter) (a *podAgent, isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := agentKey(job, p.index())
	if a := c.agents[key]; a != nil {
		if a.pod == p.name() {
			return a, false
		}
		a.close()
	}
	a = &podAgent{job: job, pod: p.name(), nodes: p.nodes(), Conn: &agentx.Conn{Session: agentx.NewSession(start)}}
	a.ctx, a.done = context.WithCancel(context.Background())
	a.Home, a.UV = c.home, c.uv
	c.agents[key] = a
	for _, w := range c.onChange {
		w.hear(a)
	}
	return a, true
}

// known returns the agent in a job's pod, if it was asked before.
func (c *conn) known(job string) *podAgent { return c.knownNode(job, 0) }

// forget ends the way to a job's pods.
func (c *conn) forget(job string) {
	c.seen.forget(job)
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, a := range c.agents {
		if ofJob(key, job) {
			a.close()
			delete(c.agents, key)
		}
	}
}

// watching is somebody who listens to all agents.
type watching struct {
	ctx     context.Context
	changed func(job string)
	all     sync.WaitGroup
}

// hear listens to an agent until it is closed. c.mu is held.
func (w *watching) hear(a *podAgent) {
	w.all.Go(func() {
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		defer context.AfterFunc(a.ctx, cancel)()
		_ = a.Watch(ctx, w.changed) // what it misses, polling finds
	})
}

// listen has changed called for what agents tell, until the returned func is called.
func (c *conn) listen(ctx context.Context, changed func(job string)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{ctx: ctx, changed: changed}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onChange = append(c.onChange, w)
	for _, a := range c.agents {
		w.hear(a)
	}
	return func() {
		cancel()
		c.mu.Lock()
		for i, other := range c.onChange {
			if other == w {
				c.onChange = append(c.onChange[:i:i], c.onChange[i+1:]...)
				break
			}
		}
		c.mu.Unlock()
		w.all.Wait()
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
