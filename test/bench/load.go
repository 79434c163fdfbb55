package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	loadRate  = 100 // runs a second
	loadSlots = 8
	loadGoal  = 5 * time.Millisecond // zaffre's own CPU for a run
)

// load submits runs of "true" at a constant rate, whether the ones before have ended or not, and
// learns from the event stream when each is Completed.
func load(ctx context.Context, b *bench) ([]Figure, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(b.scratch, "reaper")
	s, err := b.serve(ctx, rig.Options{Slots: loadSlots, Under: []string{self, reaperVerb, socket}})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if _, err := s.Done(ctx, command("true")); err != nil { // starts the agent
		return nil, err
	}
	disk := fsyncNote(b.scratch)
	bare, err := bareCommand("true", 300)
	if err != nil {
		return nil, err
	}
	l := newLoad(s)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listening := l.listen(ctx)
	before, err := spent(socket)
	if err != nil {
		return nil, err
	}
	mine := cpuOfMine()
	n := loadRate * b.times(60, 10)
	backlog := l.submit(ctx, n)
	if err := l.wait(ctx, n); err != nil {
		return nil, err
	}
	after, err := spent(socket)
	if err != nil {
		return nil, err
	}
	cancel()
	<-listening
	return l.figures(n, backlog, after.since(before), cpuOfMine()-mine, bare, disk), nil
}

// loader keeps when each run was due to be submitted, and when it ended.
type loader struct {
	s *rig.Server

	mu     sync.Mutex
	due    map[string]time.Time // by run
	took   []time.Duration
	ended  map[string]bool
	last   time.Time
	failed []string
}

func newLoad(s *rig.Server) *loader {
	return &loader{s: s, due: map[string]time.Time{}, ended: map[string]bool{}}
}

// listen reads the events from now on until ctx ends.
func (l *loader) listen(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.s.C.FollowEvents(ctx, l.s.WS, client.EventFilter{}, l.take)
	}()
	return done
}

func (l *loader) take(e client.Event) error {
	state, now := e.Data["state"], time.Now()
	if e.Type != "run.state_changed" || !(client.Run{State: state}).Final() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	id := e.Subject[len("run/"):]
	due, mine := l.due[id]
	if !mine || l.ended[id] {
		return nil
	}
	l.ended[id], l.last = true, now
	if state != "Completed" {
		l.failed = append(l.failed, id+" is "+state)
	}
	l.took = append(l.took, now.Sub(due))
	return nil
}

// submit submits n runs, each at its time, and returns how many had not ended at the last one.
func (l *loader) submit(ctx context.Context, n int) (backlog int) {
	var wg sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / loadRate)
		if pause(ctx, time.Until(due)) != nil {
			break
		}
		r := command("true")
		l.mu.Lock()
		l.due[r.Name] = due
		l.mu.Unlock()
		wg.Go(func() { l.one(ctx, r) })
	}
	l.mu.Lock()
	backlog = n - len(l.took)
	l.mu.Unlock()
	wg.Wait()
	return backlog
}

func (l *loader) one(ctx context.Context, r client.RunRequest) {
	if _, err := l.s.C.Submit(ctx, l.s.WS, r); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = append(l.failed, err.Error())
		l.ended[r.Name], l.last = true, time.Now()
	}
}

// wait waits until n runs have ended; a server that is too slow gets two minutes more.
func (l *loader) wait(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		l.mu.Lock()
		ended := len(l.ended)
		l.mu.Unlock()
		if ended >= n {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d runs have ended: %w", ended, n, err)
		}
	}
}

func (l *loader) figures(n, backlog int, c costs, mine, bare time.Duration, disk string) []Figure {
	p50, p99 := middle(l.took), rig.Percentile(l.took, 99)
	each := func(d time.Duration) time.Duration { return d / time.Duration(n) }
	own := each(c.all()) - bare
	// Kept: nothing failed, and runs did not pile up behind each other.
	kept := len(l.failed) == 0 && backlog <= 2*loadRate && p99 < 2*time.Second
	rate := Figure{
		What:   fmt.Sprintf("%d runs of true a second for %d s, submit to Completed", loadRate, n/loadRate),
		Zaffre: fmt.Sprintf("%s, p99 %s", ms(p50), ms(p99)), Goal: "100 a second kept", OK: &kept,
		Note:   fmt.Sprintf("%d not ended at the last submit, %d failed; %d slots; %s", backlog, len(l.failed), loadSlots, disk),
		Values: map[string]float64{"p50": millis(p50), "p99": millis(p99), "backlog": float64(backlog), "failed": float64(len(l.failed))},
	}
	if len(l.failed) > 0 {
		rate.Note += "; first: " + l.failed[0]
	}
	cost := Figure{
		What: "CPU for a run, without the command's own", Zaffre: ms(own), Peer: "bare true " + ms(bare),
		Goal: "<= 5 ms", OK: new(own <= loadGoal),
		Note: fmt.Sprintf("server %s, agent %s, supervisors with the command %s; this client beside them %s",
			ms(each(c.server)), ms(each(c.agent)), ms(each(c.jobs)), ms(each(mine))),
		Values: map[string]float64{
			"server": millis(each(c.server)), "agent": millis(each(c.agent)), "jobs": millis(each(c.jobs)), "bare": millis(bare), "own": millis(own),
		},
	}
	return []Figure{rate, cost}
}

func cpuOfMine() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
