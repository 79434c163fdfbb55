package sshx

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// stream is a connection made from the machine. Unlike an SSH channel it has deadlines: one that
// passes while a call reads leaves the stream as it is; one that passes while it writes closes it,
// since a part may be on its way.
type stream struct {
	rw    io.ReadWriteCloser
	half  func() error // closes the direction away from us
	done  func()
	start sync.Once
	data  chan []byte // what the pump read
	gone  chan struct{}
	shut  sync.Once

	reading sync.Mutex
	rest    []byte
	err     error // of the pump; read after data is closed

	read, write deadline
}

func newStream(rw io.ReadWriteCloser, half func() error, done func()) *stream {
	return &stream{rw: rw, half: half, done: done, data: make(chan []byte), gone: make(chan struct{})}
}

// pump reads, for Read to be able to give up.
func (s *stream) pump() {
	defer close(s.data)
	for {
		b := make([]byte, 32<<10)
		n, err := s.rw.Read(b)
		if n > 0 {
			select {
			case s.data <- b[:n]:
			case <-s.gone:
				s.err = net.ErrClosed
				return
			}
		}
		if err != nil {
			s.err = err
			return
		}
	}
}

// Read implements net.Conn.
func (s *stream) Read(p []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	passed := s.read.passed()
	select {
	case <-passed:
		return 0, os.ErrDeadlineExceeded
	default:
	}
	if len(s.rest) == 0 {
		s.start.Do(func() { go s.pump() })
		select {
		case <-s.gone:
			return 0, net.ErrClosed
		case <-passed:
			return 0, os.ErrDeadlineExceeded
		case b, ok := <-s.data:
			if !ok {
				return 0, s.err
			}
			s.rest = b
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Write implements net.Conn.
func (s *stream) Write(p []byte) (int, error) {
	passed := s.write.passed()
	select {
	case <-passed:
		return 0, os.ErrDeadlineExceeded
	default:
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-passed:
			s.Close()
		case <-stop:
		}
	}()
	n, err := s.rw.Write(p)
	select {
	case <-passed:
		return n, os.ErrDeadlineExceeded
	default:
		return n, err
	}
}

// Close implements net.Conn.
func (s *stream) Close() error {
	var err error
	s.shut.Do(func() {
		close(s.gone)
		err = s.rw.Close()
		s.done()
	})
	return err
}

// CloseWrite tells the peer that no more comes.
func (s *stream) CloseWrite() error { return s.half() }

// LocalAddr implements net.Conn.
func (s *stream) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// RemoteAddr implements net.Conn.
func (s *stream) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// SetDeadline implements net.Conn.
func (s *stream) SetDeadline(t time.Time) error {
	s.read.set(t)
	s.write.set(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (s *stream) SetReadDeadline(t time.Time) error { s.read.set(t); return nil }

// SetWriteDeadline implements net.Conn.
func (s *stream) SetWriteDeadline(t time.Time) error { s.write.set(t); return nil }

// deadline is a channel that closes at a time that may change.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	ch    chan struct{}
}

// passed returns a channel that is closed once the deadline has passed.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ch == nil {
		d.ch = make(chan struct{})
	}
	return d.ch
}

// set changes the deadline; zero means none. Who waits already keeps waiting for it.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh := d.timer != nil && !d.timer.Stop() // it has closed the channel, or is about to
	d.timer = nil
	if d.ch == nil || fresh || isClosed(d.ch) {
		d.ch = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	ch := d.ch
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(ch) })
		return
	}
	close(ch)
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
