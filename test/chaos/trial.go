package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

type trialOptions struct {
	bin, scratch string
	seed         uint64
	log          *log.Logger
}

// trial is one server, killed many times, and what was asked of it.
type trial struct {
	trialOptions
	o       rig.Options
	ran     string         // the file in which each attempt leaves a line
	c       *client.Client // tries nothing again by itself
	follows *client.Client
	ws      string
	began   time.Time

	mu      sync.Mutex
	random  *rand.Rand
	orders  []*order
	wrong   []string        // found while it went on
	pause   atomic.Bool     // enough runs are on their way
	calls   atomic.Int64    // that failed
	took    []time.Duration // of the runs of true, from submit to end
	paused  time.Duration   // of the submitters
	kills   int             // of the server
	agents  int             // of its agent
	refused int             // starts that failed at first
	down    time.Duration   // from a kill to ready again, in all
	watched atomic.Int64    // logs that were followed to their end
	readers sync.WaitGroup
	tracked []*tracker

	server *rig.Server
}

func newTrial(ctx context.Context, o trialOptions) (*trial, error) {
	port, err := rig.Port()
	if err != nil {
		return nil, err
	}
	t := &trial{trialOptions: o, random: rand.New(rand.NewPCG(o.seed, 0)), ran: filepath.Join(o.scratch, "ran"), began: time.Now()}
	t.o = rig.Options{Bin: o.bin, Data: filepath.Join(o.scratch, "data"), Port: port, Slots: slots}
	if err := os.WriteFile(t.ran, nil, 0o666); err != nil {
		return nil, err
	}
	if err := os.Chmod(t.ran, 0o666); err != nil { // a run may have another user
		return nil, err
	}
	if t.server, err = rig.Start(ctx, t.o); err != nil {
		return nil, err
	}
	if err := t.open(); err != nil {
		return nil, err
	}
	return t, t.openTrackers(ctx)
}

func (t *trial) open() error {
	t.ws, t.follows = t.server.WS, t.server.C
	var err error
	t.c, err = impatient(t.o.Data)
	return err
}

func (t *trial) end(keep bool) {
	t.server.Stop()
	if !keep {
		t.server.Sweep()
	}
}

// work is where the agent works, once it was seen.
func (t *trial) work() string {
	for _, a := range rig.Agents(t.server.PID) {
		return a.Args[len(a.Args)-1]
	}
	return ""
}

// roll returns a random number below n.
func (t *trial) roll(n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.random.IntN(n)
}

func (t *trial) between(low, high time.Duration) time.Duration {
	return low + time.Duration(t.roll(int(high-low)))
}

// storm kills the server while runs are submitted, and waits until all that was asked for has ended.
func (t *trial) storm(ctx context.Context, kills int) error {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { t.throttle(asking) })
	for range submitters {
		wg.Go(func() { t.submitAll(asking) })
	}
	for _, k := range t.tracked {
		wg.Go(func() { t.track(asking, ctx, k) })
	}
	err := t.killAll(ctx, kills)
	stop()
	wg.Wait()
	if err != nil {
		return err
	}
	t.cancelRest(ctx)
	err = t.drain(ctx)
	t.readers.Wait()
	return err
}

func (t *trial) killAll(ctx context.Context, kills int) error {
	for t.kills < kills {
		if err := wait(ctx, t.between(20*time.Millisecond, 600*time.Millisecond)); err != nil {
			return err
		}
		if t.roll(8) == 0 {
			t.killAgent()
			if t.roll(2) == 0 {
				continue // the server has to cope
			}
		}
		if err := t.killServer(ctx); err != nil {
			return err
		}
		if t.kills%50 == 0 {
			fmt.Fprintf(os.Stderr, "%d kills, %d runs asked for, %s\n", t.kills, t.asked(), time.Since(t.began).Round(time.Second))
		}
	}
	return nil
}

// killServer kills the server and starts it again; now and then the new one is killed before it is
// ready.
func (t *trial) killServer(ctx context.Context) error {
	t.server.Kill()
	t.kills++
	killed := time.Now()
	for t.roll(10) == 0 {
		s, err := rig.Launch(t.o)
		if err != nil {
			return err
		}
		err = wait(ctx, t.between(0, 120*time.Millisecond))
		s.Kill()
		t.kills++
		if err != nil {
			return err
		}
	}
	if err := t.restart(ctx); err != nil {
		return err
	}
	t.down += time.Since(killed)
	t.log.Printf("kill %d: ready again after %s", t.kills, time.Since(killed))
	return nil
}

// restart starts the server as a service manager does, which tries again. A child that the killed one
// had begun to start holds its port and its lock until it is another program.
func (t *trial) restart(ctx context.Context) error {
	for try := 0; ; try++ {
		s, err := rig.Start(ctx, t.o)
		if err == nil {
			t.server = s
			return nil
		}
		t.log.Printf("kill %d: start %d: %v", t.kills, try+1, err)
		if try == 3 || wait(ctx, 100*time.Millisecond) != nil {
			return err
		}
		t.refused++
	}
}

func (t *trial) killAgent() {
	for _, a := range rig.Agents(t.server.PID) {
		t.log.Printf("kill of the agent %d", a.PID)
		_ = syscall.Kill(a.PID, syscall.SIGKILL)
		t.agents++
	}
}

// drain waits until no run is active.
func (t *trial) drain(ctx context.Context) error {
	end := time.Now().Add(2 * time.Minute)
	for {
		p, err := t.c.Runs(ctx, t.ws, client.RunFilter{Active: true}, client.Cursor{Limit: 20})
		if err == nil && len(p.Items) == 0 {
			return nil
		}
		if time.Now().After(end) {
			for _, r := range p.Items {
				t.flaw("run %s (%s) has not ended: it is %s, %+v", r.ID, r.Experiment, r.State, r.Conditions)
			}
			return nil
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (t *trial) flaw(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
