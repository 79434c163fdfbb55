// Package server is the composition root: configuration in, running server out.
package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Options say what a server is made of.
type Options struct {
	// Kinds are the kinds of compute target. The implicit one, if there is one, is that of the target
	// "server".
	Kinds []driver.Kind
}

// RunWith serves until ctx ends and then stops gracefully: it begins no more requests and no more steps of the
// reconciler, gives those that are going on their time, cfg.Grace for requests, and closes the database. What runs on the targets goes on.
// How to reach the server is printed to out once it is ready, the token never.
func RunWith(ctx context.Context, cfg config.Config, out io.Writer, log *slog.Logger, opt Options) (err error) {
	started := time.Now()
	place, err := openPlace(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	if err := checkExposure(cfg); err != nil {
		return err
	}
	listener, err := listen(ctx, cfg.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	s, err := open(ctx, cfg, place, listener.Addr(), log, opt, started)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.announce(out)
	return s.serve(ctx, listener)
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	for deadline := time.Now().Add(time.Second); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(deadline) && ctx.Err() == nil; {
		time.Sleep(50 * time.Millisecond) // a server that was just killed may not be gone yet
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
	if err != nil {
		return nil, &fault.Error{
			Code: fault.Precondition, Reason: "ListenFailed", What: "the server cannot listen on " + address,
			Why: err.Error(), Fix: "stop what listens there, or choose another address; run: zaffre serve --listen 127.0.0.1:8444", Err: err,
		}
	}
	return l, nil
}

// Bounds on what a connection may cost. Bodies and answers have bounds of their own: see api/httpx.
const (
	headerWithin = 10 * time.Second
	headerMax    = 64 << 10
	idleFor      = 2 * time.Minute
	answerWithin = 2 * time.Minute // of a request that streams nothing
)

func (s *server) httpServer() *http.Server {
	return &http.Server{
		Handler: s.handler(), TLSConfig: s.tlsConfig(), ReadHeaderTimeout: headerWithin, MaxHeaderBytes: headerMax, IdleTimeout: idleFor,
		// Mostly handshakes of clients that do not trust us: nothing to do about them here.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// A request ends with its connection, not with the signal: it gets its grace.
		BaseContext: func(net.Listener) context.Context { return context.Background() },
	}
}

// serve runs the loops of the server until ctx ends or one of them fails.
func (s *server) serve(ctx context.Context, l net.Listener) error {
	ctx, fail := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer fail(nil)
	wg.Go(func() {
		s.looping.Store(true)
		defer s.looping.Store(false)
		if err := s.loop.Run(ctx); err != nil && context.Cause(ctx) == nil {
			fail(err)
		}
	})
	wg.Go(func() { s.authority.watch(ctx, s.log) })
	wg.Go(func() { s.sweep(ctx) })
	wg.Go(func() { s.findOrphans(ctx) })
	wg.Go(func() {
		if err := s.runs.Resume(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "running runs are looked at later", "err", err)
		}
	})
	h := s.httpServer()
	wg.Go(func() {
		if err := h.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			fail(err)
		}
	})
	inner := s.httpServer() // of its own: what one of them is told of HTTP/2 the other would believe
	wg.Go(func() {
		if err := inner.Serve(s.home); !errors.Is(err, http.ErrServerClosed) {
			fail(err)
		}
	})
	s.log.InfoContext(ctx, "server ready", "url", s.url, "took", time.Since(s.started).Round(time.Millisecond))
	<-ctx.Done()
	s.drain(h, inner)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// place is where the server's files lie.
type place struct {
	data    string // everything
	profile string // client.json
	temp    string // removed at the end; "" for a server that keeps its data
}

// openPlace makes the data folder, for the server's user alone.
func openPlace(cfg config.Config) (place, error) {
	p := place{data: cfg.Data, profile: cfg.Dir("client.json")}
	if !cfg.Ephemeral {
		return p, makeDir(cfg.Data)
	}
	dir, err := os.MkdirTemp("", "zaffre-")
	if err == nil {
		err = os.Chmod(dir, 0o711) // who runs code on the target "server" works below it
	}
	if err != nil {
		return p, dirFault(os.TempDir(), err)
	}
	p.data, p.temp = filepath.Join(dir, "data"), dir
	if !cfg.Given("data") {
		p.profile = filepath.Join(p.data, "client.json")
		return p, makeDir(p.data)
	}
	if _, err := os.Stat(cfg.Dir(databaseFile)); err == nil {
		os.RemoveAll(dir)
		return p, &fault.Error{
			Code: fault.Precondition, Reason: "DataInUse", What: "the ephemeral server cannot use " + cfg.Data,
			Why: "it is the data folder of a server that keeps its data", Fix: "give another folder; run: zaffre serve --ephemeral --data DIR",
		}
	}
	return p, errors.Join(makeDir(p.data), makeDir(cfg.Data))
}

// close removes what an ephemeral server leaves.
func (p place) close() error {
	if p.temp == "" {
		return nil
	}
	errs := []error{os.RemoveAll(p.temp)}
	for _, file := range []string{p.profile, filepath.Join(filepath.Dir(p.profile), ignoreFile)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ignoreFile keeps a folder out of snapshots.
const ignoreFile = ".amlignore"

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return dirFault(dir, err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return dirFault(dir, err)
	}
	// Keys and tokens lie here: somebody who submits the folder above must not send them along.
	if err := os.WriteFile(filepath.Join(dir, ignoreFile), []byte("*\n"), 0o600); err != nil {
		return dirFault(dir, err)
	}
	return nil
}

func dirFault(dir string, err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "DataUnusable", What: "the data folder " + dir + " cannot be used",
		Why: err.Error(), Fix: "correct its permissions, or give another; run: zaffre serve --data DIR", Err: err,
	}
}
