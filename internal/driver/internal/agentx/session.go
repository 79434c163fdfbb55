// Package agentx is our end of the agent's channel. A kind adds only how to start the agent.
package agentx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// Starter starts the agent on the target and returns its standard input and output. Close ends the
// agent; what it supervises goes on. The agent outlives ctx.
type Starter func(ctx context.Context) (io.ReadWriteCloser, error)

// After the agent could not be started it is left alone for a while, so that a target that is away
// costs each caller nothing.
const (
	backoffMin = 200 * time.Millisecond
	backoffMax = 30 * time.Second
)

// Session keeps one agent running and shares its channel among many callers. The agent is started
// by the first call and again by the first call after it died. The zero value is of no use.
type Session struct {
	// Home is where the processes of jobs find the server; nil: they do not. It is set before the first call.
	Home Home
	// UV is what builds are given of the server's: uv, and the way to package indexes; nil: nothing. It is set
	// before the first call.
	UV *uvx.Store

	start  Starter
	routes routes
	gate   chan struct{} // held while channel is read or changed

	channel *channel
	failed  error         // why the last start failed
	until   time.Time     // before that it is not tried again
	backoff time.Duration // the last pause
	left    bool          // the agent was ended on purpose, and nobody who needs one came since
	closed  bool
}

// channel is the connection to one agent process.
type channel struct {
	mux   *yamux.Session
	hello wire.Hello
}

// NewSession returns a session that starts nothing yet.
func NewSession(start Starter) *Session {
	return &Session{start: start, gate: make(chan struct{}, 1)}
}

// Close ends the agent. What it supervises goes on. Later calls fail.
func (s *Session) Close() error {
	s.gate <- struct{}{}
	defer func() { <-s.gate }()
	s.closed = true
	if s.channel == nil {
		return nil
	}
	err := s.channel.mux.Close()
	s.channel = nil
	return err
}

// HangUp ends the agent. The next call starts one again.
func (s *Session) HangUp() { _ = s.Without(func() error { return nil }) }

// Retry has the next call start the agent, however lately that failed: for who knows that the target answers again.
func (s *Session) Retry() {
	select {
	case s.gate <- struct{}{}:
		s.until, s.backoff = time.Time{}, 0
		<-s.gate
	default: // it is being started at this moment
	}
}

// Without ends the agent, and starts none before f has returned. After that who only listens starts none: f may have
// removed what it would bring back.
func (s *Session) Without(f func() error) error {
	s.gate <- struct{}{}
	defer func() { <-s.gate }()
	if s.channel != nil {
		_ = s.channel.mux.Close()
		s.channel = nil
	}
	s.left = true
	return f()
}

// Hello returns who the agent is.
func (s *Session) Hello(ctx context.Context) (wire.Hello, error) {
	c, err := within(ctx, func() (*channel, error) { return s.open(ctx) }, nil)
	if err != nil {
		return wire.Hello{}, err
	}
	return c.hello, nil
}

// open returns the channel to a live agent.
func (s *Session) open(ctx context.Context) (*channel, error) { return s.opened(ctx, false) }

// listen is open of who has nothing to do for an agent that was ended on purpose.
func (s *Session) listen(ctx context.Context) (*channel, error) { return s.opened(ctx, true) }

func (s *Session) opened(ctx context.Context, listens bool) (*channel, error) {
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, timedOut(ctx)
	}
	defer func() { <-s.gate }()
	switch {
	case s.closed:
		return nil, goneFault(errors.New("the connection was closed"))
	case s.channel != nil && !s.channel.mux.IsClosed():
		return s.channel, nil
	case s.left && listens:
		return nil, goneFault(errors.New("it was ended"))
	case time.Now().Before(s.until):
		return nil, s.failed
	}
	c, err := s.dial(ctx)
	if err != nil {
		s.backoff = min(max(2*s.backoff, backoffMin), backoffMax)
		s.until, s.failed = time.Now().Add(s.backoff), err
		if ctx.Err() != nil {
			s.until = time.Time{} // the caller's haste is not the target's fault
		}
		return nil, err
	}
	s.channel, s.failed, s.backoff, s.left = c, nil, 0, false
	return c, nil
}

// dial starts the agent and hears who it is.
func (s *Session) dial(ctx context.Context) (*channel, error) {
	rw, err := s.start(ctx)
	if err != nil {
		return nil, asFault(ctx, err)
	}
	mux, err := yamux.Client(rw, wire.Channel())
	if err != nil {
		rw.Close()
		return nil, goneFault(err)
	}
	c := &channel{mux: mux}
	go s.accept(c)
	if c.hello, err = ask[wire.Hello](ctx, c, wire.OpHello, wire.Empty{}); err == nil && c.hello.Version != wire.Version {
		err = &fault.Error{
			Code: fault.Unavailable, Reason: "AgentVersion", What: "the agent on the target is of another version",
			Why: fmt.Sprintf("it speaks version %d, we speak %d", c.hello.Version, wire.Version),
			Fix: "check the target again, so that it gets the server's agent",
		}
	}
	if err != nil {
		mux.Close()
		return nil, asFault(ctx, err)
	}
	return c, nil
}

// stream is one conversation with the agent. It ends with ctx.
type stream struct {
	*wire.Stream
	ctx  context.Context // of the conversation, to say why it ended
	mux  *yamux.Stream
	stop func() bool
	once sync.Once
}

// stream opens a conversation.
func (c *channel) stream(ctx context.Context, op string, in any) (*stream, error) {
	mux, err := c.mux.OpenStream()
	if err != nil {
		return nil, err
	}
	st := &stream{Stream: wire.NewStream(mux), ctx: ctx, mux: mux}
	st.stop = context.AfterFunc(ctx, func() { _ = mux.SetDeadline(longAgo()) })
	if err := st.Open(op, in); err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

// Close ends the conversation. Saying so to an agent that takes nothing would last, so nobody waits
// for it.
func (st *stream) Close() error {
	st.once.Do(func() {
		st.stop()
		go st.mux.Close()
	})
	return nil
}

// within returns what f returns, or that ctx ended before: the multiplexer minds no deadline while
// it waits for an agent to take what we send. f ends soon after ctx; what it then still returns goes
// to late.
func within[T any](ctx context.Context, f func() (T, error), late func(T)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil && late != nil {
				late(r.v)
			}
		}()
		var zero T
		return zero, timedOut(ctx)
	}
}

// ask makes a conversation of one message and one answer.
func ask[Out any](ctx context.Context, c *channel, op string, in any) (out Out, err error) {
	st, err := c.stream(ctx, op, in)
	if err != nil {
		return out, err
	}
	defer st.Close()
	return out, st.Recv(&out)
}

// call is ask on the session's channel. Every operation may be repeated, so one that an agent's
// death cut short is, on the next agent.
func call[Out any](ctx context.Context, s *Session, op string, in any) (Out, error) {
	return within(ctx, func() (Out, error) { return callNow[Out](ctx, s, op, in) }, nil)
}

func callNow[Out any](ctx context.Context, s *Session, op string, in any) (Out, error) {
	for again := true; ; again = false {
		c, err := s.open(ctx)
		if err != nil {
			var zero Out
			return zero, err
		}
		out, err := ask[Out](ctx, c, op, in)
		if err == nil || !again || ctx.Err() != nil || isFault(err) {
			return out, asFault(ctx, err)
		}
		_ = c.mux.Close()
	}
}

// converse opens a conversation and hears that it was accepted.
func (s *Session) converse(ctx context.Context, op string, in any) (*stream, error) {
	return s.converseBy(ctx, s.open, op, in)
}

func (s *Session) converseBy(ctx context.Context, open func(context.Context) (*channel, error), op string, in any) (*stream, error) {
	return within(ctx, func() (*stream, error) { return converseNow(ctx, open, op, in) }, func(st *stream) { st.Close() })
}

func converseNow(ctx context.Context, open func(context.Context) (*channel, error), op string, in any) (*stream, error) {
	for again := true; ; again = false {
		c, err := open(ctx)
		if err != nil {
			return nil, err
		}
		st, err := c.stream(ctx, op, in)
		if err == nil {
			if err = st.Recv(&wire.Empty{}); err == nil {
				return st, nil
			}
			st.Close()
		}
		if !again || ctx.Err() != nil || isFault(err) {
			return nil, asFault(ctx, err)
		}
		_ = c.mux.Close()
	}
}

func isFault(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

// asFault says of an error of the channel what it means to a caller.
func asFault(ctx context.Context, err error) error {
	switch {
	case err == nil || isFault(err):
		return err
	case ctx.Err() != nil:
		return timedOut(ctx)
	}
	return goneFault(err)
}

func goneFault(err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "AgentGone", What: "the agent on the target does not answer",
		Why: "its process ended or its connection broke", Fix: "nothing: it is started again; if it stays away, check the target",
		Err: err,
	}
}

func timedOut(ctx context.Context) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "TimedOut", What: "the target did not answer in time",
		Why: "the time for the operation ran out", Fix: "nothing: it is tried again; if it stays so, check the target",
		Err: context.Cause(ctx),
	}
}

// longAgo is a deadline that wakes whoever reads or writes.
func longAgo() time.Time { return time.Unix(1, 0) }
