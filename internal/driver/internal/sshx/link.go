package sshx

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// link is one SSH connection. It closes when it is retired and its last user is done.
type link struct {
	client *ssh.Client
	ended  chan struct{} // closed when the connection is no more

	mu       sync.Mutex
	seen     Seen
	sessions int           // open now
	streams  int           // open now
	limit    int           // how many sessions the server allows; 0: not known
	freed    chan struct{} // closed when a session ends, and replaced
	used     time.Time
	retired  bool
}

func newLink(sc ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request, seen Seen) *link {
	l := &link{seen: seen, ended: make(chan struct{}), freed: make(chan struct{}), used: time.Now()}
	l.client = ssh.NewClient(sc, channels, l.listen(requests))
	go func() {
		_ = sc.Wait()
		close(l.ended)
	}()
	go l.keep()
	return l
}

// listen takes the server's list of its host keys out of its requests. It ends with them.
func (l *link) listen(in <-chan *ssh.Request) <-chan *ssh.Request {
	out := make(chan *ssh.Request)
	go func() {
		defer close(out)
		for r := range in {
			if r.Type == "hostkeys-00@openssh.com" {
				l.mu.Lock()
				l.seen.All = parseHostKeys(r.Payload)
				l.mu.Unlock()
			}
			out <- r
		}
	}()
	return out
}

// maxHostKeys is how many of its keys a server may tell of.
const maxHostKeys = 16

// parseHostKeys reads the message hostkeys-00@openssh.com: keys, each after its length. Keys of
// unknown types are left out.
func parseHostKeys(b []byte) []ssh.PublicKey {
	var list []ssh.PublicKey
	for len(b) >= 4 && len(list) < maxHostKeys {
		n := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		b = b[4:]
		if n > len(b) {
			return list
		}
		if k, err := ssh.ParsePublicKey(b[:n]); err == nil {
			list = append(list, k)
		}
		b = b[n:]
	}
	return list
}

// keep asks now and then whether the server lives, and closes what is dead or idle. It ends with
// the connection.
func (l *link) keep() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.ended:
			return
		case <-tick.C:
			if l.idle() || !l.lives(keepWithin) {
				l.close()
				return
			}
		}
	}
}

func (l *link) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions+l.streams == 0 && time.Since(l.used) > idleAfter {
		l.retired = true
	}
	return l.retired && l.sessions+l.streams == 0
}

// lives reports whether the server answers.
func (l *link) lives(within time.Duration) bool {
	answer := make(chan error, 1)
	go func() {
		_, _, err := l.client.SendRequest("keepalive@openssh.com", true, nil)
		answer <- err
	}()
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case err := <-answer:
		return err == nil
	case <-t.C:
		return false
	}
}

func (l *link) close() { _ = l.client.Close() }

// dead reports whether nothing new can be opened.
func (l *link) dead() bool {
	select {
	case <-l.ended:
		return true
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retired
}

// retire closes the connection as soon as nobody uses it.
func (l *link) retire() {
	l.mu.Lock()
	l.retired = true
	unused := l.sessions+l.streams == 0
	l.mu.Unlock()
	if unused {
		l.close()
	}
}

func (l *link) what() Seen {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// done gives a session or stream back.
func (l *link) done(count *int) {
	l.mu.Lock()
	*count--
	l.used = time.Now()
	close(l.freed)
	l.freed = make(chan struct{})
	last := l.retired && l.sessions+l.streams == 0
	l.mu.Unlock()
	if last {
		l.close()
	}
}

// retrySession is how long to wait for a server that allows no session although we have none: it
// may not have noticed yet that the last one ended.
const (
	retrySession = 50 * time.Millisecond
	maxRetries   = 5
)

// session opens a session, one that the caller closes with done. Where the server allows no more
// (MaxSessions) it waits until another ends. errBroken says that the connection is no more.
func (l *link) session(ctx context.Context) (s *ssh.Session, done func(), err error) {
	for tries := 0; ; {
		others, err := l.take(ctx)
		if err != nil {
			return nil, nil, err
		}
		done := sync.OnceFunc(func() { l.done(&l.sessions) })
		s, err := l.openSession(ctx)
		if err == nil {
			return s, done, nil
		}
		l.learn(err, others)
		done()
		refusal, no := errors.AsType[*ssh.OpenChannelError](err)
		switch {
		case !no:
			return nil, nil, err
		case others > 0:
			continue
		case tries == maxRetries:
			return nil, nil, sessionFault(refusal)
		}
		tries++
		if err := pause(ctx, retrySession<<tries); err != nil {
			return nil, nil, err
		}
	}
}

// learn notes how many sessions the server allows.
func (l *link) learn(err error, others int) {
	if _, no := errors.AsType[*ssh.OpenChannelError](err); no && others > 0 {
		l.mu.Lock()
		l.limit = others
		l.mu.Unlock()
	}
}

// take counts a session, when there may be one more, and returns how many others there are.
func (l *link) take(ctx context.Context) (others int, err error) {
	for {
		l.mu.Lock()
		freed := l.freed
		if l.limit == 0 || l.sessions < l.limit {
			l.sessions++
			l.used = time.Now()
			others = l.sessions - 1
			l.mu.Unlock()
			return others, nil
		}
		l.mu.Unlock()
		select {
		case <-freed:
		case <-l.ended:
			return 0, errBroken
		case <-ctx.Done():
			return 0, &fault.Error{
				Code: fault.Exhausted, Reason: "SessionsBusy", What: "the command cannot be started on the machine",
				Why: "its sshd allows few sessions at once (MaxSessions), and all are in use",
				Fix: "wait, or set a higher MaxSessions in its sshd_config", Err: context.Cause(ctx),
			}
		}
	}
}

var errBroken = errors.New("the connection broke")

// openSession opens a session, or leaves it behind when ctx ends.
func (l *link) openSession(ctx context.Context) (*ssh.Session, error) {
	return await(ctx, l.ended, l.client.NewSession, func(s *ssh.Session) { s.Close() })
}

// await calls open, which cannot be interrupted. What opens too late is dropped.
func await[T any](ctx context.Context, ended <-chan struct{}, open func() (T, error), drop func(T)) (T, error) {
	type result struct {
		v   T
		err error
	}
	got := make(chan result, 1)
	go func() {
		v, err := open()
		got <- result{v, err}
	}()
	var zero T
	var err error
	select {
	case r := <-got:
		if _, no := errors.AsType[*ssh.OpenChannelError](r.err); r.err != nil && !no {
			return zero, errBroken
		}
		return r.v, r.err
	case <-ended:
		err = errBroken
	case <-ctx.Done():
		err = timeFault(ctx)
	}
	go func() {
		if r := <-got; r.err == nil {
			drop(r.v)
		}
	}()
	return zero, err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return timeFault(ctx)
	}
}

func sessionFault(e *ssh.OpenChannelError) error {
	return &fault.Error{
		Code: fault.Denied, Reason: "SessionsRefused", What: "the command cannot be started on the machine",
		Why: "its sshd lets this user log in, but allows no session", Evidence: []string{quoted(e.Message)},
		Fix: "set MaxSessions to 1 or more in its sshd_config",
	}
}

func timeFault(ctx context.Context) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "TimedOut", What: "the machine did not answer in time",
		Why: "the time for the operation ran out", Fix: "nothing: it is tried again; if it stays so, run: zaffre compute check NAME",
		Err: context.Cause(ctx),
	}
}

func lostFault() error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "ConnectionLost", What: "the connection to the machine broke",
		Why: "its sshd or the path to it ended it", Fix: "nothing: it is made again; if it stays away, run: zaffre compute check NAME",
	}
}
