package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const firstLineGoal = 50 * time.Millisecond

const firstLineScript = "import time; print(time.time_ns(), flush=True)\nimport sys; print(sys.executable)\n"

// command asks for a run of argv in the experiment that all of bench uses.
func command(argv ...string) client.RunRequest {
	return client.RunRequest{Name: client.NewName(), Experiment: "bench", Command: argv}
}

// firstLine measures from the client's call of submit to the first line of a Python script, in an
// environment that is there, beside the same interpreter and script without zaffre.
func firstLine(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	dir := filepath.Join(b.scratch, "first")
	if err := rig.WriteFile(dir, "first.py", firstLineScript); err != nil {
		return nil, err
	}
	request := command("python", "first.py")
	if request.Snapshot, err = s.Upload(ctx, dir); err != nil {
		return nil, err
	}
	env, err := s.C.RegisterEnvironment(ctx, s.WS, client.Environment{Name: "first", Pip: []string{"six"}})
	if err != nil {
		return nil, err
	}
	request.Environment = env.Name
	_, interpreter, err := throughZaffre(ctx, s, request) // builds the environment
	if err != nil {
		return nil, err
	}
	var ours, bare []time.Duration
	for range b.times(100, 40) {
		z, _, err := throughZaffre(ctx, s, request)
		if err != nil {
			return nil, err
		}
		p, err := alone(ctx, interpreter, filepath.Join(dir, "first.py"))
		if err != nil {
			return nil, err
		}
		ours, bare = append(ours, z), append(bare, p)
	}
	return []Figure{firstLineFigure(ours, bare)}, nil
}

func firstLineFigure(ours, bare []time.Duration) Figure {
	extra := late(ours) - late(bare)
	return Figure{
		What:   fmt.Sprintf("submit to first line of Python, %d runs", len(ours)),
		Zaffre: fmt.Sprintf("%s, p95 %s", ms(middle(ours)), ms(late(ours))),
		Peer:   fmt.Sprintf("bare %s, p95 %s", ms(middle(bare)), ms(late(bare))),
		Ratio:  fmt.Sprintf("+%s", ms(extra)), Goal: "bare + 50 ms at p95", OK: new(extra <= firstLineGoal),
		Values: map[string]float64{
			"p50": millis(middle(ours)), "p95": millis(late(ours)), "bare_p50": millis(middle(bare)), "bare_p95": millis(late(bare)),
		},
	}
}

func throughZaffre(ctx context.Context, s *rig.Server, r client.RunRequest) (time.Duration, string, error) {
	r.Name = client.NewName()
	began := time.Now()
	run, err := s.Done(ctx, r)
	if err != nil {
		return 0, "", err
	}
	if run.State != "Completed" {
		return 0, "", failedRun(run)
	}
	log, err := s.C.RunLog(ctx, s.WS, run.ID, client.LogOptions{})
	if err != nil {
		return 0, "", err
	}
	defer log.Close()
	return stamps(began, log)
}

func failedRun(r client.Run) error {
	if r.Error != nil {
		return fmt.Errorf("run %s is %s: %w", r.ID, r.State, r.Error)
	}
	return fmt.Errorf("run %s is %s", r.ID, r.State)
}

func alone(ctx context.Context, interpreter, script string) (time.Duration, error) {
	began := time.Now()
	out, err := exec.CommandContext(ctx, interpreter, script).Output()
	if err != nil {
		return 0, err
	}
	took, _, err := stamps(began, strings.NewReader(string(out)))
	return took, err
}

// stamps reads what firstLineScript printed.
func stamps(began time.Time, r io.Reader) (time.Duration, string, error) {
	lines := bufio.NewScanner(r)
	lines.Scan()
	ns, err := strconv.ParseInt(strings.TrimSpace(lines.Text()), 10, 64)
	if err != nil {
		return 0, "", fmt.Errorf("the script's first line: %w", err)
	}
	if !lines.Scan() {
		return 0, "", errors.New("the script's second line is missing")
	}
	return time.Unix(0, ns).Sub(began), strings.TrimSpace(lines.Text()), lines.Err()
}
