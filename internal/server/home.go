package server

import (
	"context"
	"net"
	"sync"
)

// home is a listener inside the process: relays bring the requests of runs there, by the connections that the
// server has to their targets. What comes is plain HTTP; who it comes from, its token says.
type home struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHome() *home { return &home{conns: make(chan net.Conn), done: make(chan struct{})} }

// Dial connects to it.
func (h *home) Dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case h.conns <- theirs:
		return ours, nil
	case <-h.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (h *home) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *home) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *home) Addr() net.Addr { return homeAddr{} }

type homeAddr struct{}

func (homeAddr) Network() string { return "home" }
func (homeAddr) String() string  { return "relay" }
