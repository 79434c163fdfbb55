package mlflow

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type runsAnswer struct {
	Runs []wireRun `json:"runs,omitempty"`
	Next string    `json:"next_page_token,omitempty"`
}

func (a *api) searchRuns(c call) (any, error) {
	in, err := decode[struct {
		searchRequest
		Experiments []string `json:"experiment_ids"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	limit := 1000
	if in.Max != nil {
		limit = int(*in.Max)
	}
	if limit < 1 || limit > maxPage {
		return nil, invalid("max_results", strconv.Itoa(limit), "It must be at least 1 and at most "+strconv.Itoa(maxPage))
	}
	f := run.Filter{Workspace: c.ws, Deleted: in.RunView.view()}
	if f.Where, f.Order, err = clauses(in.Filter, in.Order); err != nil {
		return nil, err
	}
	if f.Experiments, err = a.namesOf(c, in.Experiments); err != nil || len(f.Experiments) == 0 {
		return runsAnswer{}, err
	}
	list, next, err := a.Runs.List(c.Context(), f, store.Page{Limit: limit, Cursor: in.Page})
	if err != nil {
		return nil, err
	}
	return a.toRuns(c, list, next)
}

func (a *api) toRuns(c call, list []run.Run, next string) (any, error) {
	out := runsAnswer{Next: next}
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.ID
	}
	latest, err := a.Metrics.LatestOf(c.Context(), ids, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		w, err := a.toRun(c, r, latest[r.ID])
		if err != nil {
			return nil, err
		}
		out.Runs = append(out.Runs, w)
	}
	return out, nil
}

// namesOf returns the names of the experiments that there are of some IDs. Runs of others are none.
func (a *api) namesOf(c call, ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		name, err := a.cached(experimentKey{c.ws, "", id}, func() (string, error) {
			e, err := a.Runs.GetExperimentByID(c.Context(), c.ws, id)
			return e.Name, err
		})
		if fault.CodeOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}

// clauses reads a filter and orders. Statuses are MLflow's, and the store knows ours.
func clauses(filter string, orders []string) ([]query.Clause, []query.Order, error) {
	where, err := query.Parse(filter)
	if err != nil {
		return nil, nil, err
	}
	for i, c := range where {
		if c.Field == query.Attribute && c.Name == query.Status {
			where[i] = statusClause(c)
		}
	}
	var order []query.Order
	for _, text := range orders {
		o, err := query.ParseOrder(text)
		if err != nil {
			return nil, nil, err
		}
		order = append(order, o)
	}
	return where, order, nil
}

// statusClause says a condition on MLflow's status in our states: which of them have one that meets it.
func statusClause(c query.Clause) query.Clause {
	out := query.Clause{Field: c.Field, Name: c.Name, Op: query.In, Values: []string{}}
	for state, status := range statuses {
		if c.Match(status) {
			out.Values = append(out.Values, string(state))
		}
	}
	slices.SortFunc(out.Values, strings.Compare)
	return out
}
