package domaintest

import (
	"context"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/faultsql"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// FaultsVariable names the share of SQL statements that fail under New's servers, such as 0.005; unset: none.
const FaultsVariable = "TEST_STORE_FAULTS"

// faults returns what statements go through, or nil. It starts to fail them by begin.
func faults(t testing.TB) (d *faultsql.Driver, begin func()) {
	t.Helper()
	text := os.Getenv(FaultsVariable)
	if text == "" {
		return nil, func() {}
	}
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || share < 0 || share > 1 {
		t.Fatalf("%s is %q, not a share", FaultsVariable, text)
	}
	d = &faultsql.Driver{}
	h := fnv.New64()
	h.Write([]byte(t.Name()))
	t.Cleanup(func() { t.Logf("%d of %d statements failed", d.Failed(), d.Statements()) })
	return d, func() { d.Fail(share, h.Sum64()) }
}

// blamesNobody fails the test if what the database did not answer was taken for the silence of a target.
func (s *Server) blamesNobody(t testing.TB) {
	t.Helper()
	ctx := Owner(context.WithoutCancel(t.Context()))
	events, err := againFor(ctx, func() ([]store.Event, error) { return s.DB.Events(ctx, Workspace, "run/", 0, 1000) })
	if err != nil {
		t.Error(err)
	}
	for _, e := range events {
		if e.Type == "run.unreachable" && strings.HasPrefix(e.Data["reason"], "Database") {
			t.Errorf("%s says that its target does not answer: %s", e.Subject, e.Data["reason"])
		}
	}
}

// stores are what the services stand on.
type stores struct {
	runs         run.Store
	experiments  run.ExperimentStore
	artifacts    run.ArtifactStore
	codes        run.CodeStore
	metrics      metric.Store
	targets      compute.Store
	environments environment.Store
	builds       environment.BuildStore
	claims       store.Claims
}

func storesOf(db *sqlstore.DB) stores {
	return stores{
		runs: db.Runs(), experiments: db.Experiments(), artifacts: db.Artifacts(), codes: db.Codes(), metrics: db.Metrics(metric.Limits{}),
		targets: db.Targets(), environments: db.Environments(), builds: db.Builds(), claims: db,
	}
}

// patient returns stores that repeat what the database did not answer, as people's clients do. What the server does of
// its own accord has to cope.
func (s stores) patient() stores {
	return stores{
		runs:        patientRuns{repo[run.Run, run.Filter]{s.runs, func(r run.Run) (store.Key, string) { return r.Key(), r.ID }}, s.runs},
		experiments: repo[run.Experiment, run.ExperimentFilter]{s.experiments, func(e run.Experiment) (store.Key, string) { return e.Key(), e.ID }},
		artifacts:   patientRows{s.artifacts},
		codes:       repo[run.Code, run.CodeFilter]{Repo: s.codes},
		metrics:     patientMetrics{s.metrics},
		targets:     repo[compute.Target, compute.Filter]{s.targets, func(t compute.Target) (store.Key, string) { return t.Key(), t.ID }},
		environments: repo[environment.Environment, environment.Filter]{
			s.environments, func(e environment.Environment) (store.Key, string) {
				return e.Key(), e.Created.UTC().Round(time.Microsecond).String()
			},
		},
		builds: repo[environment.Build, environment.BuildFilter]{Repo: s.builds},
		claims: patientClaims{s.claims},
	}
}

// again calls f until the database answers, if it is for somebody.
func again(ctx context.Context, f func() error) error {
	for {
		err := f()
		who := identity.From(ctx).Name
		if fault.CodeOf(err) != fault.Unavailable || who == "" || who == identity.From(identity.System(ctx)).Name || ctx.Err() != nil {
			return err
		}
	}
}

func againFor[T any](ctx context.Context, f func() (T, error)) (v T, err error) {
	err = again(ctx, func() error { v, err = f(); return err })
	return v, err
}

// Insist calls f until the database answers, for what a test asks of it directly.
func Insist[T any](t testing.TB, f func() (T, error)) T {
	t.Helper()
	v, err := againFor(Owner(t.Context()), f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// repo is a patient Repo. Two records with the same key and mark are one that was inserted, and whose answer was lost.
type repo[T, F any] struct {
	store.Repo[T, F]
	mark func(T) (store.Key, string)
}

func (r repo[T, F]) Insert(ctx context.Context, v T, then ...store.Effect) error {
	err := again(ctx, func() error { return r.Repo.Insert(ctx, v, then...) })
	if fault.CodeOf(err) != fault.Exists || r.mark == nil {
		return err
	}
	key, mark := r.mark(v)
	if there, e := r.Get(ctx, key); e == nil {
		if _, other := r.mark(there); other == mark {
			return nil
		}
	}
	return err
}

func (r repo[T, F]) Get(ctx context.Context, k store.Key) (T, error) {
	return againFor(ctx, func() (T, error) { return r.Repo.Get(ctx, k) })
}

func (r repo[T, F]) List(ctx context.Context, filter F, p store.Page) (items []T, next string, err error) {
	err = again(ctx, func() error { items, next, err = r.Repo.List(ctx, filter, p); return err })
	return items, next, err
}

func (r repo[T, F]) Update(ctx context.Context, k store.Key, change func(*T) ([]store.Effect, error)) (T, error) {
	return againFor(ctx, func() (T, error) { return r.Repo.Update(ctx, k, change) })
}

func (r repo[T, F]) Delete(ctx context.Context, k store.Key, then ...store.Effect) error {
	return again(ctx, func() error { return r.Repo.Delete(ctx, k, then...) })
}

type patientRuns struct {
	repo[run.Run, run.Filter]
	runs run.Store
}

func (p patientRuns) Queue(ctx context.Context, target store.Key, n int) ([]run.Run, error) {
	return againFor(ctx, func() ([]run.Run, error) { return p.runs.Queue(ctx, target, n) })
}

// patientRows repeats what people call: the rest is the sweep's.
type patientRows struct{ object.Rows }

func (p patientRows) Begin(ctx context.Context, blob string, until time.Time) error {
	return again(ctx, func() error { return p.Rows.Begin(ctx, blob, until) })
}

func (p patientRows) Get(ctx context.Context, k store.Key) (object.File, error) {
	return againFor(ctx, func() (object.File, error) { return p.Rows.Get(ctx, k) })
}

func (p patientRows) List(ctx context.Context, filter object.Filter, page store.Page) (items []object.File, next string, err error) {
	err = again(ctx, func() error { items, next, err = p.Rows.List(ctx, filter, page); return err })
	return items, next, err
}

type patientMetrics struct{ metric.Store }

func (p patientMetrics) Append(ctx context.Context, k metric.Key, batch []metric.Point, then ...store.Effect) error {
	return again(ctx, func() error { return p.Store.Append(ctx, k, batch, then...) })
}

func (p patientMetrics) Series(ctx context.Context, run, name string, skip, limit int) ([]metric.Point, error) {
	return againFor(ctx, func() ([]metric.Point, error) { return p.Store.Series(ctx, run, name, skip, limit) })
}

func (p patientMetrics) Latest(ctx context.Context, run string) ([]metric.Latest, error) {
	return againFor(ctx, func() ([]metric.Latest, error) { return p.Store.Latest(ctx, run) })
}

func (p patientMetrics) LatestOf(ctx context.Context, runs, names []string) (map[string][]metric.Latest, error) {
	return againFor(ctx, func() (map[string][]metric.Latest, error) { return p.Store.LatestOf(ctx, runs, names) })
}

type patientClaims struct{ store.Claims }

func (p patientClaims) Taken(ctx context.Context, space string) ([]store.Take, error) {
	return againFor(ctx, func() ([]store.Take, error) { return p.Claims.Taken(ctx, space) })
}
