package spark

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

const (
	promptFirst = ">>> "
	promptMore  = "... "
	ctrlC       = 3
	interrupted = "^C" // a line that is this alone: no language of Spark's has it
)

// repl reads code from a terminal and runs it until the input ends. The terminal is raw all the time, so that what
// is typed while a statement runs is kept: keys reads Ctrl-C.
func (p *place) repl(ctx context.Context, in *os.File, language string) error {
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return err
	}
	defer func() { _ = term.Restore(int(in.Fd()), old) }()
	k := newKeys(in)
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, p.a.Stdout}, promptFirst)
	if w, h, err := term.GetSize(int(in.Fd())); err == nil && w > 0 {
		_ = t.SetSize(w, h)
	}
	t.History = openHistory(filepath.Join(p.a.StateDir(), "spark-"+language+".history"))
	for {
		code, err := readCode(t)
		if errors.Is(err, io.EOF) {
			_, err = io.WriteString(p.a.Stdout, "\r\n")
			return err
		}
		if err == nil && code != "" {
			err = p.answer(ctx, k, t, code)
		}
		if err != nil {
			return err
		}
	}
}

// readCode reads lines until they are whole. A block, which a first line opens that cannot stand alone, ends with an
// empty line; Ctrl-C drops it.
func readCode(t *term.Terminal) (string, error) {
	t.SetPrompt(promptFirst)
	var lines []string
	for {
		line, err := t.ReadLine()
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return "", err
		}
		switch {
		case line == interrupted:
			return "", nil
		case len(lines) == 0 && !opens(line):
			return strings.TrimSpace(line), nil
		case len(lines) > 0 && strings.TrimSpace(line) == "":
			return strings.Join(lines, "\n") + "\n", nil
		}
		lines = append(lines, line)
		t.SetPrompt(promptMore)
	}
}

// opens reports whether a line needs others after it.
func opens(line string) bool {
	line = strings.TrimRight(line, " \t")
	if line == "" {
		return false
	}
	return strings.HasPrefix(line, "@") || strings.ContainsAny(line[len(line)-1:], `:\([{,`) || strings.Count(line, `"""`)%2 == 1 || strings.Count(line, "'''")%2 == 1
}

// answer runs code and prints what came of it. Ctrl-C cancels the statement, and the session goes on.
func (p *place) answer(ctx context.Context, k *keys, t *term.Terminal, code string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer k.during(cancel)()
	st, err := p.run(ctx, code)
	switch {
	case client.CodeOf(err) == client.CodeUnavailable:
		p.tell(t, err) // the next statement may be answered
		return nil
	case err != nil && ctx.Err() == nil:
		return err
	case err != nil: // before it was begun
		_, _ = io.WriteString(t, p.a.Say("talk.interrupted")+"\n")
	case st.State == "canceled":
		_, _ = io.WriteString(t, p.a.Say("talk.statement.canceled", st.Number)+"\n")
	case !st.Final():
		_, _ = io.WriteString(t, p.a.Say("talk.statement.left", st.Number)+"\n")
	default:
		write(t, t, st)
	}
	return nil
}

// tell writes an error where the terminal is raw.
func (p *place) tell(t io.Writer, err error) {
	f := frame.View(err)
	_, _ = io.WriteString(t, f.Error()+"\n")
}

// keys are what is typed. It goes to the line editor, but Ctrl-C: while a statement runs it cancels that, else it
// ends the line as shells do.
type keys struct {
	typed  chan byte                          // closed when the input ends
	cancel atomic.Pointer[context.CancelFunc] // of the statement that runs
}

// typedAhead is how much may be typed while a statement runs.
const typedAhead = 64 << 10

// newKeys reads a terminal until the program ends: it cannot be asked to stop reading.
func newKeys(in io.Reader) *keys {
	k := &keys{typed: make(chan byte, typedAhead)}
	go func() {
		defer close(k.typed)
		buf := make([]byte, 256)
		for {
			n, err := in.Read(buf)
			for _, b := range buf[:n] {
				for _, b := range k.of(b) {
					k.typed <- b
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return k
}

// Read returns what was typed, and waits for it.
func (k *keys) Read(p []byte) (n int, err error) {
	b, ok := <-k.typed
	if !ok {
		return 0, io.EOF
	}
	p[0] = b
	for n = 1; n < len(p); n++ {
		select {
		case p[n], ok = <-k.typed:
		default:
			ok = false
		}
		if !ok {
			break
		}
	}
	return n, nil
}

// of is what the line editor reads for a byte. Ctrl-E, Ctrl-U take away what was typed.
func (k *keys) of(b byte) []byte {
	if b != ctrlC {
		return []byte{b}
	}
	if cancel := k.cancel.Load(); cancel != nil {
		(*cancel)()
		return nil
	}
	return []byte("\x05\x15" + interrupted + "\r")
}

// during has Ctrl-C cancel a statement, until the returned function is called.
func (k *keys) during(cancel context.CancelFunc) func() {
	k.cancel.Store(&cancel)
	return func() { k.cancel.Store(nil) }
}
