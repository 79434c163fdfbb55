package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// kindGoal is what a run may take more than the engine's own tool needs for the same, submitted to ended.
const kindGoal = time.Second

// engine returns a variable by which an engine of test/engines is known, and says it where there is none.
func engine(variable, name string) (string, bool) {
	v := os.Getenv(variable)
	if v == "" {
		fmt.Fprintf(os.Stderr, "left out: %s is not up; run: test/engines/%[1]s.sh up; eval \"$(test/engines/%[1]s.sh env)\"\n", name)
	}
	return v, v != ""
}

// rival is a run through zaffre beside the same by the engine's own tool. Both return what it took.
type rival struct {
	what, tool string
	ours, bare func(context.Context) (time.Duration, error)
	outside    *[]time.Duration // what of ours is not its process; nil: that is not known
	rest       time.Duration    // before each at most, by chance: an engine that looks by the clock would favour one of them
}

// rested runs one of both after a rest.
func (r rival) rested(ctx context.Context, run func(context.Context) (time.Duration, error)) (time.Duration, error) {
	if r.rest > 0 {
		if err := pause(ctx, rand.N(r.rest)); err != nil {
			return 0, err
		}
	}
	return run(ctx)
}

// compare runs both by turns, so that other work of the machine meets both.
func (r rival) compare(ctx context.Context, b *bench) (Figure, error) {
	var ours, bare []time.Duration
	for i := range b.times(10, 3) + 1 {
		z, err := r.rested(ctx, r.ours)
		if err != nil {
			return Figure{}, fmt.Errorf("by zaffre: %w", err)
		}
		p, err := r.rested(ctx, r.bare)
		if err != nil {
			return Figure{}, fmt.Errorf("by %s: %w", r.tool, err)
		}
		if i > 0 {
			ours, bare = append(ours, z), append(bare, p)
		} else if r.outside != nil { // the first starts the agent, and fills caches
			*r.outside = nil
		}
	}
	extra, note := middle(ours)-middle(bare), fmt.Sprintf("load %.1f", loadAverage())
	if r.outside != nil {
		note += fmt.Sprintf("; before its process began and after it had ended: %s, p95 %s", ms(middle(*r.outside)), ms(late(*r.outside)))
	}
	return Figure{
		What:   r.what,
		Zaffre: fmt.Sprintf("%s, p95 %s", ms(middle(ours)), ms(late(ours))), Peer: fmt.Sprintf("%s %s, p95 %s", r.tool, ms(middle(bare)), ms(late(bare))),
		Ratio: fmt.Sprintf("%+.0f ms", millis(extra)), Goal: "at most 1 s more", OK: new(extra <= kindGoal), Note: note,
		Values: map[string]float64{"p50": millis(middle(ours)), "bare_p50": millis(middle(bare)), "load": loadAverage()},
	}, nil
}

// loadAverage is that of the last minute.
func loadAverage() float64 {
	var v float64
	_, _ = fmt.Sscan(read("/proc/loadavg"), &v)
	return v
}

// target attaches a compute target and waits until it can be used.
func target(ctx context.Context, s *rig.Server, c client.Compute) error {
	got, err := s.C.AttachCompute(ctx, s.WS, c)
	for err == nil && got.State != "Succeeded" {
		if got.State == "Failed" {
			return fmt.Errorf("the target cannot be used: %v", got.Error)
		}
		if err = pause(ctx, 20*time.Millisecond); err == nil {
			got, err = s.C.Compute(ctx, s.WS, c.Name)
		}
	}
	return err
}

// byZaffre submits a run and watches it to its end. outside, unless it is nil, takes what was not its process.
func byZaffre(s *rig.Server, r client.RunRequest, outside *[]time.Duration) func(context.Context) (time.Duration, error) {
	return func(ctx context.Context) (time.Duration, error) {
		r.Name = client.NewName()
		began := time.Now()
		run, err := s.Done(ctx, r)
		took := time.Since(began)
		if err == nil && run.State != "Completed" {
			err = failedRun(run)
		}
		if err == nil && outside != nil {
			last := run.Attempts[len(run.Attempts)-1]
			*outside = append(*outside, took-last.Ended.Sub(last.Started))
		}
		return took, err
	}
}

// scriptOf uploads a folder with one script.
func scriptOf(ctx context.Context, b *bench, s *rig.Server, name, text string) (folder, snapshot string, err error) {
	folder = filepath.Join(b.scratch, name)
	if err := rig.WriteFile(folder, "main.py", text); err != nil {
		return "", "", err
	}
	snapshot, err = s.Upload(ctx, folder)
	return folder, snapshot, err
}
