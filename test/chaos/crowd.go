package main

import (
	"context"
	"flag"
	"log"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/chaos/lab"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// crowdTrials measures how soon many machines are usable again that were cut off together. It returns how many of them
// do not come back at all. A goal that is missed is said, and fails nothing.
func crowdTrials(ctx context.Context, args []string) (int, error) {
	c := &crowd{back: map[string]map[string]time.Time{reachable: {}, heard: {}, started: {}}}
	o := linkOptions{}
	f := flag.NewFlagSet("crowd", flag.ContinueOnError)
	f.IntVar(&o.machines, "machines", 200, "machines")
	f.DurationVar(&c.gone, "cut", 30*time.Second, "how long they are cut off")
	f.DurationVar(&c.goal, "within", time.Minute, "the goal")
	f.StringVar(&o.bin, "bin", "", "zaffre binary; built if it is not given")
	f.BoolVar(&o.keep, "keep", false, "keep the data folder")
	out := f.String("log", "", "file for the log; chaos-crowd.log in the cache folder if empty")
	if err := f.Parse(args); err != nil {
		return 0, err
	}
	return logged(*out, "chaos-crowd.log", func(talk *log.Logger) (lost int, err error) {
		o.log = talk
		if o.scratch, err = rig.Scratch("zaffre-chaos-crowd"); err != nil {
			return 0, err
		}
		c.linkTrial = &linkTrial{linkOptions: o}
		defer c.end()
		if err := c.start(ctx); err != nil {
			return 0, err
		}
		return c.measure(ctx)
	})
}

// comeBackWithin is how long a machine may take before it counts as lost.
const comeBackWithin = 10 * time.Minute

// crowd is many machines, with a job that runs on each.
type crowd struct {
	*linkTrial
	gone, goal time.Duration // how long it is cut off, and how long it may take to come back

	books sync.Mutex
	back  map[string]map[string]time.Time // what came back: by kind, by machine
	mask  map[string]bool                 // who is away now
}

// What comes back.
const (
	reachable = "machine reachable"
	heard     = "running job heard of again"
	started   = "waiting run done"
)

func (c *crowd) start(ctx context.Context) error {
	begun := time.Now()
	if err := c.open(ctx); err != nil {
		return err
	}
	c.log.Printf("%d machines attached and looked at after %s", c.machines, time.Since(begun).Round(time.Second))
	for _, m := range c.farm {
		if err := c.run(ctx, "long-", m, "sleep", "100000"); err != nil {
			return err
		}
	}
	for {
		p, err := c.server.C.Runs(ctx, c.ws, client.RunFilter{State: "Running"}, client.Cursor{Limit: 1000})
		if err == nil && len(p.Items) == c.machines {
			break
		}
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
	}
	c.log.Printf("a job runs on each after %s; the server has %d MiB", time.Since(begun).Round(time.Second), rig.RSS(c.server.PID)>>20)
	return nil
}

func (c *crowd) run(ctx context.Context, prefix string, m *lab.Machine, command ...string) error {
	_, err := c.server.C.Submit(ctx, c.ws, client.RunRequest{Name: prefix + m.Name, Experiment: "crowd", Compute: m.Name, Command: command})
	return err
}

// measure cuts all off, and sees them come back.
func (c *crowd) measure(ctx context.Context) (int, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { c.sample(watching) })
	wg.Go(func() { c.hear(watching) })
	if err := wait(ctx, 5*time.Second); err != nil {
		return 0, err
	}
	fault := lab.Drop(lab.All)
	if err := fault.Begin(); err != nil {
		return 0, err
	}
	c.log.Printf("all are cut off for %s", c.gone)
	if err := wait(ctx, c.gone/2); err != nil {
		return 0, err
	}
	for _, m := range c.farm {
		if err := c.run(ctx, "after-", m, "true"); err != nil {
			return 0, err
		}
	}
	if err := wait(ctx, c.gone/2); err != nil {
		return 0, err
	}
	if err := fault.End(); err != nil {
		return 0, err
	}
	restored, before := time.Now(), c.cpu()
	c.log.Printf("the link is back; %d of %d machines were known to be away, %d runs", len(c.away()), c.machines, c.silent())
	lost, err := c.await(ctx)
	c.report(restored, before)
	return lost, err
}
