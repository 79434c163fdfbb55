package compute

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// idleAfter is how long a connection that nobody uses stays open.
const idleAfter = 10 * time.Minute

// pool keeps one connection per target. A connection belongs to a revision of the target's spec: a
// newer one replaces it, and it closes when its last user is done.
type pool struct {
	mu    sync.Mutex
	conns map[string]*shared // by target ID
}

type shared struct {
	mu       sync.Mutex // held while connecting
	revision int64
	conn     driver.Conn
	closers  []func() // of the connections below

	users int      // guarded by pool.mu, like the rest
	on    []string // IDs of the targets that it stands on
	stale bool
	idle  *time.Timer
}

func newPool() *pool { return &pool{conns: map[string]*shared{}} }

// acquire returns the target's entry, counted as used.
func (p *pool) acquire(id string, revision int64) *shared {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.conns[id]
	if e != nil && e.revision < revision {
		p.drop(id)
		e = nil
	}
	if e == nil {
		e = &shared{revision: revision}
		p.conns[id] = e
	}
	e.users++
	if e.idle != nil {
		e.idle.Stop()
	}
	return e
}

func (p *pool) release(id string, e *shared) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	if e.stale {
		go e.shut()
		return
	}
	e.idle = time.AfterFunc(idleAfter, func() { p.expire(id, e) })
}

func (p *pool) expire(id string, e *shared) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users == 0 && p.conns[id] == e {
		p.drop(id)
	}
}

// drop takes a connection out of the pool; it closes now or when its last user is done. The caller
// holds p.mu.
func (p *pool) drop(id string) {
	e := p.conns[id]
	if e == nil {
		return
	}
	delete(p.conns, id)
	e.stale = true
	if e.idle != nil {
		e.idle.Stop()
	}
	if e.users == 0 {
		go e.shut()
	}
	for other, o := range p.conns {
		if slices.Contains(o.on, id) {
			p.drop(other)
		}
	}
}

// stand notes that a connection stands on another target's, and goes with it.
func (p *pool) stand(e *shared, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.on = append(e.on, id)
}

func (p *pool) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(id)
}

// close closes every connection, used or not.
func (p *pool) close() {
	p.mu.Lock()
	all := p.conns
	p.conns = map[string]*shared{}
	p.mu.Unlock()
	for _, e := range all {
		if e.idle != nil {
			e.idle.Stop()
		}
		e.shut()
	}
}

func (e *shared) shut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil {
		e.conn.Close()
		e.conn = nil
	}
	for _, c := range e.closers {
		c()
	}
	e.closers = nil
}

// Use calls f with the connection to a target, which may be shared with others and stays open
// until f returns. A driver's errors get the names that it does not know. One that is being detached is
// left alone, since what is made there now would stay: fault.Unavailable, Reason "TargetDetaching".
func (s *Service) Use(ctx context.Context, t Target, f func(driver.Conn) error) error {
	if err := t.staying(); err != nil {
		return err
	}
	return s.use(ctx, t, f)
}

func (t Target) staying() error {
	if t.Status.State != Deleting {
		return nil
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "TargetDetaching", What: "compute target " + t.Name + " cannot be used",
		Why: "it is being detached", Fix: "wait until it is gone, or is there again; run: zaffre compute list",
	}
}

func (s *Service) use(ctx context.Context, t Target, f func(driver.Conn) error) error {
	conn, done, err := s.open(ctx, t, 0)
	if err != nil {
		return err
	}
	defer done()
	return t.named(f(conn))
}

// patiently calls f again for as long as it is told when to ask again, and ctx has time for that.
func patiently(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || fault.From(err).RetryAfter == 0 {
			return err
		}
		wait := fault.From(err).RetryAfter
		if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// maxDepth bounds how many targets may stand on one another.
const maxDepth = 8

func (s *Service) open(ctx context.Context, t Target, depth int) (driver.Conn, func(), error) {
	if depth > maxDepth {
		return nil, nil, &fault.Error{
			Code: fault.Invalid, Reason: "TargetsTooDeep", What: "cannot connect to compute target " + t.Name,
			Why: "the targets that it stands on form a cycle or a very long chain", Fix: "run: zaffre compute show " + t.Name,
		}
	}
	e := s.conns.acquire(t.ID, t.Revision)
	done := sync.OnceFunc(func() { s.conns.release(t.ID, e) })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil {
		if err := s.connect(ctx, e, t, depth); err != nil {
			done()
			return nil, nil, err
		}
	}
	return e.conn, done, nil
}

func (s *Service) connect(ctx context.Context, e *shared, t Target, depth int) error {
	kind, err := s.Kind(t.Kind)
	if err != nil {
		return err
	}
	t, secrets, err := s.stands(t.as(ctx), kind, t)
	if err != nil {
		return err
	}
	target, err := driverTarget(kind, t, secrets)
	if err != nil {
		return err
	}
	target.Home, target.Tools, target.Place = s.Home, s.Tools, s.placeOf(t)
	if s.Images != nil {
		target.Images = s.Images(t.Workspace, t.ID)
	}
	target.Here = func(ctx context.Context) (driver.Conn, error) { return s.openBelow(ctx, e, t, ServerKey, depth) }
	for path, keys := range references(kind, t) {
		for _, k := range keys {
			conn, err := s.openBelow(ctx, e, t, k, depth)
			if err != nil {
				return err
			}
			target.On[path] = append(target.On[path], conn)
		}
	}
	e.conn, err = kind.Connect(ctx, target)
	return t.named(err)
}

// openBelow opens a target that t stands on, for as long as t's connection is open.
func (s *Service) openBelow(ctx context.Context, e *shared, t Target, k store.Key, depth int) (driver.Conn, error) {
	below, err := s.below(ctx, t, k)
	if err != nil {
		return nil, err
	}
	conn, done, err := s.open(ctx, below, depth+1)
	if err != nil {
		return nil, err
	}
	s.conns.stand(e, below.ID)
	e.closers = append(e.closers, done)
	return conn, nil
}

// below returns a target that t stands on. On one that is being detached only what is there may still be taken away.
func (s *Service) below(ctx context.Context, t Target, k store.Key) (Target, error) {
	if isResource(k) {
		host, _, err := s.entryTarget(t.as(ctx), k)
		return host, err
	}
	host, err := s.Get(ctx, k)
	if err == nil && t.Status.State != Deleting {
		err = host.staying()
	}
	return host, err
}

func driverTarget(kind driver.Kind, t Target, secrets map[string]string) (driver.Target, error) {
	options, err := driverOptions(kind, t)
	return driver.Target{ID: t.ID, Made: t.Spec.Made, Options: options, Secrets: secrets, On: map[string][]driver.Conn{}, Pinned: t.Status.Pinned}, err
}
