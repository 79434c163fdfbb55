package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	jobsGoal   = 10
	rayVersion = "2.60.0"
)

//go:embed peer/ray_jobs.py
var rayScript string

// jobs measures "echo hi" from submit to done by the API, beside Ray Jobs.
func jobs(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	var ours []time.Duration
	for i := range b.times(100, 20) + 1 {
		began := time.Now()
		run, err := s.Done(ctx, command("echo", "hi"))
		if err != nil {
			return nil, err
		}
		if run.State != "Completed" {
			return nil, failedRun(run)
		}
		if i > 0 { // the first one starts the agent
			ours = append(ours, time.Since(began))
		}
	}
	f := Figure{
		What: "echo hi, submit to done by the API, beside Ray Jobs " + rayVersion, Goal: "10 times faster",
		Zaffre: fmt.Sprintf("%s, p95 %s", ms(middle(ours)), ms(late(ours))),
		Values: map[string]float64{"p50": millis(middle(ours)), "p95": millis(late(ours))},
	}
	peer, err := rayJobs(ctx, b)
	if err != nil {
		f.Peer, f.Note = "not measured", "Ray: "+err.Error()
		return []Figure{f}, nil
	}
	f.Peer = fmt.Sprintf("%s, p95 %s", ms(middle(peer)), ms(late(peer)))
	f.Ratio = fmt.Sprintf("1/%.0f", float64(middle(peer))/float64(middle(ours)))
	f.OK = new(middle(ours)*jobsGoal <= middle(peer))
	f.Values["ray_p50"], f.Values["ray_p95"] = millis(middle(peer)), millis(late(peer))
	return []Figure{f}, nil
}

// rayJobs starts a Ray head node on loopback, submits some jobs, and ends the node.
func rayJobs(ctx context.Context, b *bench) ([]time.Duration, error) {
	venv, err := rayVenv(ctx, b)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "zr-") // short: it holds Unix sockets
	if err != nil {
		return nil, err
	}
	defer rig.Sweep(temp)
	port, dashboard, agent, err := threePorts()
	if err != nil {
		return nil, err
	}
	head := exec.CommandContext(ctx, filepath.Join(venv, "bin", "ray"), "start", "--head", "--block",
		"--node-ip-address=127.0.0.1", "--port="+port, "--dashboard-host=127.0.0.1", "--dashboard-port="+dashboard,
		"--dashboard-agent-listen-port="+agent, "--num-cpus=2", "--disable-usage-stats", "--temp-dir="+temp)
	head.Env = append(os.Environ(), "RAY_USAGE_STATS_ENABLED=0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV=0")
	head.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(filepath.Join(b.cache, "ray.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	head.Stdout, head.Stderr = log, log
	if err := head.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = syscall.Kill(-head.Process.Pid, syscall.SIGTERM)
		_ = head.Wait()
	}()
	return raySubmit(ctx, b, venv, "http://127.0.0.1:"+dashboard)
}

func raySubmit(ctx context.Context, b *bench, venv, address string) ([]time.Duration, error) {
	script := filepath.Join(b.scratch, "ray_jobs.py")
	if err := os.WriteFile(script, []byte(rayScript), 0o644); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(venv, "bin", "python"), script, address, strconv.Itoa(b.times(20, 5)))
	cmd.Env = append(os.Environ(), "RAY_USAGE_STATS_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		if x, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("%w: %s", err, x.Stderr)
		}
		return nil, err
	}
	var seconds []float64
	if err := json.Unmarshal(out, &seconds); err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, s := range seconds {
		took = append(took, time.Duration(s*float64(time.Second)))
	}
	return took, nil
}

// rayVenv returns a virtual environment with Ray, made at the first call.
func rayVenv(ctx context.Context, b *bench) (string, error) {
	return b.venv(ctx, "ray-"+rayVersion, "import ray", "ray[default]=="+rayVersion)
}

// venv returns a virtual environment in which a line of Python works, made at the first call.
func (b *bench) venv(ctx context.Context, name, works string, packages ...string) (string, error) {
	venv := filepath.Join(b.cache, name)
	if exec.CommandContext(ctx, filepath.Join(venv, "bin", "python"), "-c", works).Run() == nil {
		return venv, nil
	}
	fmt.Fprintln(os.Stderr, "installing", packages, "into", venv)
	if out, err := exec.CommandContext(ctx, b.python, "-m", "venv", "--clear", venv).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make a virtual environment: %w: %s", err, out)
	}
	pip := exec.CommandContext(ctx, filepath.Join(venv, "bin", "pip"), append([]string{"install", "-q"}, packages...)...)
	if out, err := pip.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it cannot be installed: %w: %s", err, out)
	}
	return venv, nil
}

func threePorts() (a, b, c string, err error) {
	var ports [3]string
	for i := range ports {
		p, err := rig.Port()
		if err != nil {
			return "", "", "", err
		}
		ports[i] = strconv.Itoa(p)
	}
	return ports[0], ports[1], ports[2], nil
}
