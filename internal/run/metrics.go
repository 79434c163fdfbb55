package run

import (
	"context"
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// MetricPage is the most points that one page of a series has.
const MetricPage = 100_000

// LogMetrics adds points to a run of any origin and state, all of them or none; a point that is there
// already counts once, so that a batch may be repeated. It takes a Tracker. It fails with fault.Precondition,
// Reason "RunDeleted", and as metric.Check and metric.Store's Append do.
func (s *Service) LogMetrics(ctx context.Context, k store.Key, batch []metric.Point) error {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return err
	}
	if err := metric.Check(batch); err != nil {
		return err
	}
	run, err := s.Known(ctx, k)
	if err != nil {
		return err
	}
	return s.Metrics.Append(ctx, metric.Key{Workspace: k.Workspace, Run: run}, batch)
}

// LatestMetrics returns the metrics of a run by name, each with its latest point.
func (s *Service) LatestMetrics(ctx context.Context, k store.Key) ([]metric.Latest, error) {
	run, err := s.metricsOf(ctx, k)
	if err != nil {
		return nil, err
	}
	return s.Metrics.Latest(ctx, run)
}

// MetricsOf returns the metrics of several runs of a workspace, by their ULIDs; names nil means all.
func (s *Service) MetricsOf(ctx context.Context, workspace string, runs []Run, names []string) (map[string][]metric.Latest, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range runs {
		if r.Workspace == workspace {
			ids = append(ids, r.ID)
		}
	}
	return s.Metrics.LatestOf(ctx, ids, names)
}

// MetricSeries returns the points of one metric in the order in which they were logged, from the position
// skip on; limit 0 is 1000, more than MetricPage is MetricPage. next is where the next page starts, -1 at
// the end.
// It fails with fault.NotFound, Reason "MetricNotFound".
func (s *Service) MetricSeries(ctx context.Context, k store.Key, name string, skip, limit int) (points []metric.Point, next int, err error) {
	run, err := s.metricsOf(ctx, k)
	if err != nil {
		return nil, -1, err
	}
	if limit <= 0 {
		limit = 1000
	}
	limit, skip = min(limit, MetricPage), max(skip, 0)
	points, err = s.Metrics.Series(ctx, run, name, skip, limit+1)
	if err == nil && len(points) == 0 {
		err = s.hasMetric(ctx, k, run, name)
	}
	if err != nil || len(points) <= limit {
		return points, -1, err
	}
	return points[:limit], skip + limit, nil
}

// hasMetric tells a metric whose end was passed from one that is not there.
func (s *Service) hasMetric(ctx context.Context, k store.Key, run, name string) error {
	latest, err := s.Metrics.LatestOf(ctx, []string{run}, []string{name})
	if err != nil || len(latest[run]) > 0 {
		return err
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: "MetricNotFound", What: fmt.Sprintf("run %s has no metric %q", k.Name, name),
		Why: "nothing was logged under this name", Fix: "see what was logged; run: zaffre run metrics " + k.Name,
	}
}

// metricsOf returns the ULID of a run that the caller may read, deleted or not.
func (s *Service) metricsOf(ctx context.Context, k store.Key) (string, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Reader); err != nil {
		return "", err
	}
	run, err := s.Known(ctx, k)
	if fault.ReasonOf(err) != "RunDeleted" {
		return run, err
	}
	r, err := s.find(ctx, k)
	return r.ID, err
}
