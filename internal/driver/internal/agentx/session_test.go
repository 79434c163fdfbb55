package agentx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// peer returns a starter of an agent that answers each operation as told.
func peer(answer map[string]func(*wire.Stream)) agentx.Starter {
	return func(context.Context) (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		mux, err := yamux.Server(theirs, wire.Channel())
		if err != nil {
			return nil, err
		}
		go func() {
			for {
				st, err := mux.AcceptStream()
				if err != nil {
					return
				}
				go func() {
					defer st.Close()
					s := wire.NewStream(st)
					var req wire.Request
					if s.Recv(&req) == nil && answer[req.Op] != nil {
						answer[req.Op](s)
					}
				}()
			}
		}()
		return ours, nil
	}
}

func hello(s *wire.Stream) { _ = s.Send(wire.Hello{Version: wire.Version}) }

// job is a handle as version 1 writes it.
var job = driver.Handle{Version: 1, Data: []byte(`{"job":"z-1-1"}`)}

func TestBlackHole(t *testing.T) {
	t.Parallel()
	start := func(context.Context) (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		return ours, nil
	}
	c := &agentx.Conn{Session: agentx.NewSession(start)}
	defer c.Close()
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		begin := time.Now()
		_, err := c.Poll(ctx, job)
		cancel()
		if fault.CodeOf(err) != fault.Unavailable || time.Since(begin) > time.Minute {
			t.Errorf("Poll = %v after %s, want it unavailable after 50 ms", err, time.Since(begin))
		}
	}
}

func TestOtherVersion(t *testing.T) {
	t.Parallel()
	c := &agentx.Conn{Session: agentx.NewSession(peer(map[string]func(*wire.Stream){
		wire.OpHello: func(s *wire.Stream) { _ = s.Send(wire.Hello{Version: wire.Version + 1}) },
	}))}
	defer c.Close()
	if _, err := c.Poll(t.Context(), job); fault.ReasonOf(err) != "AgentVersion" {
		t.Errorf("Poll = %v, want AgentVersion", err)
	}
}

// TestGreeting: what a login script prints into the channel is named as what it is.
func TestGreeting(t *testing.T) {
	t.Parallel()
	c := &agentx.Conn{Session: agentx.NewSession(func(context.Context) (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		go func() { _, _ = theirs.Write([]byte("Welcome to Ubuntu 24.04 LTS\n")) }()
		return ours, nil
	})}
	defer c.Close()
	if _, err := c.Poll(t.Context(), job); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("Poll = %v, want it unavailable", err)
	}
}

// TestDiesOnce: an operation that the agent's death cut short is repeated on the next agent.
func TestDiesOnce(t *testing.T) {
	t.Parallel()
	starts := 0
	var starter agentx.Starter = func(ctx context.Context) (io.ReadWriteCloser, error) {
		starts++
		var rw io.ReadWriteCloser
		var err error
		rw, err = peer(map[string]func(*wire.Stream){
			wire.OpHello: hello,
			wire.OpPoll: func(s *wire.Stream) {
				if starts == 1 {
					_ = rw.Close()
					return
				}
				_ = s.Send(wire.Status{State: wire.JobRunning})
			},
		})(ctx)
		return rw, err
	}
	c := &agentx.Conn{Session: agentx.NewSession(starter)}
	defer c.Close()
	st, err := c.Poll(t.Context(), job)
	if err != nil || st.State != driver.JobRunning || starts != 2 {
		t.Errorf("Poll = %+v, %v with %d starts, want it running with 2", st, err, starts)
	}
}

// TestBackoff: a target that is away is tried less and less, and callers meanwhile wait for nothing.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		s := agentx.NewSession(func(context.Context) (io.ReadWriteCloser, error) {
			starts++
			return nil, errors.New("no route to host")
		})
		for range 1000 {
			if _, err := s.Hello(t.Context()); fault.CodeOf(err) != fault.Unavailable {
				t.Fatalf("Hello = %v, want it unavailable", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if starts < 5 || starts > 20 {
			t.Errorf("in 100 seconds it was started %d times, want 5 to 20", starts)
		}
	})
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := agentx.NewSession(peer(map[string]func(*wire.Stream){wire.OpHello: hello}))
	if _, err := s.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := s.Hello(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("Hello after Close = %v, want it unavailable", err)
	}
}

// TestLogCutShort: a log whose agent died is not taken for complete.
func TestLogCutShort(t *testing.T) {
	t.Parallel()
	c := &agentx.Conn{Session: agentx.NewSession(peer(map[string]func(*wire.Stream){
		wire.OpHello: hello,
		wire.OpLog: func(s *wire.Stream) {
			_ = s.Send(wire.Empty{})
			_, _ = s.Write([]byte("half"))
		},
	}))}
	defer c.Close()
	r, err := c.ReadLog(t.Context(), job, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if string(b) != "half" || fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("the log is %q, %v, want its half and Unavailable", b, err)
	}
}

// TestDialClosed: who reads from a connection at whose other end nobody says anything goes on when it is closed.
func TestDialClosed(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	defer close(silent)
	c := &agentx.Conn{Session: agentx.NewSession(peer(map[string]func(*wire.Stream){
		wire.OpHello: hello,
		wire.OpDial:  func(s *wire.Stream) { _ = s.Send(wire.Empty{}); <-silent },
	}))}
	defer c.Close()
	conn, err := c.Dial(t.Context(), "tcp", "nobody:1")
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		read <- err
	}()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-read:
		if err == nil {
			t.Error("something was read")
		}
	case <-time.After(time.Minute):
		t.Error("it reads on")
	}
}

// TestWhoListensStartsNoAgent: what was taken away with the agent, a watch would bring back.
func TestWhoListensStartsNoAgent(t *testing.T) {
	t.Parallel()
	starts := 0
	agent := peer(map[string]func(*wire.Stream){
		wire.OpHello: hello,
		wire.OpPoll:  func(s *wire.Stream) { _ = s.Send(wire.Status{State: wire.JobRunning}) },
		wire.OpWatch: func(s *wire.Stream) {
			_ = s.Recv(&wire.Empty{}) // what it is asked with
			_ = s.Send(wire.Empty{})
			_ = s.Send(wire.Changed{Job: "z-1-1"})
			_ = s.Recv(&wire.Empty{}) // until it is closed
		},
	})
	c := &agentx.Conn{Session: agentx.NewSession(func(ctx context.Context) (io.ReadWriteCloser, error) {
		starts++
		return agent(ctx)
	})}
	defer c.Close()
	watch := func(within time.Duration) (told int) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		if err := c.Watch(ctx, func(string) { told++; cancel() }); err != nil {
			t.Errorf("Watch: %v", err)
		}
		return told
	}
	if told := watch(time.Minute); told != 1 || starts != 1 {
		t.Errorf("a watch was told %d changes of %d agents, want 1 of 1", told, starts)
	}
	if err := c.Without(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if told := watch(100 * time.Millisecond); told != 0 || starts != 1 {
		t.Errorf("after the agent was ended a watch was told %d changes of %d agents, want 0 of 1", told, starts)
	}
	if _, err := c.Poll(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if told := watch(time.Minute); told != 1 || starts != 2 {
		t.Errorf("once somebody needed one a watch was told %d changes of %d agents, want 1 of 2", told, starts)
	}
}
