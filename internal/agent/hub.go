package agent

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// tell says to every agent process that serves root that something about a job or a build may have
// changed. Each has a FIFO of its own; one whose reader is gone is removed.
func tell(root, name string) {
	dir := filepath.Join(root, wakeDir)
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		fifo := filepath.Join(dir, n)
		if err := poke(fifo, name+"\n"); errors.Is(err, syscall.ENXIO) {
			_ = os.Remove(fifo)
		}
	}
}

// poke writes to a FIFO without waiting. A full one is as good: its reader will look.
func poke(fifo, text string) error {
	fd, err := syscall.Open(fifo, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	_, err = syscall.Write(fd, []byte(text))
	return err
}

// hub hands what supervisors tell to whoever listens in this process.
type hub struct {
	name string
	fifo *os.File
	mu   sync.Mutex
	subs map[chan string]string // the name it wants; "": all
}

func newHub(root string) (*hub, error) {
	pid := strconv.Itoa(os.Getpid())
	own := filepath.Join(root, wakeDir+"."+pid) // where nobody takes it for one without a reader
	_ = os.Remove(own)                          // of a process before us with the same pid
	if err := syscall.Mkfifo(own, 0o600); err != nil {
		return nil, err
	}
	// Open for writing too: it never ends.
	f, err := os.OpenFile(own, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(root, wakeDir, pid)
	if err := os.Rename(own, name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	h := &hub{name: name, fifo: f, subs: map[chan string]string{}}
	go h.listen()
	return h, nil
}

func (h *hub) listen() {
	for lines := bufio.NewScanner(h.fifo); lines.Scan(); {
		h.publish(lines.Text())
	}
}

// publish never waits: a listener that is behind misses some.
func (h *hub) publish(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c, want := range h.subs {
		if want == "" || want == name {
			select {
			case c <- name:
			default:
			}
		}
	}
}

// subscribe returns a channel of changes of the named thing, or of all, and what ends it.
func (h *hub) subscribe(name string, size int) (changes <-chan string, stop func()) {
	c := make(chan string, size)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[c] = name
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, c)
	}
}

func (h *hub) close() {
	_ = os.Remove(h.name)
	_ = h.fifo.Close()
}
