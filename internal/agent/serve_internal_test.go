package agent

import (
	"io"
	"testing"
	"time"
)

// cutLink is a channel whose other end is gone, and nobody said so: it sends a ping, takes no answer, and then what is
// read never comes.
type cutLink struct {
	ping chan []byte
	ever chan struct{}
}

func (l cutLink) Read(b []byte) (int, error) {
	select {
	case p := <-l.ping:
		return copy(b, p), nil
	case <-l.ever:
		return 0, io.EOF
	}
}

func (l cutLink) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (l cutLink) Close() error              { return nil }

// An agent whose link was cut ends, though the read of its input does not: else it would stay, and work, until its sshd
// hears of the cut, which may be never.
func TestServeEndsWithoutItsInput(t *testing.T) {
	t.Parallel()
	s, err := newServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.hub.close()
	l := cutLink{make(chan []byte, 1), make(chan struct{})}
	defer close(l.ever)
	l.ping <- []byte{0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7} // yamux: version 0, ping, SYN
	ended := make(chan error, 1)
	go func() { ended <- s.serve(l) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it goes on without a link")
	}
}
