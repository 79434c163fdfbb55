package sqlstore_test

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/store/storetest"
)

// onEngines runs a benchmark on SQLite, and on PostgreSQL if there is one.
func onEngines(b *testing.B, bench func(b *testing.B, m metric.Store)) {
	b.Run("sqlite", func(b *testing.B) { bench(b, open(b).Metrics(metric.Limits{})) })
	b.Run("postgres", func(b *testing.B) {
		db, err := sqlstore.Open(b.Context(), storetest.Postgres(b), slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		bench(b, db.Metrics(metric.Limits{}))
	})
}

func stepOf(name string, n int) metric.Point {
	return metric.Point{Name: name, Kind: metric.Scalar, Value: 1 / float64(n+1), Step: int64(n), Time: time.UnixMilli(1_700_000_000_000 + int64(n))}
}

// clients has 16 goroutines share b.N calls.
func clients(b *testing.B, call func(client, n int) error) {
	b.Helper()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n > b.N {
					return
				}
				if err := call(c, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkLogMetric logs single points from 16 clients: each into a run of its own, as its relay does or not, or all into
// one metric of one run.
func BenchmarkLogMetric(b *testing.B) {
	for _, way := range []struct {
		name  string
		run   func(c int) string
		named bool
	}{
		{name: "runs of their own", run: func(c int) string { return fmt.Sprint("r", c) }},
		{name: "by relays", run: func(c int) string { return fmt.Sprint("r", c) }, named: true},
		{name: "one metric", run: func(int) string { return "r" }},
	} {
		b.Run(way.name, func(b *testing.B) {
			onEngines(b, func(b *testing.B, m metric.Store) {
				for c := range 16 {
					if err := m.Append(b.Context(), metric.Key{Workspace: "ws", Run: way.run(c)}, nil, store.Fence{Run: way.run(c), Attempt: 1}); err != nil {
						b.Fatal(err)
					}
				}
				clients(b, func(c, n int) error {
					ctx := b.Context()
					if way.named {
						ctx = store.WithOrigin(ctx, store.Origin{Run: way.run(c), Attempt: 1, Lane: "z-1/0", Sequence: int64(n)})
					}
					return m.Append(ctx, metric.Key{Workspace: "ws", Run: way.run(c)}, []metric.Point{stepOf("loss", n)})
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "points/s")
			})
		})
	}
}

// BenchmarkLogBatch logs batches of 1,000 points from one client: of one metric, of ten, or of a thousand.
func BenchmarkLogBatch(b *testing.B) {
	const size = 1000
	for _, names := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(names, " metrics"), func(b *testing.B) {
			onEngines(b, func(b *testing.B, m metric.Store) {
				b.ResetTimer()
				for n := range b.N {
					batch := make([]metric.Point, size)
					for i := range batch {
						batch[i] = stepOf(fmt.Sprint("m", i%names), n*size+i)
					}
					if err := m.Append(b.Context(), metric.Key{Workspace: "ws", Run: fmt.Sprint(n / 1000)}, batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "points/s")
			})
		})
	}
}

// BenchmarkSeries reads a metric of 1,000,000 points that were logged in batches: as a whole, and in
// pages of 25,000. Again is a batch that came before.
func BenchmarkSeries(b *testing.B) {
	const total, size = 1_000_000, 1000
	onEngines(b, func(b *testing.B, m metric.Store) {
		k := metric.Key{Workspace: "ws", Run: "r"}
		for n := range total / size {
			batch := make([]metric.Point, size)
			for i := range batch {
				batch[i] = stepOf("loss", n*size+i)
			}
			if err := m.Append(b.Context(), k, batch); err != nil {
				b.Fatal(err)
			}
		}
		read := func(b *testing.B, skip, limit, want int) {
			b.Helper()
			if got, err := m.Series(b.Context(), "r", "loss", skip, limit); err != nil || len(got) != want {
				b.Fatalf("%d points, %v", len(got), err)
			}
		}
		b.Run("whole", func(b *testing.B) {
			for b.Loop() {
				read(b, 0, 0, total)
			}
		})
		b.Run("page", func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				read(b, n%40*25_000, 25_000, 25_000)
			}
		})
		b.Run("again", func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				if err := m.Append(b.Context(), k, []metric.Point{stepOf("loss", n*7919%total)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
