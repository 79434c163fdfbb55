package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// explain tells why a run waits. It is worked out when somebody asks, from the target and its slots
// as they are: to keep it in the records would wake every waiting run at every change.
func (s *Service) explain(ctx context.Context, r Run) []Condition {
	if !r.Waiting() {
		return r.engineWaits()
	}
	t, err := s.Computes.Get(ctx, r.TargetKey())
	if err != nil {
		return []Condition{waits(r, "TargetGone", "its compute target is gone")}
	}
	if !t.Ready() {
		if t.Status.State == compute.Creating || t.Status.State == compute.Updating { // that passes by itself
			return []Condition{waits(r, "TargetNotChecked", "compute target "+t.Name+" is being looked at")}
		}
		return []Condition{waits(r, "TargetNotReady", "compute target "+t.Name+" takes no runs: "+notReady(t))}
	}
	if i := r.abandoned(); i >= 0 {
		return []Condition{waits(r, "AttemptAbandoned", fmt.Sprintf("what attempt %d has on %s is ended first", i+1, t.Name))}
	}
	rooms, err := s.rooms(ctx, t)
	if err != nil {
		return nil
	}
	ahead, more := s.ahead(ctx, r)
	return []Condition{waits(r, "NoSlot", fmt.Sprintf("%s, %d%s runs ahead", freeOn(r, t, rooms), ahead, more))}
}

// engineWaits tells what the engine behind the target says of a run that it has, and has not begun.
func (r Run) engineWaits() []Condition {
	a := r.Attempt()
	if r.Status.State != Queued || a == nil || a.Outcome.State != driver.JobPending || a.Outcome.Message == "" {
		return nil
	}
	return []Condition{waits(r, "EngineWaits", a.Outcome.Message)}
}

func waits(r Run, reason, message string) Condition {
	return Condition{Type: "Placed", Reason: reason, Message: message, Since: r.Status.Changed}
}

func notReady(t compute.Target) string {
	for _, c := range t.Status.Conditions {
		if c.Type == "Ready" && c.Message != "" {
			return c.Message
		}
	}
	return "it is " + string(t.Status.State)
}

// freeOn tells what is free of what the run needs: "2 of 4 GPUs free on gpu-box".
func freeOn(r Run, t compute.Target, rooms []room) string {
	var runs, allRuns, gpus, allGPUs int
	for _, m := range rooms {
		runs, allRuns = runs+len(m.runs), allRuns+m.Runs
		gpus, allGPUs = gpus+len(m.gpus), allGPUs+m.GPUs
	}
	text := fmt.Sprintf("%d of %d places free on %s", runs, allRuns, t.Name)
	if r.Spec.GPUs > 0 {
		text = fmt.Sprintf("%d of %d GPUs free on %s", gpus, allGPUs, t.Name)
	}
	if r.Spec.Memory > 0 || r.Spec.CPU > 0 {
		text += fmt.Sprintf(" (it asks for %s)", needOf(r))
	}
	return text
}

// ahead returns how many of the first waiting runs go before r, and "+" when there may be more.
func (s *Service) ahead(ctx context.Context, r Run) (n int, more string) {
	queue, err := s.Runs.Queue(ctx, r.TargetKey(), placeAtOnce)
	if err != nil {
		return 0, ""
	}
	if i := slices.IndexFunc(queue, func(q Run) bool { return q.Key() == r.Key() }); i >= 0 {
		return i, ""
	}
	return len(queue), "+"
}

// Watch returns a channel that receives when a run may have changed, until stop is called.
func (s *Service) Watch(k store.Key) (changed <-chan struct{}, stop func()) {
	return s.Events.Subscribe(k.Workspace, "run/"+k.Name)
}
