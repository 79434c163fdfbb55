package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// server answers the control plane for one root.
type server struct {
	root   string
	boot   string
	log    *os.File // what our supervisors have to say
	hub    *hub
	python func() wire.Python // the machine's own interpreter
	door   func() error       // opens it, once

	mu     sync.Mutex
	live   map[string]bool // folders whose supervisor is our child
	deaths map[string]int  // supervisors that died before the end, by folder
	arrays map[string]*array

	sending map[string]chan struct{} // folders whose rest is on its way to the server, or waits for its turn
	senders chan struct{}            // holds one for each that is on its way
}

// serveMain serves on the standard input and output until the input ends.
func serveMain(root string) int {
	s, err := newServer(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "zaffre-agent:", err)
		if session, failed := yamux.Server(stdio{}, wire.Channel()); failed == nil {
			turnAway(session, err)
		}
		return 1
	}
	defer s.hub.close()
	// What a supervisor that was killed leaves becomes our child: we can tell how it ended.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	go s.tidy()
	if err := s.serve(stdio{}); err != nil {
		fmt.Fprintln(os.Stderr, "zaffre-agent:", err)
		return 1
	}
	return 0
}

func newServer(root string) (*server, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{jobsDir, runsDir, filesDir, buildsDir, wakeDir, trashDir} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o700); err != nil {
			return nil, err
		}
	}
	if home := os.Getenv("HOME"); filepath.Dir(home) == root { // of a user who has no other
		if err := os.MkdirAll(home, 0o700); err != nil {
			return nil, err
		}
	}
	log, err := openLog(filepath.Join(root, agentLog))
	if err != nil {
		return nil, err
	}
	h, err := newHub(root)
	if err != nil {
		return nil, err
	}
	s := &server{
		root: root, boot: bootID(), log: log, hub: h, live: map[string]bool{}, deaths: map[string]int{}, arrays: map[string]*array{},
		sending: map[string]chan struct{}{}, senders: make(chan struct{}, sendAtOnce),
	}
	s.python = sync.OnceValue(realPython)
	return s, nil
}

// openLog opens the log of the agent and its supervisors. Beyond a size it starts anew.
func openLog(name string) (*os.File, error) {
	if fi, err := os.Stat(name); err == nil && fi.Size() > 1<<20 {
		_ = os.Remove(name)
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// stdio is the standard input and output as one stream.
type stdio struct{}

func (stdio) Read(b []byte) (int, error)  { return os.Stdin.Read(b) }
func (stdio) Write(b []byte) (int, error) { return os.Stdout.Write(b) }
func (stdio) Close() error                { return errors.Join(os.Stdin.Close(), os.Stdout.Close()) }

// serve answers each stream of the channel in a goroutine of its own.
func (s *server) serve(rw io.ReadWriteCloser) error {
	session, err := yamux.Server(rw, wire.Channel())
	if err != nil {
		return err
	}
	// Close waits for who reads, whom a link that was cut leaves waiting for what never comes: nobody waits for it.
	defer func() { go session.Close() }()
	for name, begin := range map[string]func(*yamux.Stream) error{homeSocket: toHome, askSocket: asIs} {
		l, err := listenIn(s.root, name)
		if err != nil {
			turnAway(session, err)
			return err
		}
		defer l.Close()
		go offer(l, session, begin)
	}
	var opened io.Closer
	s.door = sync.OnceValue(func() (err error) {
		opened, err = openDoor(s.root, session, s.hub.publish)
		return err
	})
	if exists(filepath.Join(s.root, doorMarker)) {
		_ = s.door() // jobs wait for it; the next one that needs it says why it does not open
	}
	defer func() {
		if opened != nil {
			opened.Close()
		}
	}()
	s.sendRests()
	for {
		st, err := session.AcceptStream()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, yamux.ErrSessionShutdown) {
				return nil
			}
			return err
		}
		go s.answer(st)
	}
}

// turnAway answers whoever asks that the agent cannot start, as on a full disk: to end without a word is silence.
func turnAway(session *yamux.Session, why error) {
	why = diskFault("start", why)
	for {
		st, err := session.AcceptStream()
		if err != nil {
			return
		}
		go func() {
			defer st.Close()
			var req wire.Request
			if c := wire.NewStream(st); c.Recv(&req) == nil {
				_ = c.SendFault(why)
			}
		}()
	}
}

// call is one stream being answered.
type call struct {
	*wire.Stream
	conn io.ReadCloser
}

// answer reads the request and answers it. Whatever goes wrong with one stream ends only that one.
func (s *server) answer(conn io.ReadWriteCloser) {
	defer conn.Close()
	c := &call{Stream: wire.NewStream(conn), conn: conn}
	var req wire.Request
	if err := c.Recv(&req); err != nil {
		return
	}
	op := s.operations()[req.Op]
	if op == nil {
		_ = c.SendFault(&fault.Error{
			Code: fault.Unsupported, Reason: "AgentTooOld", What: "the agent cannot do this",
			Why: `it does not know the operation "` + req.Op + `"`, Fix: "check the target again, so that it gets the server's agent",
		})
		return
	}
	if err := op(c); err != nil {
		_ = c.SendFault(err)
	}
}

// operations is what the agent can do.
func (s *server) operations() map[string]func(*call) error {
	return map[string]func(*call) error{
		wire.OpHello:       one(s.hello),
		wire.OpStart:       one(s.start),
		wire.OpPoll:        one(s.poll),
		wire.OpCancel:      one(s.cancel),
		wire.OpRelease:     one(s.release),
		wire.OpSent:        one(s.sent),
		wire.OpSettle:      one(s.settle),
		wire.OpTasks:       one(s.tasks),
		wire.OpSettleTasks: one(s.settleTasks),
		wire.OpLog:         stream(s.readLog),
		wire.OpWatch:       stream(s.watchJobs),
		wire.OpOutputs:     one(s.outputs),
		wire.OpOutput:      stream(s.output),
		wire.OpMissing:     one(s.missing),
		wire.OpPut:         s.put,
		wire.OpBuild:       one(s.build),
		wire.OpBuildStatus: one(s.buildStatus),
		wire.OpBuildLog:    stream(s.buildLog),
		wire.OpFacts:       one(s.facts),
		wire.OpClean:       one(s.clean),
		wire.OpExec:        stream(s.exec),
		wire.OpOpen:        stream(s.open),
		wire.OpWrite:       stream(s.write),
		wire.OpReadDir:     one(s.readDir),
		wire.OpRemove:      one(s.remove),
		wire.OpDial:        stream(s.dial),
	}
}

// one makes an operation of one message and one answer.
func one[In, Out any](f func(In) (Out, error)) func(*call) error {
	return func(c *call) error {
		var in In
		if err := c.Recv(&in); err != nil {
			return err
		}
		out, err := f(in)
		if err != nil {
			return err
		}
		return c.Send(out)
	}
}

// stream makes an operation that has more to say than one answer.
func stream[In any](f func(*call, In) error) func(*call) error {
	return func(c *call) error {
		var in In
		if err := c.Recv(&in); err != nil {
			return err
		}
		return f(c, in)
	}
}

// gone returns a context that ends when the other side closes the stream: for streams on which it
// has no more to say.
func (c *call) gone() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = c.conn.Read(make([]byte, 1))
		cancel()
	}()
	return ctx, cancel
}

func (s *server) hello(wire.Empty) (wire.Hello, error) {
	return wire.Hello{Version: wire.Version, BootID: s.boot, PID: os.Getpid(), UID: os.Getuid()}, nil
}
