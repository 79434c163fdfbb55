package run_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/faultsql"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// killPoints is how many deaths TestKillPoints dies: ZAFFRE_KILL_POINTS, or enough for a quick look.
func killPoints() int {
	if n, err := strconv.Atoi(os.Getenv("ZAFFRE_KILL_POINTS")); err == nil {
		return n
	}
	return 300
}

// The control plane dies at one SQL statement after the other, over submit, run and finalise, and
// starts again on what reached the file. Whatever was acknowledged ends once, with its log, its
// outputs and its slots given back, and no process starts twice.
func TestKillPoints(t *testing.T) {
	t.Parallel()
	const shards = 6
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			c := &crash{t: t, dir: t.TempDir(), world: fake.NewWorld(), rng: rand.New(rand.NewPCG(uint64(shard), 1)), acked: map[string]bool{}}
			c.live(nil, c.attach)
			for deaths := 0; deaths < killPoints()/shards; {
				bomb := &faultsql.Driver{}
				c.live(bomb, c.submitUntilDead)
				if bomb.Dead() {
					deaths++
				}
			}
			c.live(nil, c.check)
			t.Logf("%d runs", c.next)
		})
	}
}

// crash is a world in which the control plane lives many short lives.
type crash struct {
	t     *testing.T
	dir   string
	world *fake.World
	rng   *rand.Rand

	mu    sync.Mutex
	next  int             // names below it were tried
	acked map[string]bool // the server said yes
	again []string        // tried, but not acknowledged
	open  []run.Run       // acknowledged, and not seen to end
}

// live is one life: the control plane starts, does something, and ends.
func (c *crash) live(bomb *faultsql.Driver, do func(context.Context, *domaintest.Server, *faultsql.Driver)) {
	opt := sqlstore.Options{NoSync: true} // it is the process that dies, not the machine
	if bomb != nil {
		opt.Wrap = bomb.Wrap
		bomb.DieIn(int64(1+c.rng.IntN(400)), c.rng.IntN(2) == 0)
	}
	db, err := sqlstore.OpenWith(c.t.Context(), "sqlite:"+filepath.Join(c.dir, "zaffre.db"), slog.New(slog.DiscardHandler), opt)
	if err != nil {
		if bomb == nil || !bomb.Dead() {
			c.t.Fatal(err)
		}
		return
	}
	s := domaintest.Assemble(c.t, db, c.dir, c.world)
	ctx, cancel := context.WithTimeout(domaintest.Owner(c.t.Context()), 5*time.Minute)
	defer cancel()
	s.Start()
	do(ctx, s, bomb)
	s.Close()
}

func (c *crash) attach(_ context.Context, s *domaintest.Server, _ *faultsql.Driver) {
	s.Attach(c.t, "box", map[string]any{"slots": 4})
}

// submitUntilDead is a few clients, each of which asks again, by the same name, for what was not
// acknowledged.
func (c *crash) submitUntilDead(ctx context.Context, s *domaintest.Server, bomb *faultsql.Driver) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil && !bomb.Dead() {
				c.submit(ctx, s)
			}
			cancel()
		})
	}
	wg.Wait()
}

// submit submits the next name; when many runs are open, it waits for one of those instead.
func (c *crash) submit(ctx context.Context, s *domaintest.Server) {
	if r, ok := c.tooMany(); ok {
		if !c.await(ctx, s, r) {
			c.keep(r)
		}
		return
	}
	name := c.take()
	r, _, err := s.Runs.Submit(ctx, request(name))
	if err == nil {
		c.settle(name, true)
		if !c.await(ctx, s, r) {
			c.keep(r)
		}
		return
	}
	c.settle(name, false)
	if code := fault.CodeOf(err); !fault.Retryable(err) && code != fault.Internal && code != fault.Conflict {
		c.t.Errorf("submit %s: %v", name, err)
	}
}

const maxOpen = 20

func (c *crash) keep(r run.Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, r)
}

func (c *crash) tooMany() (r run.Run, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) < maxOpen {
		return r, false
	}
	r, c.open = c.open[0], c.open[1:]
	return r, true
}

func (c *crash) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.again); n > 0 {
		name := c.again[n-1]
		c.again = c.again[:n-1]
		return name
	}
	c.next++
	return fmt.Sprint("r", c.next)
}

func (c *crash) settle(name string, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if yes {
		c.acked[name] = true
	} else {
		c.again = append(c.again, name)
	}
}

// await reports whether a run has ended; it waits a little for a run's end, and cancels one that would hang. A run
// that met a death may wait for its next try; others die meanwhile.
func (c *crash) await(ctx context.Context, s *domaintest.Server, r run.Run) (ended bool) {
	if r.Spec.Command[0] == "hang" {
		_, _ = s.Runs.Cancel(ctx, r.Key())
	}
	changed, stop := s.Runs.Watch(r.Key())
	defer stop()
	enough := time.After(30 * time.Millisecond)
	for {
		now, err := s.Runs.Get(ctx, r.Key())
		if err != nil || now.Status.State.Final() {
			return err == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		case <-enough:
			return false
		}
	}
}

// request is what a name asks for: the same name always asks for the same.
func request(name string) run.Request {
	n, _ := strconv.Atoi(name[1:])
	spec := run.Spec{Target: "box", Command: []string{"echo", name}}
	switch n % 5 {
	case 1:
		spec.Command = []string{"write", "outputs/" + name, name}
	case 2:
		spec.Command, spec.Retries = []string{"exit", "3"}, 1
	case 3:
		spec.Command = []string{"hang"}
	}
	return run.Request{Workspace: domaintest.Workspace, Name: name, Spec: spec}
}

// check waits until all has ended, and looks at what there is.
func (c *crash) check(ctx context.Context, s *domaintest.Server, _ *faultsql.Driver) {
	for n := range c.next {
		c.cancelHanging(ctx, s, fmt.Sprint("r", n+1))
	}
	c.drain(ctx, s)
	for name := range c.acked {
		r, err := s.Runs.Get(ctx, store.Key{Workspace: domaintest.Workspace, Name: name})
		if err != nil {
			c.t.Errorf("acknowledged, and gone: %v", err)
			continue
		}
		c.checkRun(ctx, s, r)
	}
	for job, n := range c.world.Starts() {
		if n != 1 {
			c.t.Errorf("job %s started %d times", job, n)
		}
	}
	c.checkSlots(ctx, s)
}

// drain waits until nothing is active. A run that died often waits up to a minute for its next try.
func (c *crash) drain(ctx context.Context, s *domaintest.Server) {
	for {
		n, err := s.Runs.Active(ctx, store.Key{Workspace: domaintest.Workspace, Name: "box"})
		if err != nil {
			c.t.Fatalf("%d runs are still active: %v", n, err)
		}
		if n == 0 {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// cancelHanging cancels a run that would hang; one that was not acknowledged may not be there.
func (c *crash) cancelHanging(ctx context.Context, s *domaintest.Server, name string) {
	if request(name).Spec.Command[0] != "hang" {
		return
	}
	_, err := s.Runs.Cancel(ctx, store.Key{Workspace: domaintest.Workspace, Name: name})
	if err != nil && (c.acked[name] || fault.CodeOf(err) != fault.NotFound) {
		c.t.Errorf("acknowledged, and gone: %v", err)
	}
}

func (c *crash) checkRun(ctx context.Context, s *domaintest.Server, r run.Run) {
	want, attempts := run.Completed, 1
	switch r.Spec.Command[0] {
	case "exit":
		want, attempts = run.Failed, 2
	case "hang":
		want, attempts = run.Canceled, len(r.Status.Attempts)
	case "echo":
		if log := s.Log(c.t, r); log != r.Name+"\n" {
			c.t.Errorf("log of %s is %q", r.Name, log)
		}
	case "write":
		list, _, err := s.Runs.ListArtifacts(ctx, r.Key(), "", store.Page{})
		if err != nil || len(list) != 1 || list[0].Size != int64(len(r.Name)) {
			c.t.Errorf("outputs of %s: %+v, %v", r.Name, list, err)
		}
	}
	if r.Status.State != want || len(r.Status.Attempts) != attempts {
		c.t.Errorf("%s %s is %s after %d attempts, want %s after %d", r.Name, r.Spec.Command[0], r.Status.State, len(r.Status.Attempts), want, attempts)
	}
	c.endedOnce(ctx, s, r)
}

func (c *crash) endedOnce(ctx context.Context, s *domaintest.Server, r run.Run) {
	events, err := s.DB.Events(ctx, domaintest.Workspace, "run/"+r.Name, 0, 100)
	if err != nil {
		c.t.Error(err)
	}
	ends := 0
	for _, e := range events {
		if e.Type == "run.state_changed" && run.State(e.Data["state"]).Final() {
			ends++
		}
	}
	if ends != 1 {
		c.t.Errorf("%s ended %d times: %+v", r.Name, ends, events)
	}
}

func (c *crash) checkSlots(ctx context.Context, s *domaintest.Server) {
	target, err := s.Computes.Get(ctx, store.Key{Workspace: domaintest.Workspace, Name: "box"})
	if err != nil {
		c.t.Fatal(err)
	}
	// what was submitted but not acknowledged may still run
	domaintest.Eventually(c.t, func() (int, bool) {
		n, err := s.Runs.Taken(ctx, target.Status.Seen.Machines[0].Identity)
		return n, err == nil && n == 0
	})
}
