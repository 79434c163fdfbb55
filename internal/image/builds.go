package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// A build is known while the server runs, under a name that follows from what is asked for. What dies with the server is
// asked for again, and finds its layers made.

// build is one that goes on or has ended.
type build struct {
	mu     sync.Mutex
	log    bytes.Buffer
	grown  chan struct{} // closed when the log grows or the build ends
	status driver.BuildStatus
	size   int64 // bytes of the image
	ended  time.Time
}

// maxLog bounds a build's log, and keepBuilds how many that ended are known.
const (
	maxLog     = 1 << 20
	keepBuilds = 200
)

// printf adds a line to the log.
func (b *build) printf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.log.Len() < maxLog {
		b.log.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), "\n") + "\n")
	}
	b.tell()
}

// weigh notes the image's size, if it is one, and returns it.
func (b *build) weigh(n int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size = max(b.size, n)
	return b.size
}

// tell wakes readers of the log. b.mu is held.
func (b *build) tell() {
	close(b.grown)
	b.grown = make(chan struct{})
}

// start runs make as the build of a name, unless that one goes on or, if done, again is false.
func (s *Service) start(ctx context.Context, name string, again bool, make func(ctx context.Context, b *build) (driver.BuildStatus, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	if old := s.builds[name]; old != nil {
		st, _ := old.now()
		if st.State == driver.BuildRunning || st.State == driver.BuildDone && !again {
			return nil
		}
	}
	b := newBuild()
	s.forgetOld()
	s.builds[name] = b
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	s.making.Go(func() {
		defer stop()
		defer cancel(nil)
		st, err := make(ctx, b)
		b.end(st, err)
	})
	return nil
}

func newBuild() *build {
	return &build{grown: make(chan struct{}), status: driver.BuildStatus{State: driver.BuildRunning, Way: way}}
}

// way is how environments are built here, as driver.BuildStatus has it.
const way = "image"

// end writes down how a build ended.
func (b *build) end(st driver.BuildStatus, err error) {
	st.State, st.Way = driver.BuildDone, way
	if f := fault.From(err); f != nil {
		st = driver.BuildStatus{State: driver.BuildFailed, Way: way, Reason: f.Reason, Message: f.Error(), Fix: f.Fix}
		if f.Err != nil {
			st.Message = f.What + ": " + f.Why
		}
		b.printf("error: %s", st.Message)
		b.printf("fix: %s", st.Fix)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status, b.ended = st, time.Now()
	b.tell()
}

func (b *build) now() (driver.BuildStatus, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.ended
}

// forgetOld forgets the builds that ended first, where there are too many. s.mu is held.
func (s *Service) forgetOld() {
	for len(s.builds) >= keepBuilds {
		oldest, when := "", time.Time{}
		for name, b := range s.builds {
			if st, ended := b.now(); st.State != driver.BuildRunning && (oldest == "" || ended.Before(when)) {
				oldest, when = name, ended
			}
		}
		if oldest == "" {
			return
		}
		delete(s.builds, oldest)
	}
}

// find returns the build of a name; nil: none.
func (s *Service) find(name string) *build {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.builds[name]
}

// text returns the log from an offset, and what tells of more; nil: there will be none.
func (b *build) text(offset int64) (p []byte, more <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p = bytes.Clone(b.log.Bytes()[min(max(offset, 0), int64(b.log.Len())):])
	if b.status.State == driver.BuildRunning {
		more = b.grown
	}
	return p, more
}

// tail reads a build's log until the build ends.
type tail struct {
	ctx    context.Context
	cancel context.CancelFunc
	b      *build
	offset int64
	rest   []byte
}

func (b *build) reader(ctx context.Context, offset int64) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	return &tail{ctx: ctx, cancel: cancel, b: b, offset: max(offset, 0)}
}

// Read implements io.Reader.
func (t *tail) Read(p []byte) (int, error) {
	for len(t.rest) == 0 {
		text, more := t.b.text(t.offset)
		if t.rest = text; len(text) > 0 {
			t.offset += int64(len(text))
			break
		}
		if more == nil {
			return 0, io.EOF
		}
		select {
		case <-more:
		case <-t.ctx.Done():
			return 0, context.Cause(t.ctx)
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (t *tail) Close() error {
	t.cancel()
	return nil
}

// keyed gives out one lock per name.
type keyed struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for a name; unlock gives it back.
func (k *keyed) lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		if k.held == nil {
			k.held = map[string]chan struct{}{}
		}
		other, taken := k.held[name]
		if !taken {
			free := make(chan struct{})
			k.held[name] = free
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, name)
				k.mu.Unlock()
				close(free)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }
