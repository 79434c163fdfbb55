package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	trackers    = 16 // clients at once
	batchPoints = 1000
	singleGoal  = 5_000.0   // calls a second
	batchGoal   = 200_000.0 // points a second
	historySize = 1_000_000
)

// tracking measures what runs log, over HTTP, beside MLflow's own server: single metrics, batches, and
// the history of one metric. Ours speaks TLS and demands a token, MLflow's neither.
func tracking(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	ours, err := faceOf(s)
	if err != nil {
		return nil, err
	}
	during := time.Duration(b.times(10, 3)) * time.Second
	before, _ := rig.Look(s.PID)
	single, err := logSingles(ctx, ours, during)
	if err != nil {
		return nil, err
	}
	after, _ := rig.Look(s.PID)
	batch, err := logBatches(ctx, ours, 4, during, 600)
	if err != nil {
		return nil, err
	}
	long, err := history(ctx, ours, b.times(historySize, historySize/10))
	if err != nil {
		return nil, err
	}
	peer, err := startMLflow(ctx, b) // not before: its workers take long to start
	if err != nil {
		return nil, err
	}
	defer peer.stop()
	peerSingle, err := logSingles(ctx, peer.face, during)
	if err != nil {
		return nil, err
	}
	peerBatch, err := logBatches(ctx, peer.face, 4, during, 50)
	cpu := (after.Own - before.Own) / time.Duration(len(single.each))
	return []Figure{singles(single, peerSingle, cpu), batches(batch, peerBatch), long}, err
}

// rate is what a crowd did.
type rate struct {
	each  []time.Duration
	turns float64 // a second
}

func measure(ctx context.Context, clients int, during time.Duration, do func(ctx context.Context, client, turn int) error) (rate, error) {
	each, took, err := crowd(ctx, clients, during, do)
	return rate{each, float64(len(each)) / took.Seconds()}, err
}

func singles(z, p rate, cpu time.Duration) Figure {
	return Figure{
		What:   fmt.Sprintf("log_metric from %d clients, each call answered when it is on the disk", trackers),
		Zaffre: fmt.Sprintf("%.0f/s, p99 %s", z.turns, ms(rig.Percentile(z.each, 99))),
		Peer:   fmt.Sprintf("mlflow server %.0f/s, p99 %s", p.turns, ms(rig.Percentile(p.each, 99))),
		Ratio:  fmt.Sprintf("%.0f", z.turns/p.turns), Goal: ">= 5000/s", OK: new(z.turns >= singleGoal),
		Note:   fmt.Sprintf("zaffre over TLS with a token, mlflow over plain HTTP; the clients share the cores; zaffre's server needs %s of CPU for a call", ms(cpu)),
		Values: map[string]float64{"zaffre": z.turns, "mlflow": p.turns, "cpu": millis(cpu)},
	}
}

// logSingles has each client log to a run of its own.
func logSingles(ctx context.Context, f *face, during time.Duration) (rate, error) {
	runs, err := runsFor(ctx, f, trackers)
	if err != nil {
		return rate{}, err
	}
	now := time.Now().UnixMilli()
	return measure(ctx, trackers, during, func(ctx context.Context, c, turn int) error {
		body := fmt.Appendf(nil, `{"run_id":%q,"run_uuid":%q,"key":"loss","value":%g,"timestamp":%d,"step":%d}`,
			runs[c], runs[c], 1/float64(turn+1), now+int64(turn), turn)
		return f.call(ctx, http.MethodPost, "runs/log-metric", body, nil)
	})
}

func runsFor(ctx context.Context, f *face, n int) ([]string, error) {
	runs := make([]string, n)
	for i := range runs {
		var err error
		if runs[i], _, err = f.newRun(ctx); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

func batches(z, p rate) Figure {
	zp, pp := z.turns*batchPoints, p.turns*batchPoints
	return Figure{
		What:   fmt.Sprintf("log_batch of %d points from 4 clients, bodies encoded before", batchPoints),
		Zaffre: fmt.Sprintf("%.0f points/s, p99 %s", zp, ms(rig.Percentile(z.each, 99))),
		Peer:   fmt.Sprintf("mlflow server %.0f points/s, p99 %s", pp, ms(rig.Percentile(p.each, 99))),
		Ratio:  fmt.Sprintf("%.0f", zp/pp), Goal: ">= 200000 points/s", OK: new(zp >= batchGoal),
		Values: map[string]float64{"zaffre": zp, "mlflow": pp},
	}
}

// logBatches sends bodies made before, all different: at most limit of them for each client.
func logBatches(ctx context.Context, f *face, clients int, during time.Duration, limit int) (rate, error) {
	runs, err := runsFor(ctx, f, clients)
	if err != nil {
		return rate{}, err
	}
	bodies := make([][][]byte, clients)
	for c := range bodies {
		for turn := range limit {
			bodies[c] = append(bodies[c], batchBody(runs[c], "loss", turn))
		}
	}
	return measure(ctx, clients, during, func(ctx context.Context, c, turn int) error {
		if turn >= limit {
			return errEnough
		}
		return f.call(ctx, http.MethodPost, "runs/log-batch", bodies[c][turn], nil)
	})
}

func batchBody(run, name string, turn int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"run_id":%q,"metrics":[`, run)
	for i := range batchPoints {
		if i > 0 {
			b.WriteByte(',')
		}
		step := turn*batchPoints + i
		fmt.Fprintf(&b, `{"key":%q,"value":%.6f,"timestamp":%d,"step":%d}`, name, 1/float64(step+1), 1_700_000_000_000+step, step)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// history reads a metric of n points in one answer, as MLflow's client does.
func history(ctx context.Context, f *face, n int) (Figure, error) {
	run, _, err := f.newRun(ctx)
	if err != nil {
		return Figure{}, err
	}
	for turn := range n / batchPoints {
		if err := f.call(ctx, http.MethodPost, "runs/log-batch", batchBody(run, "long", turn), nil); err != nil {
			return Figure{}, err
		}
	}
	var got struct{ Metrics []struct{ Step any } }
	began := time.Now()
	if err := f.call(ctx, http.MethodGet, "metrics/get-history?run_id="+run+"&metric_key=long", nil, &got); err != nil {
		return Figure{}, err
	}
	took := time.Since(began)
	if len(got.Metrics) != n {
		return Figure{}, fmt.Errorf("the history has %d points of %d", len(got.Metrics), n)
	}
	return Figure{
		What:   fmt.Sprintf("get_metric_history of %d points, decoded by the client", n),
		Zaffre: ms(took), Values: map[string]float64{"zaffre": millis(took)},
	}, nil
}
