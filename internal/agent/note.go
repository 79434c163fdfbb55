package agent

import (
	"os"
	"path/filepath"
	"sync"
)

// maxNotes is how much one process writes into a run's log.
const maxNotes = 20

// noter says something in the log of a run, to whoever reads it.
type noter func(text string) error

// noteIn returns the noter of a job's folder. Whoever says too much is cut short.
func noteIn(dir string) noter {
	var mu sync.Mutex
	said := 0
	return func(text string) error {
		mu.Lock()
		defer mu.Unlock()
		if said >= maxNotes {
			return nil
		}
		if said == maxNotes-1 {
			text = "more of the same is not said here"
		}
		err := appendLine(filepath.Join(dir, logFile), "zaffre: "+text+"\n")
		if err == nil {
			said++
		}
		return err
	}
}

// appendLine appends a line, which begins on one of its own.
func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	last := make([]byte, 1)
	if fi, err := f.Stat(); err == nil && fi.Size() > 0 {
		if _, err := f.ReadAt(last, fi.Size()-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = f.WriteString(line)
	return err
}
