package sqlstore_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// BenchmarkSearch searches among 100,000 runs with metrics, parameters and tags; p99-ms is what counts.
// BENCH_DATABASE names a database in which the runs stay for the next time.
func BenchmarkSearch(b *testing.B) {
	url := cmp.Or(os.Getenv("BENCH_DATABASE"), "sqlite:"+filepath.Join(b.TempDir(), "z.db"))
	db, err := sqlstore.OpenWith(b.Context(), url, slog.New(slog.DiscardHandler), sqlstore.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	if first, _, err := db.Runs().List(b.Context(), run.Filter{Workspace: "ws"}, store.Page{Limit: 1}); err != nil {
		b.Fatal(err)
	} else if len(first) == 0 {
		fillSearch(b, db, 100_000)
	}
	for _, c := range searches() {
		b.Run(c.name, func(b *testing.B) { benchSearch(b, db, c) })
	}
}

type searchCase struct {
	name, experiments, where, order string
	limit                           int
}

func searches() []searchCase {
	return []searchCase{
		{"newest", "", "", "start_time DESC", 100},
		{"newest-1000", "", "", "start_time DESC", 1000},
		{"experiment", "exp3", "", "", 100},
		{"experiment-best", "exp3", "", "metrics.acc DESC", 100},
		{"small-experiment-best", "small", "", "metrics.acc DESC", 100},
		{"best", "", "", "metrics.acc DESC", 100},
		{"best-of-rare", "", "", "metrics.rare", 100},
		{"ties", "", "", "metrics.epoch", 100},
		{"by-param", "", "", "params.lr", 100},
		{"by-name", "", "", "attributes.run_name", 100},
		{"by-end", "", "", "attributes.end_time DESC", 100},
		{"good", "", "metrics.acc > 0.9", "", 100},
		{"good-1000", "", "metrics.acc > 0.9", "metrics.acc DESC", 1000},
		{"few-good", "", "metrics.acc > 0.999", "", 100},
		{"one", "", "params.seed = '4711'", "", 100},
		{"param", "", "params.lr = '0.3'", "", 100},
		{"param-best", "", "params.lr = '0.3'", "metrics.acc DESC", 100},
		{"three", "", "metrics.acc > 0.9 AND params.lr = '0.3' AND tags.team = 'b'", "metrics.loss", 100},
		{"joint-rare", "", "metrics.acc > 0.95 AND metrics.loss < 0.05", "", 100},
		{"never-both", "", "params.lr = '0.3' AND params.lrs = '4'", "", 100},
		{"none", "", "params.lr = 'x'", "", 100},
		{"missing", "", "tags.absent IS NULL", "", 100},
		{"like-common", "", "tags.note LIKE 'run number %'", "", 100},
		{"like-one", "", "tags.note LIKE '%number 4711'", "", 100},
		{"name", "", "attributes.run_name = 'bold-fox-4711'", "", 100},
		{"failed", "", "attributes.status = 'Failed' AND metrics.acc > 0.5", "", 100},
		{"since", "", "attributes.start_time > 1700000000000 AND metrics.acc > 0.99", "", 100},
	}
}

func benchSearch(b *testing.B, db *sqlstore.DB, c searchCase) {
	f := run.Filter{Workspace: "ws"}
	if c.experiments != "" {
		f.Experiments = strings.Split(c.experiments, ",")
	}
	var err error
	if f.Where, err = query.Parse(c.where); err != nil {
		b.Fatal(err)
	}
	if c.order != "" {
		o, err := query.ParseOrder(c.order)
		if err != nil {
			b.Fatal(err)
		}
		f.Order = []query.Order{o}
	}
	var took []time.Duration
	found := 0
	for b.Loop() {
		start := time.Now()
		items, _, err := db.Runs().List(b.Context(), f, store.Page{Limit: c.limit})
		if err != nil {
			b.Fatal(err)
		}
		took, found = append(took, time.Since(start)), len(items)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(found), "runs")
}

func fillSearch(b *testing.B, db *sqlstore.DB, n int) {
	b.Helper()
	var wg sync.WaitGroup
	metrics := db.Metrics(metric.Limits{})
	for w := range 64 {
		wg.Go(func() {
			d := rand.New(rand.NewPCG(1, uint64(w)))
			for i := w; i < n; i += 64 {
				r, points := searchRun(d, i)
				err := db.Runs().Insert(b.Context(), r)
				if err == nil {
					err = metrics.Append(b.Context(), metric.Key{Workspace: "ws", Run: r.ID}, points)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func searchRun(d *rand.Rand, i int) (run.Run, []metric.Point) {
	r := aRun(i)
	r.Origin, r.Spec = run.External, run.Spec{}
	if r.Display = fmt.Sprint("bold-fox-", i); i%200 == 0 {
		r.Experiment = "small"
	}
	r.Status = run.Status{State: run.Completed, Started: time.UnixMilli(1_600_000_000_000 + d.Int64N(150_000_000_000))}
	if i%50 == 0 {
		r.Status.State = run.Failed
	}
	r.Status.Ended = r.Status.Started.Add(time.Duration(d.IntN(3600)) * time.Second)
	lr := i % 10
	r.Params = map[string]string{
		"lr": fmt.Sprintf("0.%d", lr), "lrs": fmt.Sprint(lr), "batch": fmt.Sprint(16 << (i % 4)), "seed": fmt.Sprint(i),
		"optimizer": []string{"adam", "sgd"}[i%2], "layers": fmt.Sprint(d.IntN(20)),
	}
	r.Tags = map[string]string{
		"team": string(rune('a' + d.IntN(5))), "note": fmt.Sprint("run number ", i), "mlflow.user": "ada", "mlflow.source.name": "/home/ada/train.py",
	}
	points := []metric.Point{
		{Name: "acc", Value: d.Float64()}, {Name: "loss", Value: d.Float64()}, {Name: "epoch", Value: 10}, {Name: "f1", Value: d.Float64()},
	}
	if i%2000 == 0 {
		points = append(points, metric.Point{Name: "rare", Value: d.Float64()})
	}
	for n := range points {
		points[n].Time = r.Status.Started
	}
	return r, points
}
