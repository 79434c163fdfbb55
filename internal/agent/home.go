package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/yamux"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// homeSocket is where supervisors reach the server through the agent that serves now. It is a file of the
// root: nobody else may open it.
const homeSocket = "home.sock"

// askSocket is where builds ask the server, in the operations of wire: each connection is a stream of the channel.
const askSocket = "ask.sock"

// inRoot returns a short path of a socket: those of sockets hold 107 bytes, and a root may be longer. It is good
// while the folder is open.
func inRoot(root, name string) (path string, done func(), err error) {
	dir, err := os.Open(root)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", fmt.Sprint(dir.Fd()), name), func() { dir.Close() }, nil
}

// listenIn takes a socket over from whichever agent served before. Several may do so at once: each listens on a file
// of its own, and the last one's has the name in the end.
func listenIn(root, name string) (net.Listener, error) {
	path, done, err := inRoot(root, name)
	if err != nil {
		return nil, err
	}
	defer done()
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(own); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", own)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it may be the next agent's by then
	if err := errors.Join(os.Chmod(own, 0o600), os.Rename(own, path)); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// dialHome connects to the server through the agent that serves now, on this machine or another.
func dialHome(root string) (net.Conn, error) {
	conn, err := dialIn(root, homeSocket)
	if err == nil || !exists(filepath.Join(root, doorFile)) {
		return conn, err
	}
	return dialDoor(root)
}

func dialIn(root, name string) (net.Conn, error) {
	path, done, err := inRoot(root, name)
	if err != nil {
		return nil, err
	}
	defer done()
	return net.Dial("unix", path)
}

// toHome says of a stream what its connection is for.
func toHome(st *yamux.Stream) error { return wire.NewStream(st).Open(wire.OpHome, wire.Empty{}) }

// asIs leaves that to the connection.
func asIs(*yamux.Stream) error { return nil }

// offer carries what comes to a socket to the server, each connection on a stream of its own.
func offer(l net.Listener, session *yamux.Session, begin func(*yamux.Stream) error) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			st, err := session.OpenStream()
			if err != nil {
				return
			}
			defer st.Close()
			if begin(st) == nil {
				join(conn, st)
			}
		}()
	}
}

// join copies both ways until one side ends.
func join(a, b io.ReadWriteCloser) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(a, b)
		_ = a.Close()
	})
	_, _ = io.Copy(b, a)
	_ = b.Close()
	both.Wait()
}
