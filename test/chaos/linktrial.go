package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/chaos/lab"
	"github.com/zaffre-ml/zaffre/test/rig"
)

//go:embed writer.py
var writer string

type linkOptions struct {
	bin, scratch                  string
	seed                          uint64
	cuts, kills, others, machines int
	loss, full                    time.Duration
	part                          float64
	long, keep                    bool
	lie                           string
	log                           *log.Logger
}

const (
	diskMiB     = 400                   // of a machine: 256 MiB must be free for a run to start
	lineGap     = 50 * time.Millisecond // of a job
	shortRun    = 200                   // lines
	patience    = 20 * time.Second      // of a job with a batch of points
	jumps       = time.Hour             // of a clock, either way
	drainWithin = 5 * time.Minute
)

// writing is a run that writes and logs.
type writing struct {
	name    string
	machine *lab.Machine
	acked   bool // the server said yes: it must happen
}

// linkTrial is a server, its machines, and what goes on there.
type linkTrial struct {
	linkOptions
	o      rig.Options
	random *rand.Rand
	net    *lab.Net
	farm   []*lab.Machine
	server *rig.Server
	c      *client.Client // tries nothing again by itself
	ws     string
	code   string
	began  time.Time

	mu      sync.Mutex
	wrong   []string
	runs    []*writing
	did     map[string]int
	again   atomic.Int64  // calls that failed
	ready   time.Duration // from a kill of the server to ready again, in all
	lines   int
	points  int // acknowledged
	logged  int
	files   int
	undoing sync.WaitGroup
}

// runLinks makes the machines and the server, and has the trial.
func runLinks(ctx context.Context, o linkOptions) (int, error) {
	var err error
	if o.scratch, err = rig.Scratch("zaffre-chaos-links"); err != nil {
		return 0, err
	}
	t := &linkTrial{linkOptions: o, random: rand.New(rand.NewPCG(o.seed, 1)), did: map[string]int{}}
	defer t.end()
	if err := t.open(ctx); err != nil {
		return 0, err
	}
	if err := t.storm(ctx); err != nil {
		return 0, err
	}
	if err := t.verify(ctx); err != nil {
		return 0, err
	}
	for i, w := range t.wrong[:min(50, len(t.wrong))] {
		o.log.Printf("WRONG %d: %s", i+1, w)
	}
	o.log.Print(t.summary())
	return len(t.wrong), nil
}

func (t *linkTrial) end() {
	if t.server != nil {
		t.server.Stop()
	}
	for _, m := range t.farm {
		if m != nil {
			m.Stop()
		}
	}
	if t.net != nil {
		t.net.Close()
	}
	if t.keep {
		t.log.Print("the data folder is in ", t.scratch)
		return
	}
	if t.server != nil {
		t.server.Sweep()
	}
	rig.Sweep(t.scratch)
}

// storm has runs write while all that is planned happens, and waits until they have ended.
func (t *linkTrial) storm(ctx context.Context) error {
	t.began = time.Now()
	plan := schedule(t.linkOptions, t.random)
	t.log.Printf("seed %d, %d blows, %d machines", t.seed, len(plan), t.machines)
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for i, m := range t.farm {
		long := t.add(fmt.Sprintf("long-%03d", i+1), m)
		wg.Go(func() { t.submit(ctx, long, 1<<30) })
		wg.Go(func() { t.submitShort(asking, ctx, i, m) })
	}
	err := t.strike(ctx, plan)
	stop()
	t.undoing.Wait()
	for _, m := range t.farm {
		if err := m.Note("stop"); err != nil {
			return err
		}
	}
	wg.Wait()
	if err != nil {
		return err
	}
	return t.drain(ctx)
}

func (t *linkTrial) flaw(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

// panics looks for what a server must never say.
func panics(data string) (found []string) {
	b, _ := os.ReadFile(data + ".log")
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "panic") || strings.Contains(line, "DATA RACE") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
