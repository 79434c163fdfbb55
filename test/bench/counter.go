package main

import (
	"io"
	"net"
	"sync/atomic"
)

// counter hands connections on, and counts them and what goes there.
type counter struct {
	net.Listener
	to               string
	there            atomic.Int64 // bytes
	made, open, most atomic.Int64 // connections
}

func newCounter(to string) (*counter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{Listener: l, to: to}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go c.hand(in)
		}
	}()
	return c, nil
}

func (c *counter) port() int { return c.Addr().(*net.TCPAddr).Port }

func (c *counter) close() { _ = c.Close() }

func (c *counter) hand(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	c.made.Add(1)
	if n := c.open.Add(1); n > c.most.Load() {
		c.most.Store(n)
	}
	defer c.open.Add(-1)
	go func() {
		_, _ = io.Copy(in, out)
		_ = in.Close()
	}()
	_, _ = io.Copy(counted{out, &c.there}, in)
}

// counted counts what is written.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (w counted) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.n.Add(int64(n))
	return n, err
}
