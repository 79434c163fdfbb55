package quickstart

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// readyWithin is how long a server may take to start.
const readyWithin = 60 * time.Second

// server is a server that was started as a child of this program.
type server struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
}

// start runs this same binary as a server and waits until it is ready. livesOn: it may outlive this
// program.
func start(ctx context.Context, data, logFile string, livesOn bool) (*server, error) {
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
	cmd.SysProcAttr = childAttr(livesOn)
	s := &server{cmd: cmd, gone: make(chan struct{})}
	if err := s.launch(); err != nil {
		return nil, notStarted(err.Error(), nil)
	}
	if err := s.wait(ctx, data, logFile); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// launch starts the process and waits for it on a thread of its own, which lives as long: childAttr
// builds on that.
func (s *server) launch() error {
	started := make(chan error, 1)
	go func() {
		defer close(s.gone)
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
		}
	}()
	return <-started
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
