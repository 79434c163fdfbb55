package sshx

import (
	"context"
	"io"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Process is a command that goes on: what is written to it is its standard input, and what is read its
// standard output. Close ends it.
type Process struct {
	*pipes
	kill context.CancelFunc
	said lastWords
	done chan struct{}
}

// Begin starts a POSIX shell script with arguments, like Script, and returns before it ends. ctx bounds only
// its start: a Read fails with why it could not be started.
func (c *Conn) Begin(ctx context.Context, text string, args []string) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, timeFault(ctx)
	}
	run, kill := context.WithCancel(context.WithoutCancel(ctx))
	p := &Process{pipes: newPipes(), kill: kill, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_, err := c.Script(run, text, args, driver.Stdio{In: p.fromUs, Out: p.toUs, Err: &p.said})
		p.end(err)
	}()
	return p, nil
}

// Said returns the end of what it wrote to its standard error.
func (p *Process) Said() string { return p.said.String() }

// Close ends the command and waits for it.
func (p *Process) Close() error {
	_ = p.out.Close() // an agent ends with its input
	_ = p.pipes.Close()
	p.kill()
	return nil
}

var _ io.ReadWriteCloser = (*Process)(nil)

// lastWords keeps the end of what is written.
type lastWords struct {
	mu  sync.Mutex
	buf []byte
}

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	l.buf = l.buf[max(0, len(l.buf)-maxNoise):]
	return len(p), nil
}

func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(l.buf), "?"))
}
