package spark

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// historyLines is how many lines are kept, and read again.
const historyLines = 1000

// history is what was typed, the newest last, and the file that keeps it. A file that cannot be written keeps
// nothing: that stops nobody's work.
type history struct {
	file  string
	lines []string
}

func openHistory(file string) *history {
	h := &history{file: file}
	b, err := os.ReadFile(file)
	if err == nil && len(b) > 0 {
		h.lines = strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	}
	if len(h.lines) > historyLines {
		h.lines = h.lines[len(h.lines)-historyLines:]
		_ = os.WriteFile(file, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600)
	}
	return h
}

// Add implements term.History. The file is for the user's eyes alone: code may hold anything.
func (h *history) Add(line string) {
	if line == "" || line == interrupted || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if os.MkdirAll(filepath.Dir(h.file), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(h.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.Write(append(bytes.ReplaceAll([]byte(line), []byte("\n"), []byte(" ")), '\n'))
}

// Len implements term.History.
func (h *history) Len() int { return len(h.lines) }

// At implements term.History: 0 is the newest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
