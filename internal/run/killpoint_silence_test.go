package run_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/faultsql"
)

// TestKillPointsOfSilence: the control plane dies at one SQL statement after the other while a target falls silent and comes
// back, and runs are given up, tried again and cleared away. No attempt begins while another one of its run is there,
// each run ends once, and nothing is left on the target.
func TestKillPointsOfSilence(t *testing.T) {
	t.Parallel()
	const shards = 3
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			q := &quiet{crash: &crash{t: t, dir: t.TempDir(), world: fake.NewWorld(), rng: rand.New(rand.NewPCG(uint64(shard), 2)), acked: map[string]bool{}}}
			q.live(nil, q.attach)
			for deaths := 0; deaths < killPoints()/(2*shards); {
				bomb := &faultsql.Driver{}
				q.live(bomb, q.comeAndGo)
				if bomb.Dead() {
					deaths++
				}
			}
			q.live(nil, q.settleAll)
			t.Logf("%d runs, %d attempts given up", q.next, q.lost)
		})
	}
}

// quiet is a crash whose target falls silent.
type quiet struct {
	*crash
	lost int // attempts that were given up
}

const quietRuns = 3 // at once

// quietly is the request of a name.
func quietly(name string) run.Request {
	return run.Request{Workspace: domaintest.Workspace, Name: name, Spec: run.Spec{
		Target: "box", Command: []string{"hang"}, Retries: 1, LostAfter: 5 * time.Millisecond,
	}}
}

// comeAndGo has the target be there and away by turns, until the control plane is dead.
func (q *quiet) comeAndGo(ctx context.Context, s *domaintest.Server, bomb *faultsql.Driver) {
	q.world.Away(false)
	_ = s.Runs.Resume(ctx) // as a server does at its start
	for !bomb.Dead() {
		for len(q.open) < quietRuns && !bomb.Dead() {
			q.submit(ctx, s)
		}
		q.until(ctx, s, bomb, func(r run.Run) bool { return r.Status.State == run.Running || r.Status.State.Final() })
		q.world.Away(true)
		before := q.open
		q.until(ctx, s, bomb, func(r run.Run) bool { return r.Status.State != run.Running })
		q.world.Away(false)
		for i, r := range before {
			if q.rng.IntN(3) == 0 { // one ends by itself, in whatever attempt
				q.world.Finish(fmt.Sprintf("z-%s-%d", r.ID, 1+i%2), 0)
			}
		}
		q.until(ctx, s, bomb, func(r run.Run) bool { return r.Status.State.Final() && r.Status.Attempts[0].Outcome.State != "" })
		q.open = q.unended(ctx, s)
	}
}

// submit submits the next name.
func (q *quiet) submit(ctx context.Context, s *domaintest.Server) {
	name := q.take()
	r, _, err := s.Runs.Submit(ctx, quietly(name))
	q.settle(name, err == nil)
	if err == nil {
		q.open = append(q.open, r)
	}
}

// until has the open runs and their target looked at again and again, for a while or until all are as wanted.
func (q *quiet) until(ctx context.Context, s *domaintest.Server, bomb *faultsql.Driver, ok func(run.Run) bool) {
	for range 8 {
		good := 0
		q.look(ctx, s)
		<-time.After(8 * time.Millisecond)
		for _, r := range q.open {
			if now, err := s.Runs.Get(ctx, r.Key()); err == nil && ok(now) {
				good++
			}
		}
		if good == len(q.open) || bomb.Dead() {
			return
		}
	}
}

// look wakes the open runs and the target, so that nobody waits for a poll.
func (q *quiet) look(ctx context.Context, s *domaintest.Server) {
	wakes := []store.Wake{{Kind: compute.WorkKind, ID: store.Key{Workspace: domaintest.Workspace, Name: "box"}.String()}}
	for _, r := range q.open {
		wakes = append(wakes, store.Wake{Kind: run.WorkKind, ID: r.Key().String()})
	}
	for _, w := range wakes {
		_ = s.DB.Wake(ctx, w) // the next look does what this one could not
	}
}

func (q *quiet) unended(ctx context.Context, s *domaintest.Server) (open []run.Run) {
	for _, r := range q.open {
		if now, err := s.Runs.Get(ctx, r.Key()); err != nil || !now.Status.State.Final() {
			open = append(open, r)
		}
	}
	return open
}

// settleAll ends what hangs, and looks at what there is.
func (q *quiet) settleAll(ctx context.Context, s *domaintest.Server, _ *faultsql.Driver) {
	q.world.Away(false)
	q.open = nil
	for n := range q.next {
		name := fmt.Sprint("r", n+1)
		r, err := s.Runs.Get(ctx, store.Key{Workspace: domaintest.Workspace, Name: name})
		if err == nil {
			q.open = append(q.open, r) // it may be there although the answer never came
		} else if q.acked[name] {
			q.t.Errorf("acknowledged, and gone: %v", err)
		}
	}
	all := q.open
	for len(q.open) > 0 && ctx.Err() == nil {
		for _, r := range q.open {
			for attempt := range 2 {
				q.world.Finish(fmt.Sprintf("z-%s-%d", r.ID, attempt+1), 0)
			}
		}
		q.look(ctx, s)
		<-time.After(10 * time.Millisecond)
		q.open = q.unclear(ctx, s)
	}
	for _, r := range all {
		q.checkQuiet(ctx, s, r)
	}
	if twice := q.world.Twice(); len(twice) > 0 {
		q.t.Errorf("began beside another attempt: %v", twice)
	}
	for job, n := range q.world.Starts() {
		if n != 1 {
			q.t.Errorf("job %s started %d times", job, n)
		}
	}
	if q.lost == 0 {
		q.t.Error("no attempt was given up")
	}
	q.checkSlots(ctx, s)
}

// unclear are those that go on, or have something on the target.
func (q *quiet) unclear(ctx context.Context, s *domaintest.Server) (open []run.Run) {
	for _, r := range q.open {
		now, err := s.Runs.Get(ctx, r.Key())
		clear := err == nil && now.Status.State.Final()
		for _, a := range now.Status.Attempts {
			clear = clear && !a.Abandoned && !q.world.Known(a.JobID)
		}
		if !clear {
			open = append(open, r)
		}
	}
	return open
}

func (q *quiet) checkQuiet(ctx context.Context, s *domaintest.Server, r run.Run) {
	r, err := s.Runs.Get(ctx, r.Key())
	if err != nil || len(r.Status.Attempts) > 2 || !r.Status.State.Final() {
		q.t.Errorf("%s is %s after %d attempts, %v", r.Name, r.Status.State, len(r.Status.Attempts), err)
	}
	for _, a := range r.Status.Attempts {
		if a.Outcome.Reason == "Unreachable" {
			q.lost++
		}
		if a.Abandoned || q.world.Known(a.JobID) {
			q.t.Errorf("%s has something left on the target: %+v", r.Name, a)
		}
	}
	q.endedOnce(ctx, s, r)
}
