package compute

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Orphan is a job that goes on, of a run that is not known. It holds places as jobs of runs do.
type Orphan struct {
	Job   string
	Space string // of the claims that it holds
}

// free gives back what it holds.
func (o Orphan) free() store.Effect { return store.Free{Space: o.Space, Holder: o.Job} }

// orphans is the condition of a target that has some.
const orphans = "Orphans"

// Jobs returns the jobs that a target has, ended or not; none of a kind that leaves nothing.
func (s *Service) Jobs(ctx context.Context, t Target) (jobs []driver.Item, err error) {
	kind, err := s.Kind(t.Kind)
	if err != nil || t.Status.State == Deleting || !driver.Can[driver.Cleaner](kind) {
		return nil, nil // a kind that this server lacks tells nothing
	}
	items, err := s.clean(ctx, t, true)
	for _, it := range items {
		if it.Type == "job" {
			jobs = append(jobs, it)
		}
	}
	return jobs, err
}

// TellOrphans tells watchers of jobs on a target of which no run is known, ended or not.
func (s *Service) TellOrphans(ctx context.Context, t Target, jobs []string) error {
	_, err := s.Targets.Update(ctx, t.Key(), func(t *Target) ([]store.Effect, error) {
		e := emit(ctx, *t, "compute.orphans").(store.Emit)
		e.Data["jobs"] = strings.Join(jobs, " ")
		return []store.Effect{e}, nil
	})
	return err
}

// KeepOrphans notes which jobs of unknown runs go on, in a condition that says message, and gives them what takes says.
// What those had that were noted before, and go on no more, is free.
func (s *Service) KeepOrphans(ctx context.Context, t Target, going []Orphan, message string, takes []store.Take) error {
	_, err := s.Targets.Update(ctx, t.Key(), func(t *Target) (effects []store.Effect, err error) {
		for _, o := range t.Status.Orphans {
			if !slices.Contains(going, o) {
				effects = append(effects, o.free(), store.Wake{Kind: PlacementKind, ID: t.Key().String()})
			}
		}
		for _, take := range takes {
			effects = append(effects, take)
		}
		t.Status.Orphans = going
		t.showOrphans(message)
		return effects, nil
	})
	return err
}

func (t *Target) showOrphans(message string) {
	if len(t.Status.Orphans) > 0 {
		t.setCondition(Condition{Type: orphans, Reason: "RunsUnknown", Message: message, Since: time.Now()})
		return
	}
	t.Status.Conditions = slices.DeleteFunc(slices.Clone(t.Status.Conditions), func(c Condition) bool { return c.Type == orphans })
}

// freeOrphans gives back what the orphans of a target hold that is taken away.
func freeOrphans(t Target) (effects []store.Effect) {
	for _, o := range t.Status.Orphans {
		effects = append(effects, o.free())
	}
	return effects
}
