package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Of a job whose process reaches the server.
const (
	spoolDir  = "spool"      // writes that wait for the server
	spoolLock = "spool.lock" // flock of who sends them
)

const (
	spoolLimit = 1 << 30 // bytes, where the job says nothing else
	spoolBatch = 256     // writes that one wait for the disk serves
)

var (
	errSpoolFull   = errors.New("as much is kept as may be")
	errSpoolClosed = errors.New("the job has ended")
)

// spool keeps writes on the job's disk, in the order in which they came, until they are sent. The files in its folder
// are numbered; what was sent of one is sent again after a death, which the server knows. Its methods may be called
// from several goroutines, but next and sent from one alone.
type spool struct {
	dir     string
	limit   int64
	lane    string // of what got its place here
	lock    *os.File
	adds    chan *adding
	quit    chan struct{}
	stopped chan struct{}
	count   atomic.Int64 // writes that wait

	mu       sync.Mutex
	sequence int64
	segments []*segment // the oldest first; the last one grows
	number   int64      // of the newest segment there was
	size     int64      // of all
	read     int64      // bytes of the first one that are sent
	changed  chan struct{}
}

type adding struct {
	rec  *spooled
	done chan error
}

// openSpool opens what a job's folder holds, whose end may be torn. It fails with EWOULDBLOCK where another process
// sends it.
func openSpool(job string, limit int64) (*spool, error) {
	f, err := os.OpenFile(filepath.Join(job, spoolLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, err // where there are no locks, two may send: the server knows what it has
	}
	s := &spool{
		dir: filepath.Join(job, spoolDir), limit: limit, lane: newLane(), lock: f, adds: make(chan *adding, spoolBatch),
		quit: make(chan struct{}), stopped: make(chan struct{}), changed: make(chan struct{}),
	}
	if err := s.load(); err != nil {
		s.shut()
		return nil, err
	}
	go s.run()
	return s, nil
}

// newLane returns a name that no lane of the job had.
func newLane() string { return strconv.FormatInt(time.Now().UnixNano(), 36) + rand.Text()[:4] }

// load opens the files that are there.
func (s *spool) load() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries { // in the order of their names
		n, err := strconv.ParseInt(e.Name(), 10, 64)
		if err != nil {
			continue
		}
		f, err := os.OpenFile(filepath.Join(s.dir, e.Name()), os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		g := &segment{File: f}
		s.segments, s.number = append(s.segments, g), n
		for {
			rec, length, err := g.record(g.size)
			if rec == nil {
				if err == nil {
					err = f.Truncate(g.size) // the rest is torn: who sent it has no answer
				}
				if err != nil {
					return err
				}
				break
			}
			g.size += length
			s.count.Add(1)
		}
		s.size += g.size
	}
	return s.trim()
}

// waiting reports whether something waits.
func (s *spool) waiting() bool { return s.count.Load() > 0 }

// watch returns a channel that closes when what waits changes.
func (s *spool) watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// tell closes the channel of watch. s.mu is held.
func (s *spool) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// add keeps a write; it is on disk when add returns. errSpoolFull and what the disk says are no answers: the write may
// be kept later.
func (s *spool) add(ctx context.Context, rec *spooled) error {
	a := &adding{rec, make(chan error, 1)}
	select {
	case s.adds <- a:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.quit:
		return errSpoolClosed
	}
	select {
	case err := <-a.done:
		return err
	case <-s.stopped:
		return errSpoolClosed
	}
}

func (s *spool) run() {
	defer close(s.stopped)
	for {
		select {
		case <-s.quit:
			return
		case a := <-s.adds:
			batch := []*adding{a}
			for len(batch) < spoolBatch && len(s.adds) > 0 {
				batch = append(batch, <-s.adds)
			}
			s.commit(batch)
		}
	}
}

// commit writes a batch and waits once for the disk. What does not fit is refused; what the disk does not take is taken
// back.
func (s *spool) commit(batch []*adding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text []byte
	var fit []*adding
	before := s.sequence
	for _, a := range batch {
		b, err := s.place(a.rec)
		if err == nil && s.size+int64(len(text)+len(b)) > s.limit {
			err = errSpoolFull
		}
		if err != nil {
			a.done <- err
			continue
		}
		text, fit = append(text, b...), append(fit, a)
	}
	err := s.write(text)
	if err == nil {
		s.count.Add(int64(len(fit)))
		s.tell()
	} else {
		s.sequence = before
	}
	for _, a := range fit {
		a.done <- err
	}
}

// place encodes a write, with a sequence of its own if it has none.
func (s *spool) place(rec *spooled) ([]byte, error) {
	v := *rec
	if v.Lane == "" {
		s.sequence++ // a gap, where it does not fit, is none of the server's business
		v.Lane, v.Sequence = s.lane, s.sequence
	}
	return encodeSpooled(&v)
}

// write appends to the last segment, or to a new one.
func (s *spool) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	g, err := s.last()
	if err != nil {
		return err
	}
	_, err = g.WriteAt(text, g.size)
	if err == nil {
		err = g.Sync()
	}
	if err != nil {
		return errors.Join(err, g.Truncate(g.size))
	}
	g.size += int64(len(text))
	s.size += int64(len(text))
	return nil
}

// next returns the oldest write that waits, and its length for sent; nil where nothing does.
func (s *spool) next() (rec *spooled, length int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 || s.read >= s.segments[0].size {
		return nil, 0, nil
	}
	rec, length, err = s.segments[0].record(s.read)
	if rec == nil && err == nil {
		err = fmt.Errorf("%s cannot be read at %d", s.segments[0].Name(), s.read)
	}
	return rec, length, err
}

// sent says that what next returned is settled.
func (s *spool) sent(length int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read += length
	s.count.Add(-1)
	return s.trim()
}

// trim removes the files of which everything is sent, and tells.
func (s *spool) trim() (err error) {
	for len(s.segments) > 0 && s.read >= s.segments[0].size {
		g := s.segments[0]
		s.segments, s.size, s.read = s.segments[1:], s.size-g.size, 0
		err = errors.Join(err, os.Remove(g.Name()), g.Close())
	}
	s.tell()
	return err
}

// drop forgets what waits, and returns how many writes that were.
func (s *spool) drop() (n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.count.Swap(0)
	for _, g := range s.segments {
		err = errors.Join(err, os.Remove(g.Name()), g.Close())
	}
	s.segments, s.size, s.read = nil, 0, 0
	s.tell()
	return n, err
}

// close ends the spool; what waits stays on disk.
func (s *spool) close() {
	close(s.quit)
	<-s.stopped
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 {
		_ = os.Remove(s.dir)
	}
	s.shut()
}

func (s *spool) shut() {
	for _, g := range s.segments {
		g.Close()
	}
	s.lock.Close()
}
