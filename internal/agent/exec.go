package agent

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"sync"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// exec runs a command until it ends, or until the other side goes away: then it is killed.
func (s *server) exec(c *call, e wire.Exec) error {
	if len(e.Argv) == 0 {
		return invalid("the command is empty")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, e.Argv[0], e.Argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var mu sync.Mutex
	cmd.Stdout, cmd.Stderr = &output{c: c, mu: &mu, stream: 1}, &output{c: c, mu: &mu, stream: 2}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := accept(c, &mu, cmd); err != nil {
		in.Close()
		if cmd.Process != nil {
			cancel()
			_ = cmd.Wait()
		}
		return err
	}
	go func() {
		defer in.Close()
		if _, err := io.Copy(in, c); errors.Is(err, io.ErrUnexpectedEOF) {
			cancel()
			return
		}
		_ = in.Close()
		_, _ = c.conn.Read(make([]byte, 1)) // nothing more is said: it goes away
		cancel()
	}()
	return c.Send(wire.Output{Exit: new(exitOf(cmd.Wait()))})
}

// accept starts cmd and says so, before anything that it writes.
func accept(c *call, mu *sync.Mutex, cmd *exec.Cmd) error {
	mu.Lock()
	defer mu.Unlock()
	if err := cmd.Start(); err != nil {
		return &fault.Error{
			Code: fault.Precondition, Reason: "NotStarted", What: "the command cannot be started", Why: err.Error(),
			Fix: "check the program's name and path on the machine",
		}
	}
	return c.Send(wire.Empty{})
}

// exitOf returns a command's exit code, as a shell would: 128 and the signal that ended it.
func exitOf(err error) int {
	e, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0
	}
	if ws, ok := e.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return e.ExitCode()
}

// output sends what a command writes.
type output struct {
	c      *call
	mu     *sync.Mutex
	stream int
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.c.Send(wire.Output{Stream: o.stream, Data: b}); err != nil {
		return 0, err
	}
	return len(b), nil
}
