package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const logGoal = 200 * time.Millisecond

const logScript = `import sys, time
end = time.time() + float(sys.argv[1])
while time.time() < end:
    print(time.time_ns(), flush=True)
    time.sleep(0.01)
`

// logLag measures from a line that a run writes to that line at a client that follows.
func logLag(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	dir := filepath.Join(b.scratch, "log")
	if err := rig.WriteFile(dir, "log.py", logScript); err != nil {
		return nil, err
	}
	request := command("python", "log.py", strconv.Itoa(b.times(20, 5)))
	if request.Snapshot, err = s.Upload(ctx, dir); err != nil {
		return nil, err
	}
	run, err := s.C.Submit(ctx, s.WS, request)
	if err != nil {
		return nil, err
	}
	lags, err := follow(ctx, s, run.ID)
	if err != nil {
		return nil, err
	}
	if run, err = s.C.Run(ctx, s.WS, run.ID); err != nil || run.State == "Failed" || len(lags) == 0 {
		return nil, errors.Join(err, failedRun(run))
	}
	p99 := rig.Percentile(lags, 99)
	return []Figure{{
		What:   fmt.Sprintf("log line written to line seen, %d lines", len(lags)),
		Zaffre: fmt.Sprintf("%s, p99 %s", ms(middle(lags)), ms(p99)), Goal: "p99 < 200 ms", OK: new(p99 < logGoal),
		Values: map[string]float64{"p50": millis(middle(lags)), "p99": millis(p99), "max": millis(rig.Percentile(lags, 100))},
	}}, nil
}

func follow(ctx context.Context, s *rig.Server, id string) ([]time.Duration, error) {
	var lags []time.Duration
	rest := ""
	err := s.C.FollowRunLog(ctx, s.WS, id, client.LogOptions{}, func(text string) error {
		seen := time.Now()
		lines := strings.Split(rest+text, "\n")
		rest = lines[len(lines)-1]
		for _, line := range lines[:len(lines)-1] {
			ns, err := strconv.ParseInt(line, 10, 64)
			if err != nil {
				return fmt.Errorf("a line of the log: %w", err)
			}
			lags = append(lags, seen.Sub(time.Unix(0, ns)))
		}
		return nil
	})
	return lags, err
}
