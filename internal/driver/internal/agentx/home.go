package agentx

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/hashicorp/yamux"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// Home connects to the server's own listener: see driver.Target.
type Home = func(ctx context.Context) (net.Conn, error)

// accept hands the streams that the agent opens to the server, until the channel ends.
func (s *Session) accept(c *channel) {
	for {
		st, err := c.mux.AcceptStream()
		if err != nil {
			return
		}
		go s.bring(st)
	}
}

// bring does what the agent asks for: the way to the server, or what builds need.
func (s *Session) bring(st *yamux.Stream) {
	defer st.Close()
	in := wire.NewStream(st)
	var req wire.Request
	if in.Recv(&req) != nil {
		return
	}
	if slices.Contains([]string{wire.OpTool, wire.OpIndex, wire.OpRoute}, req.Op) {
		s.supply(req.Op, in, st)
		return
	}
	if in.Recv(&wire.Empty{}) != nil || req.Op != wire.OpHome || s.Home == nil {
		return
	}
	conn, err := s.Home(context.Background())
	if err != nil {
		return
	}
	join(st, conn)
}

// join carries bytes both ways, and closes the connection.
func join(st *yamux.Stream, conn net.Conn) {
	defer conn.Close()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(conn, st)
		_ = conn.Close() // HTTP has no half-closed connections
	})
	_, _ = io.Copy(st, conn)
	_ = st.Close()
	both.Wait()
}
