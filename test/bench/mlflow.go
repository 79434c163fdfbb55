package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

// mlflowVersion is the peer's.
const mlflowVersion = "3.17.0"

// mlflowServer is MLflow's own server on a database of its own.
type mlflowServer struct {
	*face
	db   string
	cmd  *exec.Cmd
	done chan struct{}
}

// startMLflow starts MLflow's own server, as its documentation has it, with its default number of
// workers. fill may put rows into its database before.
func startMLflow(ctx context.Context, b *bench) (*mlflowServer, error) {
	bin, err := installMLflow(ctx, b)
	if err != nil {
		return nil, err
	}
	port, err := rig.Port()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.scratch, "mlflow"+strconv.Itoa(port))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	m := &mlflowServer{
		face: &face{base: "http://127.0.0.1:" + strconv.Itoa(port), http: newHTTP(nil)},
		db:   filepath.Join(dir, "mlflow.db"), done: make(chan struct{}),
	}
	m.cmd = exec.Command(bin, "server", "--backend-store-uri", "sqlite:///"+m.db, "--artifacts-destination", filepath.Join(dir, "artifacts"),
		"--host", "127.0.0.1", "--port", strconv.Itoa(port))
	m.cmd.Dir, m.cmd.Stdout, m.cmd.Stderr = dir, log, log
	m.cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true")
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = m.cmd.Wait()
		close(m.done)
	}()
	return m, m.await(ctx, log.Name())
}

// await waits until it answers.
func (m *mlflowServer) await(ctx context.Context, log string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		_, _, err := m.newRun(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-m.done:
			text, _ := os.ReadFile(log)
			return fmt.Errorf("mlflow server ended at its start: %s", text[max(0, len(text)-2000):])
		case <-ctx.Done():
			m.stop()
			return fmt.Errorf("mlflow server did not become ready: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// stop ends the server and its workers.
func (m *mlflowServer) stop() {
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-m.done:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	<-m.done
}

// installMLflow returns the peer's command, which is kept in the cache folder.
func installMLflow(ctx context.Context, b *bench) (string, error) {
	venv := filepath.Join(b.cache, "mlflow-"+mlflowVersion)
	bin := filepath.Join(venv, "bin", "mlflow")
	if exec.CommandContext(ctx, bin, "--version").Run() == nil {
		return bin, nil
	}
	uv, err := findUV(ctx, b)
	if err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, uv, "venv", "-q", "--clear", "--python", b.python, venv).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make a virtual environment: %w: %s", err, out)
	}
	out, err := exec.CommandContext(ctx, uv, "pip", "install", "-q", "--python", filepath.Join(venv, "bin", "python"), "mlflow=="+mlflowVersion).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("install mlflow: %w: %s", err, out)
	}
	return bin, nil
}
