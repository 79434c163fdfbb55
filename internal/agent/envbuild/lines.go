package envbuild

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// lines writes whole lines to a log, without terminal codes and without passwords in URLs. It may
// be used by several goroutines.
type lines struct {
	mu   sync.Mutex
	out  io.Writer
	rest []byte
	tail []string // the last lines, for the reason of a failure
}

const (
	maxLine = 16 << 10
	maxTail = 200
)

var (
	terminalCode = lazy(`\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])`)
	urlPassword  = lazy(`(://)[^/@\s]+@`)
)

func newLines(out io.Writer) *lines {
	if out == nil {
		out = io.Discard
	}
	return &lines{out: out}
}

func (l *lines) printf(format string, a ...any) { fmt.Fprintf(l, format+"\n", a...) }

// Write takes any part of the output; what follows the last line end waits for the next.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) <= maxLine {
			return len(p), nil
		}
		if i < 0 {
			i = maxLine
		}
		l.line(l.rest[:i])
		l.rest = append(l.rest[:0], l.rest[min(i+1, len(l.rest)):]...)
	}
}

func (l *lines) line(text []byte) {
	if i := bytes.LastIndexByte(bytes.TrimRight(text, "\r"), '\r'); i >= 0 {
		text = text[i+1:] // a progress bar: its last state
	}
	text = terminalCode().ReplaceAll(bytes.TrimRight(text, "\r"), nil)
	text = urlPassword().ReplaceAll(text, []byte("${1}***@"))
	l.tail = append(l.tail, string(text))
	if len(l.tail) > 2*maxTail {
		l.tail = append(l.tail[:0], l.tail[maxTail:]...)
	}
	_, _ = l.out.Write(append(text, '\n')) // a log that cannot be written stops no build
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.line(l.rest)
		l.rest = l.rest[:0]
	}
}

// mark empties the tail; since returns what came after it.
func (l *lines) mark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = l.tail[:0]
}

func (l *lines) since() []string {
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.tail...)
}
