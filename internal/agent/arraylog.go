package agent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// The last words of a failing task that the job's log repeats, and of how many tasks.
const (
	wordsLines = 20
	wordsBytes = 2 << 10
	wordsTasks = 50
)

// entry is one line of the journal: that a task began, or how it ended.
type entry struct {
	Task  int          `json:"task"`
	Began time.Time    `json:"began,omitzero"`
	End   *wire.Status `json:"end,omitzero"`
	Text  string       `json:"text"` // what the job's log says of it
}

func beginEntry(index int, b beginning) entry {
	return entry{Task: index, Began: b.Time, Text: "task " + strconv.Itoa(index) + " began on " + b.Node + "\n"}
}

// endEntry is how a task ended, without its last words.
func (a *array) endEntry(index int, st wire.Status) entry {
	text := "task " + strconv.Itoa(index) + " " + ending(st)
	if st.State != wire.JobDone && a.wrote(index) {
		text += "; its log: " + logOf(index)
	}
	return entry{Task: index, End: &st, Text: text + "\n"}
}

// sortEntries puts entries into the order in which they happened. Nodes have clocks of their own: no task ends before it began.
func sortEntries(list []entry) {
	began := map[int]time.Time{}
	for _, e := range list {
		if e.End == nil {
			began[e.Task] = e.Began
		}
	}
	at := func(e entry) time.Time {
		if t := began[e.Task]; e.End == nil || e.End.Ended.Before(t) {
			return t
		}
		return e.End.Ended
	}
	slices.SortFunc(list, func(x, y entry) int {
		return cmp.Or(at(x).Compare(at(y)), cmp.Compare(x.Task, y.Task), strings.Compare(x.what(), y.what()))
	})
}

// what says which of the two that a task has an entry is.
func (e entry) what() string {
	if e.End == nil {
		return beganEvent
	}
	return endedEvent
}

// catchUp reads what was written into the journal since the last look, by any agent. The last line may be torn, of one
// that died while it wrote: it was never taken, and goes.
func (a *array) catchUp() error {
	f, err := os.OpenFile(filepath.Join(a.dir, journalFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, a.read, 1<<40))
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(b, '\n') + 1
	if whole < len(b) {
		if err := f.Truncate(a.read + int64(whole)); err != nil {
			return err
		}
	}
	fresh := a.fold(b[:whole])
	return a.writeLog(fresh)
}

// fold takes lines of the journal, and returns their text.
func (a *array) fold(lines []byte) string {
	var text strings.Builder
	for line := range bytes.Lines(lines) {
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		text.WriteString(e.Text)
		if e.End == nil {
			a.began[e.Task] = e.Began
			continue
		}
		a.ended[e.Task] = *e.End
		a.over = append(a.over, e.Task)
		delete(a.unclear, e.Task)
	}
	a.read += int64(len(lines))
	a.logged += int64(text.Len())
	return text.String()
}

// write puts entries into the journal, in the order in which they happened, each task's beginning and end once.
func (a *array) write(list []entry) error {
	sortEntries(list)
	lines, err := a.lines(list)
	if err != nil || len(lines) == 0 {
		return err
	}
	f, err := os.OpenFile(filepath.Join(a.dir, journalFile), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(lines); err != nil {
		return err
	}
	return a.catchUp()
}

// lines are the entries as they stand in the journal, without what it has already.
func (a *array) lines(list []entry) ([]byte, error) {
	var lines bytes.Buffer
	taken, failures := map[int]bool{}, a.failures()
	for _, e := range list {
		if _, over := a.ended[e.Task]; over || taken[e.Task] {
			continue
		}
		if e.End != nil {
			taken[e.Task] = true
		}
		if e.End != nil && e.End.State == wire.JobFailed {
			if failures++; failures <= wordsTasks {
				e.Text += a.lastWords(e.Task)
			}
		}
		b, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		lines.Write(append(b, '\n'))
	}
	return lines.Bytes(), nil
}

// writeLog has the log say all that the journal says: fresh is what that has come to say last. Who reads the log may have
// seen any of it, and what stands there is never changed.
func (a *array) writeLog(fresh string) error {
	f, err := os.OpenFile(filepath.Join(a.dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.Size() >= a.logged {
		return err
	}
	if fi.Size() != a.logged-int64(len(fresh)) { // somebody died between the two
		if fresh, err = a.wholeLog(); err != nil {
			return err
		}
		fresh = fresh[fi.Size():]
	}
	_, err = f.WriteString(fresh)
	return err
}

// wholeLog is the log as the journal has it.
func (a *array) wholeLog() (string, error) {
	b, err := os.ReadFile(filepath.Join(a.dir, journalFile))
	if err != nil {
		return "", err
	}
	again := &array{began: map[int]time.Time{}, ended: map[int]wire.Status{}}
	return again.fold(b), nil
}

// lastWords are the last lines of the log of a task, indented; "": there are none.
func (a *array) lastWords(index int) string {
	b := tailOf(filepath.Join(a.taskDir(index), logFile), wordsBytes)
	if len(b) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(strings.ToValidUTF8(string(b), "?"), "\r\n"), "\n")
	lines = lines[max(0, len(lines)-wordsLines):]
	return "  | " + strings.Join(lines, "\n  | ") + "\n"
}

// failures counts the tasks that failed.
func (a *array) failures() (n int) {
	for _, st := range a.ended {
		if st.State == wire.JobFailed {
			n++
		}
	}
	return n
}

// tailOf returns the end of a file, from the beginning of a line on where there is one.
func tailOf(name string, most int64) []byte {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil
	}
	from := max(0, fi.Size()-most)
	b, _ := io.ReadAll(io.NewSectionReader(f, from, most))
	if i := bytes.IndexByte(b, '\n'); from > 0 && i >= 0 {
		b = b[i+1:]
	}
	return b
}
