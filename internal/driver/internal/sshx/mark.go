package sshx

import (
	"bytes"
	"io"
	"sync"
)

// maxNoise is how much of what came before the mark is kept, to say what went wrong.
const maxNoise = 4 << 10

// afterMark passes on what follows the mark.
type afterMark struct {
	mark []byte
	to   io.Writer // nil: nobody wants it

	mu    sync.Mutex
	held  []byte // may hold the beginning of the mark
	noise []byte
	found bool
	err   error  // of to
	stop  func() // ends the command when to fails
}

// Write implements io.Writer.
func (w *afterMark) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	if !w.found {
		p = w.look(p)
	}
	if len(p) == 0 || w.to == nil {
		return n, nil
	}
	if w.err == nil {
		if _, w.err = w.to.Write(p); w.err != nil {
			w.stop()
		}
	}
	return n, nil // go on reading: the command must not block
}

// look searches for the mark and returns what follows it.
func (w *afterMark) look(p []byte) []byte {
	w.held = append(w.held, p...)
	if i := bytes.Index(w.held, w.mark); i >= 0 {
		w.keep(w.held[:i])
		rest := w.held[i+len(w.mark):]
		w.found, w.held = true, nil
		return rest
	}
	if cut := len(w.held) - len(w.mark); cut > 0 {
		w.keep(w.held[:cut])
		w.held = append(w.held[:0], w.held[cut:]...)
	}
	return nil
}

// keep notes noise, the latest of it.
func (w *afterMark) keep(p []byte) {
	w.noise = append(w.noise, p...)
	if over := len(w.noise) - maxNoise; over > 0 {
		w.noise = append(w.noise[:0], w.noise[over:]...)
	}
}

// seen reports whether the mark came, and what came instead.
func (w *afterMark) seen() (bool, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.found {
		return true, ""
	}
	return false, string(w.noise) + string(w.held)
}

func (w *afterMark) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
