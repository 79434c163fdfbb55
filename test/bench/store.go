package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	manyRuns = 100_000
	listGoal = 20 * time.Millisecond
)

// fill has a helper insert runs into the database of a server that is stopped.
func (b *bench) fill(ctx context.Context, data, workspace, state string, n int) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./test/bench/fill", "-data", data, "-workspace", workspace, "-state", state, "-runs", strconv.Itoa(n))
	cmd.Dir, cmd.Stderr = b.root, os.Stderr
	return cmd.Run()
}

// storeSize measures the list of runs with many runs in the store.
func storeSize(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	s.Stop()
	if err := b.fill(ctx, s.Data, s.WS, "Completed", manyRuns); err != nil {
		return nil, err
	}
	if s, err = b.serve(ctx, rig.Options{Data: s.Data, Port: s.Port}); err != nil {
		return nil, err
	}
	defer s.Stop()
	figures := []Figure{{What: fmt.Sprintf("start to ready with %d runs", manyRuns), Zaffre: ms(s.Ready), Goal: "< 300 ms", OK: new(s.Ready < readyGoal)}}
	for _, l := range lists() {
		f, err := listTimes(ctx, b, s, l)
		if err != nil {
			return figures, err
		}
		figures = append(figures, f)
	}
	cli, err := listByCLI(ctx, b, s)
	return append(figures, cli), err
}

type listing struct {
	what   string
	filter client.RunFilter
	pages  int // from the newest
}

func lists() []listing {
	return []listing{
		{"run list", client.RunFilter{}, 1},
		{"run list, the 100th page", client.RunFilter{}, 100},
		{"run list, state Failed (1 in 10)", client.RunFilter{State: "Failed"}, 1},
		{"run list, state Running (none)", client.RunFilter{State: "Running"}, 1},
		{"run list, active (none)", client.RunFilter{Active: true}, 1},
		{"run list, compute", client.RunFilter{Compute: "server"}, 1},
		{"run list, a small experiment", client.RunFilter{Experiment: "exp-7"}, 1},
		{"run list, a small experiment, Failed (none)", client.RunFilter{Experiment: "exp-7", State: "Failed"}, 1},
		{"run list, a large experiment", client.RunFilter{Experiment: "exp-0"}, 1},
		{"run list, a large experiment, Failed", client.RunFilter{Experiment: "exp-0", State: "Failed"}, 1},
		{"run list, a large experiment, Running (none)", client.RunFilter{Experiment: "exp-0", State: "Running"}, 1},
		{"run list, a large experiment, active (none)", client.RunFilter{Experiment: "exp-0", Active: true}, 1},
		{"run list, a tag (1 in 7)", client.RunFilter{Tag: "lr=3"}, 1},
		{"run list, a tag that none has", client.RunFilter{Tag: "lr=9"}, 1},
	}
}

func listTimes(ctx context.Context, b *bench, s *rig.Server, l listing) (Figure, error) {
	at, items := client.Cursor{Limit: 50}, 0
	for range l.pages - 1 {
		p, err := s.C.Runs(ctx, s.WS, l.filter, at)
		if err != nil {
			return Figure{}, err
		}
		at.After = p.Next
	}
	var took []time.Duration
	for range b.times(500, 200) {
		began := time.Now()
		p, err := s.C.Runs(ctx, s.WS, l.filter, at)
		if err != nil {
			return Figure{}, err
		}
		took, items = append(took, time.Since(began)), len(p.Items)
	}
	p99 := rig.Percentile(took, 99)
	return Figure{
		What:   fmt.Sprintf("%s, of %d (%d items)", l.what, manyRuns, items),
		Zaffre: fmt.Sprintf("%s, p99 %s", ms(middle(took)), ms(p99)), Goal: "p99 < 20 ms", OK: new(p99 < listGoal),
		Values: map[string]float64{"p50": millis(middle(took)), "p99": millis(p99)},
	}, nil
}

func listByCLI(ctx context.Context, b *bench, s *rig.Server) (Figure, error) {
	var took []time.Duration
	for range b.times(40, 10) {
		cmd := exec.CommandContext(ctx, b.bin, "run", "list", "-o", "name")
		cmd.Env = append(os.Environ(), "ZAFFRE_DATA="+s.Data)
		d, err := timed(cmd)
		if err != nil {
			return Figure{}, err
		}
		took = append(took, d)
	}
	return Figure{
		What: "run list by the CLI, with its start", Zaffre: fmt.Sprintf("%s, p95 %s", ms(middle(took)), ms(late(took))),
		Values: map[string]float64{"p50": millis(middle(took)), "p95": millis(late(took))},
	}, nil
}

// due returns how many runs of a stopped server want to be looked at, by the store's work rows.
func (b *bench) due(ctx context.Context, data string) (int, error) {
	cmd := exec.CommandContext(ctx, "go", "run", "./test/bench/fill", "-data", data, "-due")
	cmd.Dir, cmd.Stderr = b.root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}
