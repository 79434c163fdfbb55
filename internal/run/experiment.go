package run

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// DefaultID is the ID of DefaultExperiment in every workspace.
const DefaultID = "0"

// ListExperiments returns experiments, in the order of their names.
func (s *Service) ListExperiments(ctx context.Context, f ExperimentFilter, p store.Page) ([]Experiment, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	if err := s.ensureDefault(ctx, f); err != nil {
		return nil, "", err
	}
	return s.Experiments.List(ctx, f, p)
}

// GetExperiment returns an experiment by its name, a deleted one too; fault.NotFound, Reason
// "ExperimentNotFound".
func (s *Service) GetExperiment(ctx context.Context, k store.Key) (Experiment, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
		return Experiment{}, err
	}
	e, err := s.Experiments.Get(ctx, k)
	if fault.CodeOf(err) == fault.NotFound && k.Name == DefaultExperiment {
		return s.makeExperiment(ctx, Experiment{Workspace: k.Workspace, Name: k.Name})
	}
	return e, err
}

// GetExperimentByID is GetExperiment by the ID.
func (s *Service) GetExperimentByID(ctx context.Context, workspace, experimentID string) (Experiment, error) {
	if experimentID == DefaultID {
		return s.GetExperiment(ctx, store.Key{Workspace: workspace, Name: DefaultExperiment})
	}
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return Experiment{}, err
	}
	list, _, err := s.Experiments.List(ctx, ExperimentFilter{Workspace: workspace, ID: experimentID, Deleted: All}, store.Page{Limit: 1})
	if err != nil || len(list) == 1 && experimentID != "" {
		return firstOf(list), err
	}
	return Experiment{}, &fault.Error{
		Code: fault.NotFound, Reason: "ExperimentNotFound", What: fmt.Sprintf("there is no experiment with the ID %q", experimentID),
		Why: "nothing has this ID in " + workspace, Fix: "look for it; run: zaffre experiment list",
	}
}

func firstOf(list []Experiment) Experiment {
	if len(list) == 0 {
		return Experiment{}
	}
	return list[0]
}

// CreateExperiment makes an experiment. One that is there is fault.Exists, Reason "ExperimentExists", or
// "ExperimentDeleted" if it was deleted.
func (s *Service) CreateExperiment(ctx context.Context, workspace, name string, tags map[string]string) (Experiment, error) {
	const what = "cannot create the experiment"
	if err := identity.Require(ctx, workspace, identity.Tracker); err != nil {
		return Experiment{}, err
	}
	if err := id.CheckName("experiment", name); err != nil {
		return Experiment{}, fault.Doing(what, err)
	}
	if err := checkLabels(tags, nil); err != nil {
		return Experiment{}, fault.Doing(what, err)
	}
	k := store.Key{Workspace: workspace, Name: name}
	if e, err := s.Experiments.Get(ctx, k); fault.CodeOf(err) != fault.NotFound {
		return Experiment{}, orExists(e, err)
	}
	e, err := s.makeExperiment(ctx, Experiment{Workspace: workspace, Name: name, Tags: maps.Clone(tags)})
	if fault.CodeOf(err) == fault.Exists {
		return Experiment{}, orExists(e, nil)
	}
	return e, fault.Doing(what, err)
}

func orExists(e Experiment, err error) error {
	switch {
	case err != nil:
		return err
	case !e.Deleted.IsZero():
		return &fault.Error{
			Code: fault.Exists, Reason: "ExperimentDeleted", What: fmt.Sprintf("cannot create the experiment %q", e.Name),
			Why: "an experiment of this name was deleted", Fix: "run: zaffre experiment restore " + e.Name,
		}
	}
	return &fault.Error{
		Code: fault.Exists, Reason: "ExperimentExists", What: fmt.Sprintf("cannot create the experiment %q", e.Name),
		Why: "the name is taken", Fix: "choose another name, or use what is there; run: zaffre experiment list",
	}
}

// makeExperiment inserts an experiment with an ID that is free: the microsecond in which it was made. It
// fails with fault.Exists if the name is taken, and returns what has it.
func (s *Service) makeExperiment(ctx context.Context, e Experiment) (Experiment, error) {
	e.Created, e.CreatedBy = time.Now(), identity.From(ctx).Name
	for n := e.Created.UnixMicro(); ; n++ {
		if e.ID = strconv.FormatInt(n, 10); e.Name == DefaultExperiment {
			e.ID = DefaultID
		}
		err := s.Experiments.Insert(ctx, e)
		if fault.CodeOf(err) != fault.Exists {
			return e, err
		}
		old, missing := s.Experiments.Get(ctx, e.Key())
		if fault.CodeOf(missing) != fault.NotFound {
			if missing == nil && e.Name == DefaultExperiment {
				return old, nil
			}
			return old, orElseErr(missing, err)
		}
	}
}

func orElseErr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// ensureDefault makes the experiment that every workspace has, before the first list that could show it.
func (s *Service) ensureDefault(ctx context.Context, f ExperimentFilter) error {
	if f.Workspace == "" || f.Deleted == DeletedOnly {
		return nil
	}
	_, err := s.GetExperiment(ctx, store.Key{Workspace: f.Workspace, Name: DefaultExperiment})
	return err
}

// UpdateExperiment sets tags of an experiment and removes others. An experiment keeps its name.
func (s *Service) UpdateExperiment(ctx context.Context, k store.Key, set map[string]string, remove []string) (Experiment, error) {
	if err := checkLabels(set, nil); err != nil {
		return Experiment{}, fault.Doing("cannot change the experiment", err)
	}
	return s.changeExperiment(ctx, k, func(e *Experiment) error {
		if !e.Deleted.IsZero() {
			return experimentDeleted(e.Name)
		}
		tags := maps.Clone(e.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		maps.Copy(tags, set)
		for _, name := range remove {
			delete(tags, name)
		}
		if !maps.Equal(tags, e.Tags) {
			e.Tags, e.Updated = tags, time.Now()
		}
		return nil
	})
}

// DeleteExperiment hides an experiment and its runs from those who search in it, until it is restored.
// Twice is once. No run can be submitted to it meanwhile.
func (s *Service) DeleteExperiment(ctx context.Context, k store.Key) (Experiment, error) {
	return s.changeExperiment(ctx, k, func(e *Experiment) error {
		if e.Deleted.IsZero() {
			e.Deleted = time.Now()
		}
		return nil
	})
}

// RestoreExperiment takes a deletion back.
func (s *Service) RestoreExperiment(ctx context.Context, k store.Key) (Experiment, error) {
	return s.changeExperiment(ctx, k, func(e *Experiment) error {
		e.Deleted = time.Time{}
		return nil
	})
}

// RemoveExperiment removes an experiment that never had a run; its name is free again. Twice is once. Another
// is fault.Precondition, Reason "ExperimentNotEmpty".
func (s *Service) RemoveExperiment(ctx context.Context, k store.Key) error {
	_, err := s.changeExperiment(ctx, k, func(e *Experiment) error {
		if e.Runs > 0 {
			return &fault.Error{
				Code: fault.Precondition, Reason: "ExperimentNotEmpty", What: fmt.Sprintf("cannot remove the experiment %q", e.Name),
				Why: fmt.Sprintf("%d runs were made in it, and what was logged is kept", e.Runs), Fix: "archive it instead; run: zaffre experiment delete " + e.Name,
			}
		}
		e.Deleted = time.Now() // from here on no run is made in it
		return nil
	})
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Experiments.Delete(ctx, k)
}

func (s *Service) changeExperiment(ctx context.Context, k store.Key, change func(*Experiment) error) (Experiment, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return Experiment{}, err
	}
	if _, err := s.GetExperiment(ctx, k); err != nil {
		return Experiment{}, err
	}
	return s.Experiments.Update(ctx, k, func(e *Experiment) ([]store.Effect, error) { return nil, change(e) })
}

// number counts a run in its experiment, which is made if it is not there. A number may be skipped when the
// server dies.
func (s *Service) number(ctx context.Context, workspace, experiment string) (int64, error) {
	ctx = store.WithoutSequence(ctx) // a number that nobody has is better than one that two have
	k := store.Key{Workspace: workspace, Name: experiment}
	count := func() (Experiment, error) {
		return s.Experiments.Update(ctx, k, func(e *Experiment) ([]store.Effect, error) {
			if !e.Deleted.IsZero() {
				return nil, experimentDeleted(e.Name)
			}
			e.Runs++
			return nil, nil
		})
	}
	e, err := count()
	if fault.CodeOf(err) == fault.NotFound {
		_, err = s.makeExperiment(ctx, Experiment{Workspace: workspace, Name: experiment})
		if err != nil && fault.CodeOf(err) != fault.Exists {
			return 0, err
		}
		e, err = count()
	}
	return e.Runs, err
}

func experimentDeleted(name string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ExperimentDeleted", What: fmt.Sprintf("cannot use the experiment %q", name),
		Why: "it was deleted", Fix: "run: zaffre experiment restore " + name, Field: "experiment",
	}
}
