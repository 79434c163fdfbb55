package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	readyGoal  = 300 * time.Millisecond
	memoryGoal = 60e6
	cliGoal    = 10
)

// start measures how soon the server is ready, what it takes when idle, and how soon the CLI starts.
func start(ctx context.Context, b *bench) ([]Figure, error) {
	figures := []Figure{size(b)}
	cli, err := cliStart(ctx, b)
	if err != nil {
		return figures, err
	}
	figures = append(figures, cli)
	first, again, s, err := starts(ctx, b)
	if err != nil {
		return figures, err
	}
	defer s.Stop()
	figures = append(figures, ready("first start to ready (makes CA, keys, database)", first), ready("start to ready", again))
	idle, err := idleServer(ctx, s)
	return append(figures, idle...), err
}

func size(b *bench) Figure {
	f := Figure{What: "size of the binary", Goal: "< 60 MB"}
	if info, err := os.Stat(b.bin); err == nil {
		f.Zaffre, f.OK = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), new(info.Size() < memoryGoal)
		f.Values = map[string]float64{"bytes": float64(info.Size())}
	}
	return f
}

const hello = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"

// cliStart compares with a Go program that says hello.
func cliStart(ctx context.Context, b *bench) (Figure, error) {
	dir := filepath.Join(b.scratch, "hello")
	if err := rig.WriteFile(dir, "main.go", hello); err != nil {
		return Figure{}, err
	}
	if err := rig.WriteFile(dir, "go.mod", "module hello\n"); err != nil {
		return Figure{}, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "hello", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return Figure{}, fmt.Errorf("build hello: %w: %s", err, out)
	}
	var ours, bare []time.Duration
	for range b.times(60, 20) {
		z, err := timed(exec.CommandContext(ctx, b.bin, "version"))
		if err != nil {
			return Figure{}, fmt.Errorf("zaffre version: %w", err)
		}
		h, err := timed(exec.CommandContext(ctx, filepath.Join(dir, "hello")))
		if err != nil {
			return Figure{}, err
		}
		ours, bare = append(ours, z), append(bare, h)
	}
	z, h := middle(ours), middle(bare)
	return Figure{
		What: "zaffre version, beside a Go hello-world", Zaffre: ms(z), Peer: ms(h), Ratio: ratio(z, h),
		Goal: "<= 10", OK: new(float64(z) <= cliGoal*float64(h)), Values: map[string]float64{"zaffre": millis(z), "hello": millis(h)},
	}, nil
}

func timed(cmd *exec.Cmd) (time.Duration, error) {
	began := time.Now()
	err := cmd.Run()
	return time.Since(began), err
}

// starts returns the times of some first starts, and of some later ones. The last server runs on.
func starts(ctx context.Context, b *bench) (first, again []time.Duration, s *rig.Server, err error) {
	n := b.times(10, 3)
	for range n {
		if s != nil {
			s.Stop()
		}
		if s, err = b.serve(ctx, rig.Options{}); err != nil {
			return nil, nil, nil, err
		}
		first = append(first, s.Ready)
	}
	for range n {
		s.Stop()
		if s, err = b.serve(ctx, rig.Options{Data: s.Data, Port: s.Port}); err != nil {
			return nil, nil, nil, err
		}
		again = append(again, s.Ready)
	}
	return first, again, s, nil
}

func ready(what string, took []time.Duration) Figure {
	m, l := middle(took), late(took)
	return Figure{
		What: what, Zaffre: fmt.Sprintf("%s, p95 %s", ms(m), ms(l)), Goal: "< 300 ms", OK: new(l < readyGoal),
		Values: map[string]float64{"p50": millis(m), "p95": millis(l)},
	}
}

// idleServer looks at a server that nobody asks for anything, after one run and a pause.
func idleServer(ctx context.Context, s *rig.Server) ([]Figure, error) {
	began := time.Now()
	if _, err := s.Done(ctx, command("true")); err != nil {
		return nil, err
	}
	first := time.Since(began)
	if err := pause(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	memory, agents := rig.RSS(s.PID), int64(0)
	before, _ := rig.Look(s.PID)
	for _, a := range rig.Agents(s.PID) {
		agents += rig.RSS(a.PID)
	}
	const watch = 10 * time.Second
	if err := pause(ctx, watch); err != nil {
		return nil, err
	}
	after, _ := rig.Look(s.PID)
	cpu := 100 * float64(after.Own-before.Own) / float64(watch)
	return []Figure{
		{What: "first run after a start (starts the agent), submit to done", Zaffre: ms(first), Values: map[string]float64{"ms": millis(first)}},
		{
			What: "idle memory of the server", Zaffre: fmt.Sprintf("%.1f MB", float64(memory)/1e6), Goal: "< 60 MB", OK: new(memory < memoryGoal),
			Note:   fmt.Sprintf("and its agent %.1f MB (resident)", float64(agents)/1e6),
			Values: map[string]float64{"server_bytes": float64(memory), "agent_bytes": float64(agents)},
		},
		{What: "idle CPU of the server", Zaffre: fmt.Sprintf("%.2f %% of a core", cpu), Values: map[string]float64{"percent": cpu}},
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
