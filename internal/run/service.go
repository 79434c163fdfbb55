package run

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Config is what a Service stands on.
type Config struct {
	Runs         Store
	Experiments  ExperimentStore
	Codes        CodeStore
	Artifacts    ArtifactStore
	Metrics      metric.Store
	Claims       store.Claims
	Queue        store.Queue
	Events       store.Events
	Computes     *compute.Service
	Environments *environment.Service
	Snapshots    snapshot.Store
	Blobs        blob.Store
	Log          *slog.Logger
	// Restored is when the backup was taken that the database was last restored from; zero: it never was.
	Restored time.Time
	// Searching says that FindOrphans is about to be called: targets are given no runs before they were asked, for a while.
	Searching bool
	// Reach says how a run's own process reaches the server. It says the same for the same attempt. nil: not at
	// all.
	Reach func(ctx context.Context, r Run) (Reach, error)
}

// Reach is how a run's own process reaches the server. The zero value is: not at all.
type Reach struct {
	Token string            // good for that run alone: see driver.Job
	Env   map[string]string // variables of the clients that it may use; driver.HomeURL and HomeCA stand in them
}

// Service submits runs and moves them to their ends. Its methods may be called from several
// goroutines.
type Service struct {
	Config
	logs     *logHub
	watchers *watchers
	builds   *waiting
	known    known
	kept     keptOutputs
	search   *search
	ctx      context.Context // of the goroutines that follow logs and watch targets
	stop     context.CancelCauseFunc
	wg       sync.WaitGroup
}

// New returns a Service. Close it.
func New(c Config) *Service {
	ctx, stop := context.WithCancelCause(identity.System(context.Background()))
	return &Service{Config: c, search: newSearch(c), logs: newLogHub(), watchers: newWatchers(), builds: &waiting{runs: map[string][]store.Key{}}, ctx: ctx, stop: stop}
}

// Close ends what the service does in the background. Runs go on where they run.
func (s *Service) Close() {
	s.stop(context.Canceled)
	s.wg.Wait()
}

// Get returns a run, with a condition that explains why it waits if it does. It fails with
// fault.NotFound, Reason "RunNotFound".
func (s *Service) Get(ctx context.Context, k store.Key) (Run, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
		return Run{}, err
	}
	r, err := s.find(ctx, k)
	if err == nil && r.Origin == Managed && !r.Status.State.Final() {
		r.Status.Conditions = append(r.Status.Conditions, s.explain(ctx, r)...)
	}
	return r, err
}

func (s *Service) find(ctx context.Context, k store.Key) (Run, error) {
	r, err := s.Runs.Get(ctx, k)
	if fault.CodeOf(err) == fault.NotFound {
		return r, &fault.Error{
			Code: fault.NotFound, Reason: "RunNotFound", What: fmt.Sprintf("there is no run %q", k.Name),
			Why: "nobody submitted it in workspace " + k.Workspace, Fix: "run: zaffre run list",
		}
	}
	return r, err
}

// List returns runs, the newest first, or what a search finds: see Filter.
func (s *Service) List(ctx context.Context, f Filter, p store.Page) ([]Run, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	if hidden, err := s.hideExperiments(ctx, &f); err != nil || hidden {
		return nil, "", err
	}
	return s.Runs.List(ctx, f, p)
}

// hideExperiments takes deleted experiments from those that a search for what is live names. It reports
// whether none is left.
func (s *Service) hideExperiments(ctx context.Context, f *Filter) (hidden bool, err error) {
	if len(f.Experiments) == 0 || f.Deleted != Live {
		return false, nil
	}
	live := slices.Clone(f.Experiments)
	for p := (store.Page{Limit: 1000}); ; {
		list, next, err := s.Experiments.List(ctx, ExperimentFilter{Workspace: f.Workspace, Deleted: DeletedOnly}, p)
		if err != nil {
			return false, err
		}
		for _, e := range list {
			live = slices.DeleteFunc(live, func(name string) bool { return name == e.Name })
		}
		if p.Cursor = next; next == "" {
			f.Experiments = live
			return len(live) == 0, nil
		}
	}
}

// Cancel asks a run to end. One that has ended stays as it is, and so does one that its client moves; that
// is no error.
func (s *Service) Cancel(ctx context.Context, k store.Key) (Run, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return Run{}, err
	}
	if _, err := s.Get(ctx, k); err != nil {
		return Run{}, err
	}
	return s.Runs.Update(ctx, k, func(r *Run) ([]store.Effect, error) {
		if r.Status.State.Final() || r.Status.Cancel || r.Origin != Managed {
			return nil, nil
		}
		r.Status.Cancel = true
		return []store.Effect{wake(*r), r.emit(identity.From(ctx).Name, "run.cancel_requested")}, nil
	})
}

// Active returns how many runs of a target have not ended, up to 1000.
func (s *Service) Active(ctx context.Context, target store.Key) (int, error) {
	f := Filter{Workspace: target.Workspace, Target: target.Name, Active: true}
	if target.Workspace == store.Global {
		f.Workspace = ""
	}
	list, _, err := s.Runs.List(ctx, f, store.Page{Limit: 1000})
	return len(list), err
}

func wake(r Run) store.Effect { return store.Wake{Kind: WorkKind, ID: r.Key().String()} }

func wakePlacement(r Run) store.Effect {
	return store.Wake{Kind: compute.PlacementKind, ID: r.TargetKey().String()}
}

func (r Run) emit(actor, typ string, data ...string) store.Effect {
	m := map[string]string{"state": string(r.Status.State)}
	for i := 0; i+1 < len(data); i += 2 {
		m[data[i]] = data[i+1]
	}
	return store.Emit{Workspace: r.Workspace, Subject: "run/" + r.Name, Type: typ, Actor: actor, Data: m}
}

// move changes the state of a managed run and returns the effects of that: it is told to watchers.
func (r *Run) move(next State) ([]store.Effect, error) {
	from := r.Status.State
	state, err := r.Origin.Move(from, next)
	if err != nil || from == next {
		return nil, err
	}
	r.Status.State, r.Status.Changed = state, time.Now()
	if state.Final() {
		r.Status.Ended = r.Status.Changed
	}
	reason := ""
	if r.Status.Error != nil {
		reason = r.Status.Error.Reason
	}
	effects := []store.Effect{r.emit("system", "run.state_changed", "from", string(from), "reason", reason)}
	if state.Final() {
		effects = append(effects, store.Fence{Run: r.ID})
	}
	return effects, nil
}

// setCondition replaces the condition of that type; Since stays while OK and Reason do, or OK alone where silence has many
// reasons.
func (r *Run) setCondition(c Condition) {
	list := make([]Condition, 0, len(r.Status.Conditions)+1)
	for _, old := range r.Status.Conditions {
		if old.Type != c.Type {
			list = append(list, old)
		} else if old.OK == c.OK && (old.Reason == c.Reason || c.Type == "Reachable") {
			c.Since = old.Since
		}
	}
	if c.Since.IsZero() {
		c.Since = time.Now()
	}
	r.Status.Conditions = append(list, c)
}

func (r *Run) dropCondition(name string) {
	r.Status.Conditions = slices.DeleteFunc(slices.Clone(r.Status.Conditions), func(c Condition) bool { return c.Type == name })
}

// quoted joins names for a message.
func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }
