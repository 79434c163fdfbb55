package job

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/engine"
)

// teller writes the log.
type teller struct {
	mu    sync.Mutex
	out   io.Writer
	begin time.Time
}

func (t *teller) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, format+"\n", args...)
}

func (t *teller) took() string { return fmt.Sprintf("%.1f s", time.Since(t.begin).Seconds()) }

// step says what the engine does.
func (t *teller) step(step engine.Step, f engine.File) {
	switch step {
	case engine.Read, engine.Wrote:
		t.say("%s /%s: %s, after %s", step, f.Path, count(int(f.Rows), "row"), t.took())
	default:
		t.say("%s /%s", step, f.Path)
	}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// Title says what is wrong in one line, as compilers do: FILE:LINE:COLUMN before it.
func Title(script string, f *fault.Error) string {
	if line, column := usql.Place(f.Field); line > 0 {
		script = fmt.Sprintf("%s:%d:%d", script, line, column)
	}
	return script + ": " + f.What + ": " + f.Why
}

// Lines says all of a fault of a script.
func Lines(script string, f *fault.Error) []string {
	lines := []string{"error: " + Title(script, f)}
	for _, e := range f.Evidence {
		lines = append(lines, "  evidence: "+e)
	}
	if len(f.Evidence) == 0 && f.Err != nil {
		lines = append(lines, "  evidence: "+f.Err.Error())
	}
	return append(lines, "  what to do: "+f.Fix)
}
