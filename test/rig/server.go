package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

// Options say how to start a server.
type Options struct {
	Bin   string   // the zaffre binary
	Data  string   // its data folder; what it says goes to Data + ".log"
	Port  int      // on loopback
	Slots int      // of the target "server"; 0: the server's own choice
	Env   []string // more variables
	Under []string // argv that the server's argv is appended to
}

// Server is a running server.
type Server struct {
	Options
	PID   int           // of the process started: the server's, or that of Under
	Ready time.Duration // from exec to the first good answer of /readyz
	C     *client.Client
	WS    string
	// Work is the folder in which the server's agent works; known once the server was stopped or
	// killed while it had an agent. It lies outside of the data folder where code has another user.
	Work string

	started time.Time
	done    chan struct{} // closed when the process has ended
}

// readyWithin bounds a start.
const readyWithin = 2 * time.Minute

// Start starts a server and waits until it is ready. The server does not die with the caller's
// terminal signals; the caller ends it with Stop or Kill.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := Launch(o)
	if err != nil {
		return nil, err
	}
	if err := s.Await(ctx); err != nil {
		s.Kill()
		return nil, fmt.Errorf("%w; its log ends with:\n%s", err, tail(o.Data+".log"))
	}
	return s, nil
}

// tail returns the end of a file.
func tail(path string) string {
	b, _ := os.ReadFile(path)
	return string(b[max(0, len(b)-2000):])
}

// Launch starts a server and waits for nothing.
func Launch(o Options) (*Server, error) {
	log, err := os.OpenFile(o.Data+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	argv := append(append([]string{}, o.Under...), o.Bin, "serve", "--data", o.Data, "--listen", "127.0.0.1:"+strconv.Itoa(o.Port))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), o.Env...)
	if o.Slots > 0 {
		cmd.Env = append(cmd.Env, "ZAFFRE_LOCAL_SLOTS="+strconv.Itoa(o.Slots))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s := &Server{Options: o, started: time.Now(), done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.PID = cmd.Process.Pid
	go func() {
		_ = cmd.Wait()
		close(s.done)
	}()
	return s, nil
}

// Await waits until the server is ready. It looks every 2 ms, first for the profile, which is made at
// the first start.
func (s *Server) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, errors.New("the server did not become ready"))
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.C == nil {
			s.open()
		}
		if s.C != nil && s.C.Ready(ctx) == nil {
			s.Ready = time.Since(s.started)
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.done:
			return errors.New("the server ended at its start")
		case <-tick.C:
		}
	}
}

func (s *Server) open() {
	p, err := client.Load(s.Data)
	if err != nil || p.URL != fmt.Sprintf("https://127.0.0.1:%d", s.Port) {
		return
	}
	if c, err := p.Open(); err == nil {
		s.C, s.WS = c, p.Workspace
	}
}

// Kill ends the server as a crash does, and waits until it is gone.
func (s *Server) Kill() {
	s.learn()
	_ = syscall.Kill(s.PID, syscall.SIGKILL)
	<-s.done
}

// Stop asks the server to end, and kills it after a while.
func (s *Server) Stop() {
	s.learn()
	_ = syscall.Kill(s.PID, syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(15 * time.Second):
		s.Kill()
	}
	if s.C != nil {
		s.C.Close()
	}
}

func (s *Server) learn() {
	for _, a := range Agents(s.PID) {
		s.Work = a.root()
	}
}

// Sweep removes what the agent keeps outside of the data folder, and ends what runs there.
func (s *Server) Sweep() {
	home := filepath.Dir(s.Work) // of this server alone
	if s.Work != "" && filepath.Dir(home) == "/var/lib/zaffre" {
		Sweep(home)
	}
}

// Upload sends a folder of code.
func (s *Server) Upload(ctx context.Context, dir string) (string, error) {
	folder, err := client.ReadFolder(ctx, dir, client.FolderOptions{})
	if err != nil {
		return "", err
	}
	return s.C.Upload(ctx, s.WS, folder, nil)
}

// Done submits a run and watches it to its end.
func (s *Server) Done(ctx context.Context, r client.RunRequest) (client.Run, error) {
	run, err := s.C.Submit(ctx, s.WS, r)
	if err != nil || run.Final() {
		return run, err
	}
	err = s.C.WatchRun(ctx, s.WS, run.ID, func(r client.Run) error { run = r; return nil })
	return run, err
}

// WriteFile writes a file below a folder, with the folders it needs.
func WriteFile(dir, name, text string) error {
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
