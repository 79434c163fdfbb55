package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const environmentGoal = 1.1

func requirements() []string {
	return []string{"numpy==2.2.6", "requests==2.32.5", "PyYAML==6.0.2", "packaging==25.0", "tqdm==4.67.1", "jsonschema==4.25.1"}
}

// environment measures a build beside uv alone, both with all files in uv's cache.
func environment(ctx context.Context, b *bench) ([]Figure, error) {
	uv, err := findUV(ctx, b)
	if err != nil {
		return nil, err
	}
	path := "PATH=" + filepath.Dir(uv) + string(os.PathListSeparator) + os.Getenv("PATH")
	s, err := b.serve(ctx, rig.Options{Env: []string{path}})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if _, err := buildOnce(ctx, s, 0); err != nil { // fills the cache
		return nil, err
	}
	python, err := interpreterOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, err := bareUV(ctx, b, uv, python, "warm", "hardlink"); err != nil {
		return nil, err
	}
	var ours, bare, copied []time.Duration
	for i := range b.times(10, 3) {
		z, err := buildOnce(ctx, s, i+1)
		if err != nil {
			return nil, err
		}
		p, err := bareUV(ctx, b, uv, python, fmt.Sprint("link", i), "hardlink")
		if err != nil {
			return nil, err
		}
		c, err := bareUV(ctx, b, uv, python, fmt.Sprint("copy", i), "copy")
		if err != nil {
			return nil, err
		}
		ours, bare, copied = append(ours, z), append(bare, p), append(copied, c)
	}
	z, p := middle(ours), middle(bare)
	return []Figure{{
		What:   fmt.Sprintf("build an environment of %d requirements, uv's cache warm", len(requirements())),
		Zaffre: ms(z), Peer: "uv " + ms(p), Ratio: ratio(z, p), Goal: "<= 1.10", OK: new(float64(z) <= environmentGoal*float64(p)),
		Note:   fmt.Sprintf("uv that copies from its cache, as builds of root do: %s", ms(middle(copied))),
		Values: map[string]float64{"zaffre": millis(z), "uv": millis(p), "uv_copy": millis(middle(copied))},
	}}, nil
}

// buildOnce builds a definition that nobody has built: a variable makes it another one.
func buildOnce(ctx context.Context, s *rig.Server, i int) (time.Duration, error) {
	env, err := s.C.RegisterEnvironment(ctx, s.WS, client.Environment{
		Name: "bench", Pip: requirements(), Variables: map[string]string{"ROUND": strconv.Itoa(i)},
	})
	if err != nil {
		return 0, err
	}
	version, began := strconv.Itoa(env.Version), time.Now()
	build, err := s.C.BuildEnvironment(ctx, s.WS, env.Name, version, "server")
	for err == nil && build.State == "running" {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
		build, err = s.C.Build(ctx, s.WS, env.Name, version, "server")
	}
	if err == nil && build.State != "done" {
		err = fmt.Errorf("the build is %s: %v", build.State, build.Error)
	}
	return time.Since(began), err
}

// interpreterOf returns the interpreter below the environment that was built, so that both have the same.
func interpreterOf(ctx context.Context, s *rig.Server) (string, error) {
	r := command("python", "-c", "import os, sys; print(os.path.realpath(sys.executable))")
	r.Environment = "bench"
	run, err := s.Done(ctx, r)
	if err != nil {
		return "", err
	}
	if run.State != "Completed" {
		return "", failedRun(run)
	}
	log, err := s.C.RunLog(ctx, s.WS, run.ID, client.LogOptions{})
	if err != nil {
		return "", err
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	return strings.TrimSpace(string(text)), err
}

// bareUV does what a user would do by hand. mode is how uv takes files from its cache.
func bareUV(ctx context.Context, b *bench, uv, python, name, mode string) (time.Duration, error) {
	dir := filepath.Join(b.scratch, "uv", name)
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, uv, args...)
		cmd.Env = append(os.Environ(), "UV_CACHE_DIR="+filepath.Join(b.scratch, "uv-cache"), "UV_LINK_MODE="+mode)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("uv %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	began := time.Now()
	if err := run("venv", "-q", "--python", python, dir); err != nil {
		return 0, err
	}
	err := run(append([]string{"pip", "install", "-q", "--python", filepath.Join(dir, "bin", "python")}, requirements()...)...)
	return time.Since(began), err
}

// findUV returns uv, the same for both: the one on the PATH, or one in the cache folder.
func findUV(ctx context.Context, b *bench) (string, error) {
	if uv, err := exec.LookPath("uv"); err == nil && exec.CommandContext(ctx, uv, "--version").Run() == nil {
		return uv, nil
	}
	venv := filepath.Join(b.cache, "uv")
	uv := filepath.Join(venv, "bin", "uv")
	if exec.CommandContext(ctx, uv, "--version").Run() == nil {
		return uv, nil
	}
	if out, err := exec.CommandContext(ctx, b.python, "-m", "venv", "--clear", venv).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make a virtual environment: %w: %s", err, out)
	}
	if out, err := exec.CommandContext(ctx, filepath.Join(venv, "bin", "pip"), "install", "-q", "uv").CombinedOutput(); err != nil {
		return "", fmt.Errorf("install uv: %w: %s", err, out)
	}
	return uv, nil
}
