package run

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// logBlob names the log of an attempt. Its offset is its length, so copying goes on where it ended.
func logBlob(r Run, attempt int) string { return fmt.Sprintf("runs/%s/log.%d.txt", r.ID, attempt) }

// logHub tells the readers of a log that it grew, and knows who copies which log.
type logHub struct {
	mu        sync.Mutex
	grown     map[string]chan struct{} // by blob; closed and taken out at growth
	followers map[string]*follower     // by blob
}

type follower struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

func newLogHub() *logHub {
	return &logHub{grown: map[string]chan struct{}{}, followers: map[string]*follower{}}
}

// wait returns a channel that closes when the log grows.
func (h *logHub) wait(name string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := h.grown[name]
	if ch == nil {
		ch = make(chan struct{})
		h.grown[name] = ch
	}
	return ch
}

func (h *logHub) tell(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ch := h.grown[name]; ch != nil {
		close(ch)
		delete(h.grown, name)
	}
}

// follow has the log of a running attempt copied as it grows. There is one copier per log.
func (s *Service) follow(t compute.Target, r Run) {
	name := logBlob(r, r.Attempt().Number)
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	if s.logs.followers[name] != nil || s.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	f := &follower{cancel: cancel, done: make(chan struct{})}
	s.logs.followers[name] = f
	s.wg.Go(func() {
		defer close(f.done)
		s.copyUntil(ctx, t, r, name)
	})
}

// unfollow stops the copier of the run's current log and waits for it.
func (s *Service) unfollow(r Run) {
	name := logBlob(r, r.Attempt().Number)
	s.logs.mu.Lock()
	f := s.logs.followers[name]
	delete(s.logs.followers, name)
	s.logs.mu.Unlock()
	if f != nil {
		f.cancel(context.Canceled)
		<-f.done
	}
}

// copyUntil copies a log until ctx ends; it starts again where it was when the target went away.
func (s *Service) copyUntil(ctx context.Context, t compute.Target, r Run, name string) {
	for wait := 100 * time.Millisecond; ctx.Err() == nil; {
		err := s.Computes.Use(ctx, t, func(c driver.Conn) error {
			_, err := s.copyLog(ctx, c, r, name)
			return err
		})
		if err == nil {
			wait = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			wait = min(2*wait, 5*time.Second)
		}
	}
}

// drain copies what is left of an ended job's log and makes it durable.
func (s *Service) drain(ctx context.Context, c driver.Conn, r Run) error {
	name := logBlob(r, r.Attempt().Number)
	size, err := s.copyLog(ctx, c, r, name)
	if err != nil || size == 0 {
		return err
	}
	if d, ok := s.Blobs.(interface {
		Sync(ctx context.Context, name string) error
	}); ok {
		return d.Sync(ctx, name)
	}
	return nil
}

// copyLog copies from where the blob ends to where the stream ends, and returns the blob's size.
func (s *Service) copyLog(ctx context.Context, c driver.Conn, r Run, name string) (size int64, err error) {
	reader, ok := c.(driver.LogReader)
	if !ok {
		return 0, nil
	}
	size, err = s.Blobs.Size(ctx, name)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return 0, err
	}
	body, err := reader.ReadLog(ctx, *r.Attempt().Handle, size)
	if err != nil {
		return size, err
	}
	defer body.Close()
	stop := context.AfterFunc(ctx, func() { body.Close() })
	defer stop()
	buf := make([]byte, 64<<10)
	for {
		n, readErr := body.Read(buf)
		if n > 0 {
			if err := s.Blobs.Append(ctx, name, size, buf[:n]); err != nil {
				return size, err
			}
			size += int64(n)
			s.logs.tell(name)
		}
		if readErr == io.EOF {
			return size, nil
		}
		if readErr != nil {
			return size, readErr
		}
	}
}

// OpenLog opens the log of an attempt at a byte offset; attempt 0 is the latest. With follow, the
// reader waits for more until the log is complete.
func (s *Service) OpenLog(ctx context.Context, k store.Key, attempt int, offset int64, follow bool) (io.ReadCloser, error) {
	r, err := s.Get(ctx, k)
	if err != nil {
		return nil, err
	}
	if attempt < 0 || attempt > len(r.Status.Attempts) && attempt > r.Spec.Retries+1 {
		return nil, &fault.Error{
			Code: fault.NotFound, Reason: "AttemptNotFound", What: fmt.Sprintf("run %s has no attempt %d", r.Name, attempt),
			Why: fmt.Sprintf("it has %d", len(r.Status.Attempts)), Fix: "run: zaffre run show " + r.Name, Field: "attempt",
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	changed, stop := s.Events.Subscribe(r.Workspace, "run/"+r.Name)
	return &logReader{ctx: ctx, cancel: cancel, s: s, key: k, attempt: attempt, offset: offset, follow: follow, changed: changed, stop: stop}, nil
}

// logReader reads a log that may still grow.
type logReader struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	s       *Service
	key     store.Key
	attempt int // 0: the latest, fixed as soon as there is one
	offset  int64
	follow  bool
	changed <-chan struct{}
	stop    func()
}

// Read returns what there is; with follow, it waits for something.
func (l *logReader) Read(p []byte) (int, error) {
	for {
		r, err := l.s.Runs.Get(l.ctx, l.key)
		if err != nil {
			return 0, err
		}
		// The order matters: what is complete now is read completely below.
		complete := l.complete(r)
		number := l.number(r)
		var grown <-chan struct{}
		if l.follow && !complete {
			grown = l.s.logs.wait(logBlob(r, number))
		}
		n, err := l.readAt(p, logBlob(r, number))
		if n > 0 || err != nil {
			return n, err
		}
		if complete || !l.follow {
			return 0, io.EOF
		}
		if err := l.wait(grown); err != nil {
			return 0, err
		}
	}
}

// number returns which attempt's log it reads: the latest that there was when one was needed. When
// the run is tried again, a reader of the latest goes on with the next log.
func (l *logReader) number(r Run) int {
	switch {
	case l.attempt > 0:
		return l.attempt
	case len(r.Status.Attempts) > 0:
		l.attempt = len(r.Status.Attempts)
		return l.attempt
	}
	return 1
}

// complete reports whether the log of the attempt grows no more.
func (l *logReader) complete(r Run) bool {
	return r.Status.State.Final() || l.attempt > 0 && len(r.Status.Attempts) > l.attempt
}

func (l *logReader) readAt(p []byte, name string) (int, error) {
	body, err := l.s.Blobs.Open(l.ctx, name, l.offset)
	if fault.CodeOf(err) == fault.NotFound {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := body.Read(p)
	l.offset += int64(n)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (l *logReader) wait(grown <-chan struct{}) error {
	select {
	case <-grown:
	case <-l.changed:
	case <-time.After(5 * time.Second): // another process may have moved the run
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
	return nil
}

// Close ends the reading, also one that waits.
func (l *logReader) Close() error {
	l.stop()
	l.cancel(io.ErrClosedPipe)
	return nil
}
