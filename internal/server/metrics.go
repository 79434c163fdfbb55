package server

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/api/native"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
)

// metrics are the server's own numbers, in a registry of their own.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	reconcile *prometheus.HistogramVec
	failures  *prometheus.CounterVec
}

func newMetrics(runs runCounter) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zaffre_http_request_duration_seconds", Help: "Time to answer, by route; of streams, how long they were open.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}, []string{"route", "status"}),
		reconcile: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zaffre_reconcile_duration_seconds", Help: "Time of one step of one record, by its kind.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .5, 1, 5, 30},
		}, []string{"kind"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zaffre_reconcile_failures_total", Help: "Steps that failed, by the kind of the record and the fault's code.",
		}, []string{"kind", "code"}),
	}
	m.registry.MustRegister(m.requests, m.reconcile, m.failures, newRunCollector(runs),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
}

// request counts a request under its route: paths hold names, and those are without end.
func (m *metrics) request(_ *http.Request, i *httpx.Info, status int, took time.Duration) {
	route := i.Route
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

// count wraps a Func.
func (m *metrics) count(kind string, f reconcile.Func) reconcile.Func {
	took := m.reconcile.WithLabelValues(kind)
	return func(ctx context.Context, id string) (reconcile.Result, error) {
		start := time.Now()
		r, err := f(ctx, id)
		took.Observe(time.Since(start).Seconds())
		if err != nil {
			m.failures.WithLabelValues(kind, string(fault.CodeOf(err))).Inc()
		}
		return r, err
	}
}

// runCounter counts runs by state.
type runCounter interface {
	RunsByState(ctx context.Context) (map[string]int64, error)
}

// runCollector asks the database when it is scraped, and not more often than every countEvery.
type runCollector struct {
	runs runCounter
	desc *prometheus.Desc

	mu     sync.Mutex
	counts map[string]int64
	at     time.Time
}

const countEvery = 15 * time.Second

func newRunCollector(runs runCounter) *runCollector {
	return &runCollector{runs: runs, desc: prometheus.NewDesc("zaffre_runs", "Runs, by state.", []string{"state"}, nil)}
}

// Describe is part of prometheus.Collector.
func (c *runCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect is part of prometheus.Collector.
func (c *runCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) > countEvery {
		ctx, cancel := context.WithTimeout(context.Background(), checkWithin)
		defer cancel()
		counts, err := c.runs.RunsByState(ctx)
		if err != nil {
			ch <- prometheus.NewInvalidMetric(c.desc, err)
			return
		}
		c.counts, c.at = counts, time.Now()
	}
	for state, n := range c.counts {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), state)
	}
}

// readsAll lets those pass who may read every workspace.
func readsAll(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := identity.Require(r.Context(), identity.AllWorkspaces, identity.Reader); err != nil {
			native.WriteFault(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
