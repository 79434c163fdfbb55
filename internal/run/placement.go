package run

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
	"github.com/zaffre-ml/zaffre/internal/store"
)

const (
	placeAtOnce = 64  // how much of the queue one look sees
	engineRuns  = 100 // runs at once on a target whose engine places them itself
)

// Place gives free slots of a target to the runs that wait for it, by priority and age. It is
// woken when a run starts to wait, when slots come free, and when the target changes.
func (s *Service) Place(ctx context.Context, id string) (reconcile.Result, error) {
	ctx = identity.System(ctx)
	key := store.ParseKey(id)
	t, err := s.Computes.Get(ctx, key)
	if fault.CodeOf(err) == fault.NotFound {
		return reconcile.Result{}, s.abandon(ctx, key)
	}
	if err == nil {
		err = s.rouse(ctx, t)
	}
	if err != nil || !t.Ready() {
		return reconcile.Result{}, err
	}
	queue, err := s.Runs.Queue(ctx, key, placeAtOnce)
	if err != nil || len(queue) == 0 {
		return reconcile.Result{}, err
	}
	if s.search.awaits(t.ID) {
		return reconcile.Result{After: searchPause}, nil
	}
	seen := len(queue)
	if queue, err = s.cleared(ctx, queue); err != nil {
		return reconcile.Result{}, err
	}
	rooms, err := s.rooms(ctx, t)
	if err != nil {
		return reconcile.Result{}, err
	}
	placed := plan(queue, rooms)
	s.pointToOption(t, placed)
	if err := s.commit(ctx, t, placed); err != nil {
		return reconcile.Result{}, err
	}
	if len(placed) == seen && seen == placeAtOnce {
		return reconcile.Result{After: time.Millisecond}, nil // there may be more
	}
	return reconcile.Result{}, nil
}

// pointToOption has who asked for GPUs in vain say it to the engine behind the target, where that is how it is said.
func (s *Service) pointToOption(t compute.Target, placed []placed) {
	kind, err := s.Computes.Kind(t.Kind)
	if err != nil || !slices.ContainsFunc(kind.JobOptions, func(o driver.Option) bool { return o.Path == "gpus" }) {
		return
	}
	for _, p := range placed {
		if p.never != nil && p.run.Spec.GPUs > 0 {
			p.never.Fix = fmt.Sprintf("what stands behind it counts the GPUs; run: zaffre run submit --compute %s --option gpus=%d SCRIPT", t.Name, p.run.Spec.GPUs)
		}
	}
}

// abandon ends the runs that wait for a target that is gone, and wakes those that were on it.
func (s *Service) abandon(ctx context.Context, key store.Key) error {
	for cursor := ""; ; {
		list, next, err := s.Runs.List(ctx, Filter{Workspace: key.Workspace, Target: key.Name, Active: true}, store.Page{Cursor: cursor})
		if err != nil {
			return err
		}
		for _, r := range list {
			if err := s.lose(ctx, r, key); err != nil {
				return err
			}
		}
		if cursor = next; next == "" {
			return nil
		}
	}
}

func (s *Service) lose(ctx context.Context, r Run, target store.Key) error {
	if !r.Waiting() {
		return s.wake(ctx, r.Key())
	}
	return s.fail(ctx, r, &fault.Error{
		Code: fault.NotFound, Reason: "TargetGone", What: "the run failed", Why: "its compute target " + target.Name + " was detached",
		Fix: "submit it to another target; run: zaffre compute list",
	})
}

// room is what is left of a machine.
type room struct {
	driver.Machine
	runs, gpus []int // free indices
	cpu        float64
	memory     int64
}

// rooms returns what is free on the machines of a target, whoever took the rest.
func (s *Service) rooms(ctx context.Context, t compute.Target) ([]room, error) {
	var out []room
	for _, m := range machinesOf(t) {
		taken, err := s.Claims.Taken(ctx, slotSpace(m.Identity))
		if err != nil {
			return nil, err
		}
		out = append(out, free(m, taken))
	}
	return out, nil
}

// machinesOf are where runs of a target go: its machines, or the engine behind it.
func machinesOf(t compute.Target) []driver.Machine {
	if len(t.Status.Seen.Machines) > 0 {
		return t.Status.Seen.Machines
	}
	return []driver.Machine{{Identity: "target/" + t.ID, Name: t.Name, Runs: engineRuns}}
}

// What a job of an unknown run has: a place, whichever, and a GPU.
const (
	orphanRun = "orphan-run"
	orphanGPU = "orphan-gpu"
)

// free is a machine less what is taken. The name of a claim is "run/<index>", "gpu/<index>",
// "cpu/<job>/<cores>", "memory/<job>/<bytes>", "orphan-run/<job>/1" or "orphan-gpu/<job>/<index>".
func free(m driver.Machine, taken []store.Take) room {
	r := room{Machine: m, cpu: m.CPU, memory: m.Memory}
	used, orphans := map[string]bool{}, 0
	for _, t := range taken {
		used[t.Name] = true
		what, amount, _ := strings.Cut(t.Name, "/")
		_, amount, _ = strings.Cut(amount, "/")
		n, err := strconv.ParseFloat(amount, 64)
		if err != nil {
			continue
		}
		switch what {
		case "cpu":
			r.cpu -= n
		case "memory":
			r.memory -= int64(n)
		case orphanRun:
			orphans++
		case orphanGPU:
			used["gpu/"+amount] = true
		}
	}
	r.runs, r.gpus = unused(used, "run/", m.Runs), unused(used, "gpu/", m.GPUs)
	r.runs = r.runs[min(orphans, len(r.runs)):]
	return r
}

func unused(used map[string]bool, prefix string, n int) (out []int) {
	for i := range n {
		if !used[prefix+strconv.Itoa(i)] {
			out = append(out, i)
		}
	}
	return out
}

// placed is what was decided for a run: a slot, or that it can never have one.
type placed struct {
	run   Run
	slot  driver.Slot
	takes []store.Take
	never *fault.Error
}

// plan decides, in the order of the queue, who gets what. A run that has to wait for GPUs, cores or
// memory lets those pass that ask for none of what it lacks, and nobody else: so it never starves.
func plan(queue []Run, rooms []room) (out []placed) {
	var short need
	for _, r := range queue {
		n := needOf(r)
		if f := neverFits(r, rooms); f != nil {
			out = append(out, placed{run: r, never: f})
			continue
		}
		if n.overlaps(short) {
			short = short.plus(n)
			continue
		}
		i := slices.IndexFunc(rooms, func(m room) bool { return n.fits(m) })
		if i >= 0 {
			out = append(out, take(r, &rooms[i]))
			continue
		}
		if !slices.ContainsFunc(rooms, func(m room) bool { return len(m.runs) > 0 }) {
			return out
		}
		short = short.plus(n)
	}
	return out
}

// need is what a run asks for beside its place.
type need struct {
	gpus   int
	cpu    float64
	memory int64
}

func needOf(r Run) need { return need{r.Spec.GPUs, r.Spec.CPU, r.Spec.Memory} }

func (n need) plus(o need) need { return need{n.gpus + o.gpus, n.cpu + o.cpu, n.memory + o.memory} }

func (n need) overlaps(o need) bool {
	return n.gpus > 0 && o.gpus > 0 || n.cpu > 0 && o.cpu > 0 || n.memory > 0 && o.memory > 0
}

// fits reports whether a machine has what is asked for. One that does not tell its cores or memory takes any amount.
func (n need) fits(m room) bool {
	return len(m.runs) > 0 && n.gpus <= len(m.gpus) && (n.cpu == 0 || n.cpu <= m.cpu || m.CPU == 0) && (n.memory == 0 || n.memory <= m.memory || m.Memory == 0)
}

// neverFits says why no machine of the target, however idle, can take the run; nil if one can. A
// machine that does not tell its cores or memory takes any amount.
func neverFits(r Run, rooms []room) *fault.Error {
	n, most := needOf(r), need{}
	for _, m := range rooms {
		if n.gpus <= m.GPUs && (n.cpu <= m.CPU || m.CPU == 0) && (n.memory <= m.Memory || m.Memory == 0) {
			return nil
		}
		most = need{max(most.gpus, m.GPUs), max(most.cpu, m.CPU), max(most.memory, m.Memory)}
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "NoMachineFits", What: "the run failed",
		Why: fmt.Sprintf("it asks for %s, and the largest machine of %s has %s", n, r.Spec.Target, most.of(n)),
		Fix: "ask for less, or submit it to another target; run: zaffre compute list",
	}
}

// String lists the amounts that are asked for.
func (n need) String() string { return n.of(n) }

// of lists the amounts of what asked asks for.
func (n need) of(asked need) string {
	var parts []string
	if asked.gpus > 0 {
		parts = append(parts, fmt.Sprintf("%d GPUs", n.gpus))
	}
	if asked.cpu > 0 {
		parts = append(parts, fmt.Sprintf("%g cores", n.cpu))
	}
	if asked.memory > 0 {
		parts = append(parts, fmt.Sprintf("%d MB of memory", n.memory/1e6))
	}
	if len(parts) == 0 {
		return "nothing special"
	}
	return strings.Join(parts, ", ")
}

func jobID(r Run) string { return fmt.Sprintf("z-%s-%d", r.ID, len(r.Status.Attempts)+1) }

// take gives a run its place on a machine that fits it.
func take(r Run, m *room) placed {
	n, job := needOf(r), jobID(r)
	slot := driver.Slot{Machine: m.Identity, Run: m.runs[0], GPUs: slices.Clone(m.gpus[:n.gpus])}
	space := slotSpace(m.Identity)
	takes := []store.Take{{Space: space, Name: fmt.Sprintf("run/%d", slot.Run), Holder: job}}
	for _, g := range slot.GPUs {
		takes = append(takes, store.Take{Space: space, Name: fmt.Sprintf("gpu/%d", g), Holder: job})
	}
	if n.cpu > 0 {
		takes = append(takes, store.Take{Space: space, Name: fmt.Sprintf("cpu/%s/%g", job, n.cpu), Holder: job})
	}
	if n.memory > 0 {
		takes = append(takes, store.Take{Space: space, Name: fmt.Sprintf("memory/%s/%d", job, n.memory), Holder: job})
	}
	m.runs, m.gpus = m.runs[1:], m.gpus[n.gpus:]
	m.cpu, m.memory = m.cpu-n.cpu, m.memory-n.memory
	return placed{run: r, slot: slot, takes: takes}
}

// commit writes the decisions, all at once so that they share commits: for each run the slots, the
// attempt that will start under them, and the run's wake-up, in one transaction.
func (s *Service) commit(ctx context.Context, t compute.Target, decided []placed) error {
	errs := make([]error, len(decided))
	var wg sync.WaitGroup
	for i, p := range decided {
		wg.Go(func() { errs[i] = s.place(ctx, t, p) })
	}
	wg.Wait()
	for _, err := range errs {
		if fault.ReasonOf(err) == "Taken" {
			return retryable(err) // another target has the machine too, and was faster
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) place(ctx context.Context, t compute.Target, p placed) error {
	if p.never != nil {
		return s.fail(ctx, p.run, p.never)
	}
	_, err := s.Runs.Update(ctx, p.run.Key(), func(r *Run) ([]store.Effect, error) {
		if !r.Waiting() || r.Status.Cancel || len(r.Status.Attempts) != len(p.run.Status.Attempts) {
			return nil, nil
		}
		r.Status.Attempts = append(slices.Clone(r.Status.Attempts), Attempt{
			Number: len(r.Status.Attempts) + 1, JobID: jobID(*r), Target: t.ID, Slots: []driver.Slot{p.slot},
		})
		effects := []store.Effect{wake(*r), store.Fence{Run: r.ID, Attempt: len(r.Status.Attempts)}}
		for _, take := range p.takes {
			effects = append(effects, take)
		}
		return effects, nil
	})
	return err
}

// Going returns how many runs each machine of a target has now, by its identity, whichever target they were given to.
func (s *Service) Going(ctx context.Context, t compute.Target) (map[string]int, error) {
	out := map[string]int{}
	for _, m := range machinesOf(t) {
		n, err := s.Taken(ctx, m.Identity)
		if err != nil {
			return nil, err
		}
		out[m.Identity] = n
	}
	return out, nil
}

// Taken returns how many runs a machine has now, those included that are not known.
func (s *Service) Taken(ctx context.Context, machine string) (int, error) {
	taken, err := s.Claims.Taken(ctx, slotSpace(machine))
	n := 0
	for _, t := range taken {
		if what, _, _ := strings.Cut(t.Name, "/"); what == "run" || what == orphanRun {
			n++
		}
	}
	return n, err
}
