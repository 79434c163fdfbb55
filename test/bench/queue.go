package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	queueSlots = 2
	idleGoal   = 1.0 // per cent of a core: what the server takes with no run at all is below
)

// longQueue has very many runs wait for a target whose slots are all taken, and measures what that
// costs, and how soon the next one starts when a slot comes free.
func longQueue(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{Slots: queueSlots})
	if err != nil {
		return nil, err
	}
	holders, err := holdSlots(ctx, s)
	if err != nil {
		return nil, err
	}
	s.Stop() // the holders run on
	if err := b.fill(ctx, s.Data, s.WS, "NotStarted", manyRuns); err != nil {
		return nil, err
	}
	if s, err = b.serve(ctx, rig.Options{Data: s.Data, Port: s.Port, Slots: queueSlots}); err != nil {
		return nil, err
	}
	defer func() { s.Stop() }()
	drained, err := drain(ctx, s)
	if err != nil {
		return nil, err
	}
	idle, err := idleCPU(ctx, s, time.Duration(b.times(30, 10))*time.Second)
	if err != nil {
		return nil, err
	}
	next, err := freeOne(ctx, s, holders[0])
	if err != nil {
		return nil, err
	}
	s.Kill() // what is due stays due
	due, err := b.due(ctx, s.Data)
	if err != nil {
		return nil, err
	}
	if s, err = b.serve(ctx, rig.Options{Data: s.Data, Port: s.Port, Slots: queueSlots}); err != nil {
		return nil, err
	}
	for _, id := range holders {
		_, _ = s.C.CancelRun(ctx, s.WS, id)
	}
	return queueFigures(drained, idle, next, due, s.Ready), nil
}

func queueFigures(drained time.Duration, idle float64, next time.Duration, due int, ready time.Duration) []Figure {
	return []Figure{
		{
			What: fmt.Sprintf("idle CPU with %d runs queued", manyRuns), Zaffre: fmt.Sprintf("%.2f %% of a core", idle),
			Goal: "wake nobody", OK: new(idle <= idleGoal),
			Note:   fmt.Sprintf("taking them all into the queue took %.1f s", drained.Seconds()),
			Values: map[string]float64{"percent": idle, "drain_s": drained.Seconds()},
		},
		{
			What: "runs that want to be looked at, of those queued", Zaffre: fmt.Sprint(due), Goal: "only those with slots", OK: new(due <= 4*queueSlots),
			Values: map[string]float64{"due": float64(due)},
		},
		{What: "a slot comes free to the next run running", Zaffre: ms(next), Values: map[string]float64{"ms": millis(next)}},
		{What: fmt.Sprintf("start to ready with %d runs queued", manyRuns), Zaffre: ms(ready), Goal: "< 300 ms", OK: new(ready < readyGoal)},
	}
}

// holdSlots starts runs that sleep on all slots.
func holdSlots(ctx context.Context, s *rig.Server) ([]string, error) {
	var ids []string
	for range queueSlots {
		r, err := s.C.Submit(ctx, s.WS, command("sleep", "3600"))
		if err != nil {
			return nil, err
		}
		if err := until(ctx, s, r.ID, "Running"); err != nil {
			return nil, err
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// until watches a run until it is in a state.
func until(ctx context.Context, s *rig.Server, id, state string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := s.C.WatchRun(ctx, s.WS, id, func(r client.Run) error {
		if r.State == state {
			return errSeen
		}
		if r.Final() {
			return failedRun(r)
		}
		return nil
	})
	if errors.Is(err, errSeen) {
		return nil
	}
	return err
}

// errSeen ends a watch that has seen what it waited for.
var errSeen = errors.New("seen")

// drain waits until no run is NotStarted.
func drain(ctx context.Context, s *rig.Server) (time.Duration, error) {
	began := time.Now()
	for {
		p, err := s.C.Runs(ctx, s.WS, client.RunFilter{State: "NotStarted"}, client.Cursor{Limit: 1})
		if err != nil || len(p.Items) == 0 {
			return time.Since(began), err
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// idleCPU returns what the server takes while nobody asks it for anything, in per cent of a core.
func idleCPU(ctx context.Context, s *rig.Server, watch time.Duration) (float64, error) {
	if err := pause(ctx, 5*time.Second); err != nil {
		return 0, err
	}
	before, _ := rig.Look(s.PID)
	if err := pause(ctx, watch); err != nil {
		return 0, err
	}
	after, _ := rig.Look(s.PID)
	return 100 * float64(after.Own-before.Own) / float64(watch), nil
}

// freeOne cancels a run and returns how long it took from its end until another one runs.
func freeOne(ctx context.Context, s *rig.Server, id string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	newest, err := s.C.Events(ctx, s.WS, client.EventFilter{Subject: "run/" + id, Limit: 100})
	if err != nil || len(newest.Items) == 0 {
		return 0, fmt.Errorf("events of run %s: %w", id, err)
	}
	ended, running := time.Time{}, time.Time{}
	if _, err := s.C.CancelRun(ctx, s.WS, id); err != nil {
		return 0, err
	}
	_ = s.C.FollowEvents(ctx, s.WS, client.EventFilter{After: newest.Items[len(newest.Items)-1].Sequence}, func(e client.Event) error {
		switch {
		case e.Subject == "run/"+id && e.Data["state"] == "Finalizing":
			ended = e.Time
		case !ended.IsZero() && e.Data["state"] == "Running":
			running = e.Time
			return errSeen
		}
		return nil
	})
	if running.IsZero() {
		return 0, fmt.Errorf("no run started after run %s had ended", id)
	}
	return running.Sub(ended), nil
}
