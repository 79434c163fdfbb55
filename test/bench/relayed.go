package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/relay"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const relayGoal = 0.85 // of the rate without a name

// relayed measures what it costs that each write of a run has a name which the server keeps: the same calls with the same
// token, without a name, with one, and by the relays of runs, by turns.
func relayed(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{Slots: trackers, Env: []string{"ZAFFRE_LOCAL_USER=same"}})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	ours, err := faceOf(s)
	if err != nil {
		return nil, err
	}
	runs := make([]*loggingRun, trackers)
	for i := range runs {
		if runs[i], err = startLogging(ctx, s, filepath.Join(b.scratch, fmt.Sprint("variables", i))); err != nil {
			return nil, err
		}
	}
	ways := []func(ctx context.Context, r *loggingRun, turn int) error{
		func(ctx context.Context, r *loggingRun, turn int) error { return r.log(ctx, ours, turn, false) },
		func(ctx context.Context, r *loggingRun, turn int) error { return r.log(ctx, ours, turn, true) },
		func(ctx context.Context, r *loggingRun, turn int) error { return r.log(ctx, r.near, turn, false) },
	}
	rates, cpu := make([][]float64, len(ways)), make([]time.Duration, len(ways))
	for range b.times(7, 3) {
		for i, way := range ways {
			before, _ := rig.Look(s.PID)
			got, err := measure(ctx, trackers, 2*time.Second, func(ctx context.Context, c, turn int) error { return way(ctx, runs[c], turn) })
			if err != nil {
				return nil, err
			}
			after, _ := rig.Look(s.PID)
			rates[i], cpu[i] = append(rates[i], got.turns), (after.Own-before.Own)/time.Duration(len(got.each))
		}
	}
	bare, named, near := median(rates[0]), median(rates[1]), median(rates[2])
	return []Figure{{
		What:   fmt.Sprintf("log_metric from %d clients, each write known by a name", trackers),
		Zaffre: fmt.Sprintf("%.0f/s", named), Peer: fmt.Sprintf("without a name %.0f/s", bare), Ratio: fmt.Sprintf("%.2f", named/bare),
		Goal: fmt.Sprintf(">= %.2f", relayGoal), OK: new(named >= relayGoal*bare),
		Note:   fmt.Sprintf("by the relays of %d runs, whose processes share the cores: %.0f/s; the server needs %s of CPU for a call, without a name %s", trackers, near, ms(cpu[1]), ms(cpu[0])),
		Values: map[string]float64{"named": named, "bare": bare, "relayed": near},
	}}, nil
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// loggingRun is a run that does nothing itself.
type loggingRun struct {
	id, token string
	near      *face // its relay
	sequence  int   // of the last write with a name
}

// startLogging starts one, which writes down by what it reaches the server.
func startLogging(ctx context.Context, s *rig.Server, file string) (*loggingRun, error) {
	const tell = `echo "$MLFLOW_TRACKING_URI $MLFLOW_TRACKING_TOKEN $MLFLOW_RUN_ID $REQUESTS_CA_BUNDLE" >"$1.new"; mv "$1.new" "$1"; exec sleep 3600`
	if _, err := s.C.Submit(ctx, s.WS, client.RunRequest{Compute: "server", Command: []string{"sh", "-c", tell, "sh", file}}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		text, err := os.ReadFile(file)
		if f := strings.Fields(string(text)); err == nil && len(f) == 4 {
			pool, err := poolFrom(f[3])
			return &loggingRun{id: f[2], token: f[1], near: &face{base: f[0], token: f[1], http: newHTTP(pool)}}, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("a run does not begin: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// log logs one point with the run's own token.
func (r *loggingRun) log(ctx context.Context, f *face, turn int, named bool) error {
	body := fmt.Appendf(nil, `{"run_id":%q,"run_uuid":%[1]q,"key":"loss","value":%g,"timestamp":%d,"step":%d}`, r.id, 1/float64(turn+1), time.Now().UnixMilli(), turn)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.base+"/api/2.0/mlflow/runs/log-metric", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.token)
	if named {
		r.sequence++
		for name, v := range map[string]string{relay.Job: "z-bench", relay.Attempt: "1", relay.Lane: "bench", relay.Sequence: fmt.Sprint(r.sequence)} {
			req.Header.Set(name, v)
		}
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || resp.Header.Get("Warning") != "") {
		err = fmt.Errorf("%s: %s %s", resp.Status, resp.Header.Get("Warning"), text)
	}
	return err
}
