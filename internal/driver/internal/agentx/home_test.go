package agentx_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/hashicorp/yamux"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// caller returns a starter of an agent that opens a stream with an operation when it was greeted, and says what it
// reads there.
func caller(op string, got chan<- string) agentx.Starter {
	return func(context.Context) (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		mux, err := yamux.Server(theirs, wire.Channel())
		if err != nil {
			return nil, err
		}
		go func() {
			st, err := mux.AcceptStream()
			if err != nil {
				return
			}
			var req wire.Request
			s := wire.NewStream(st)
			_ = s.Recv(&req)
			hello(s)
			out, err := mux.OpenStream()
			if err != nil {
				return
			}
			if wire.NewStream(out).Open(op, wire.Empty{}) == nil {
				_, _ = io.WriteString(out, "ping\n")
			}
			line, _ := bufio.NewReader(out).ReadString('\n')
			got <- line
		}()
		return ours, nil
	}
}

// TestHome: an agent reaches the server, if there is one to reach, and nothing else.
func TestHome(t *testing.T) {
	t.Parallel()
	echo := func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			line, _ := bufio.NewReader(theirs).ReadString('\n')
			_, _ = io.WriteString(theirs, "heard "+line)
			_ = theirs.Close()
		}()
		return ours, nil
	}
	for name, tc := range map[string]struct {
		op   string
		home agentx.Home
		want string
	}{
		"home":        {wire.OpHome, echo, "heard ping\n"},
		"no home":     {wire.OpHome, nil, ""},
		"home closed": {wire.OpHome, func(context.Context) (net.Conn, error) { return nil, errors.New("closed") }, ""},
		"another":     {wire.OpDial, echo, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan string, 1)
			s := agentx.NewSession(caller(tc.op, got))
			s.Home = tc.home
			defer s.Close()
			if _, err := s.Hello(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case line := <-got:
				if line != tc.want {
					t.Errorf("the agent read %q, want %q", line, tc.want)
				}
			case <-t.Context().Done():
				t.Fatal("the agent read nothing")
			}
		})
	}
}
