package run

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Follow shows a run until it ends and returns it: its state changes and the build of its
// environment as talk, its log to log. When ctx ends it fails with its cause, and the run goes on.
func Follow(ctx context.Context, a *frame.App, s *frame.Session, r client.Run, log io.Writer) (client.Run, error) {
	f := &follower{a: a, s: s, log: log, talk: &lines{w: a.Stderr}, id: r.ID, ready: make(chan int, 128)}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	var logErr error
	wg.Go(func() { logErr = f.logs(inner) })
	err := s.WatchRun(inner, s.WS, r.ID, func(now client.Run) error {
		f.changed(inner, &wg, now)
		return nil
	})
	close(f.ready)
	if err != nil {
		cancel(err)
	}
	wg.Wait()
	if ctx.Err() != nil {
		return f.last, context.Cause(ctx)
	}
	if err == nil {
		err = logErr
	}
	return f.last, err
}

// follower is one Follow. Only WatchRun's caller touches last and building.
type follower struct {
	a        *frame.App
	s        *frame.Session
	log      io.Writer
	talk     *lines
	id       string
	last     client.Run
	building bool
	attempts int
	ready    chan int // attempts that have begun
}

// changed tells what changed since the last time.
func (f *follower) changed(ctx context.Context, wg *sync.WaitGroup, r client.Run) {
	if now := engineWaits(r); r.State != f.last.State || now != "" && now != engineWaits(f.last) {
		f.a.Talk("talk.state", f.a.State(r.State), reason(r))
		for _, c := range r.Conditions {
			if fix := remedy(f.a, r, c); fix != "" {
				fmt.Fprintln(f.a.Stderr, "   "+fix)
			}
		}
	}
	f.silence(r)
	if r.State == "Preparing" && r.Environment != "" && !f.building {
		f.building = true
		wg.Go(func() { f.build(ctx, r) })
	}
	for f.attempts < len(r.Attempts) && f.attempts < cap(f.ready) {
		f.attempts++
		if f.attempts > 1 {
			f.a.Talk("talk.attempt", f.attempts)
		}
		f.ready <- f.attempts
	}
	f.last = r
}

// silence tells when the target stops to answer, and when it answers again.
func (f *follower) silence(r client.Run) {
	was, now := silent(f.last), silent(r)
	switch {
	case now != "" && was == "":
		f.a.Talk("talk.silent", r.Compute, now)
	case now == "" && was != "" && !r.Final():
		f.a.Talk("talk.back", r.Compute)
	}
}

// silent is why the run's target does not answer, "" while it does.
func silent(r client.Run) string {
	for _, c := range r.Conditions {
		if c.Silent() && !r.Final() {
			return c.Message
		}
	}
	return ""
}

// engineWaits is why the engine behind the target has not begun the run, "" where that is not known.
func engineWaits(r client.Run) string {
	for _, c := range r.Conditions {
		if c.Reason == "EngineWaits" {
			return c.Message
		}
	}
	return ""
}

// reason is what the run's conditions say about why it waits.
func reason(r client.Run) string {
	for _, c := range r.Conditions {
		if !c.OK && c.Message != "" && !r.Final() {
			return ": " + c.Message
		}
	}
	return ""
}

// build shows the log of the environment's build.
func (f *follower) build(ctx context.Context, r client.Run) {
	name, version := splitVersion(r.Environment)
	if b, err := f.s.Build(ctx, f.s.WS, name, version, r.Compute); err != nil || b.State == "done" {
		return
	}
	f.a.Talk("talk.building", r.Environment)
	// The run's own state tells how the build ended.
	_ = f.s.FollowBuildLog(ctx, f.s.WS, name, version, r.Compute, func(text string) error {
		_, err := f.talk.Write([]byte(text))
		return err
	})
}

// logs writes the log of each attempt, one after the other.
func (f *follower) logs(ctx context.Context) error {
	for attempt := range f.ready {
		err := f.s.FollowRunLog(ctx, f.s.WS, f.id, client.LogOptions{Attempt: attempt}, func(text string) error {
			_, err := io.WriteString(f.log, text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func splitVersion(env string) (name, version string) {
	if i := strings.LastIndexByte(env, ':'); i >= 0 {
		return env[:i], env[i+1:]
	}
	return env, "latest"
}

// lines writes only whole lines, so that what two goroutines say does not mix.
type lines struct {
	w    io.Writer
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	i := strings.LastIndexByte(string(l.rest), '\n')
	if i < 0 {
		return len(p), nil
	}
	_, err := l.w.Write(l.rest[:i+1])
	l.rest = append(l.rest[:0], l.rest[i+1:]...)
	return len(p), err
}
