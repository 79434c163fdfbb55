package hostagent

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// maxSaid is how much of what a process writes to its standard error is kept.
const maxSaid = 4 << 10

// process is a script that goes on: what is written to it is its standard input, and what is read its
// standard output.
type process struct {
	out  *io.PipeReader
	in   *io.PipeWriter
	kill context.CancelFunc
	said lastWords
}

// begin starts a script, like Script, and returns before it ends. ctx bounds only its start: a Read fails
// with why it could not be started.
func (p Place) begin(ctx context.Context, text string, args []string) (*process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	run, kill := context.WithCancel(context.WithoutCancel(ctx))
	proc := &process{kill: kill}
	fromUs, in := io.Pipe()
	out, toUs := io.Pipe()
	proc.in, proc.out = in, out
	go func() {
		_, err := p.Script(run, text, args, driver.Stdio{In: fromUs, Out: toUs, Err: &proc.said})
		toUs.CloseWithError(err)
		fromUs.CloseWithError(io.ErrClosedPipe)
	}()
	return proc, nil
}

func (p *process) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *process) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close ends the script.
func (p *process) Close() error {
	err := errors.Join(p.in.Close(), p.out.Close()) // an agent ends with its input
	p.kill()
	return err
}

// lastWords keeps the end of what is written.
type lastWords struct {
	mu  sync.Mutex
	buf []byte
}

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	l.buf = l.buf[max(0, len(l.buf)-maxSaid):]
	return len(p), nil
}

func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(l.buf), "?"))
}
