package quickstart

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// readyWithin is how long a server may take to start.
const readyWithin = 60 * time.Second

// server is a server that was started as a child of this program.
type server struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
}

// start runs this same binary as a server and waits until it is ready.
func start(ctx context.Context, a *frame.App, data, logFile string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, notStarted(err.Error(), nil)
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, notStarted(err.Error(), nil)
	}
	defer log.Close()
	cmd := exec.Command(self, "serve", "--data", data, "--listen", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it in order
	if err := cmd.Start(); err != nil {
		return nil, notStarted(err.Error(), nil)
	}
	s := &server{cmd: cmd, gone: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(s.gone) }()
	if err := s.wait(ctx, data, logFile); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) wait(ctx context.Context, data, logFile string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, notStarted("it was not ready after a minute", tail(logFile)))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if p, err := client.Load(data); err == nil && answers(ctx, p) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.gone:
			return notStarted("it ended at once", tail(logFile))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop ends the server in order, and by force if that takes too long. Stopping twice is the same as
// once.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.gone:
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.gone
	}
}

// release lets the server live on.
func (s *server) release() { _ = s.cmd.Process.Release() }

func (s *server) pid() int { return s.cmd.Process.Pid }

func notStarted(why string, evidence []string) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "ServerNotStarted", What: "the quickstart's server did not start",
		Why: why, Fix: "read what it says; run: zaffre serve --data DIR", Evidence: evidence,
	}
}

// tail is the last lines of a log.
func tail(file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[max(0, len(lines)-10):]
}
