package agentx_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/yamux"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// asking is an agent that answers what builds need, and can ask.
type asking struct {
	mux   *yamux.Session
	state string // of every build
}

func (a *asking) start(context.Context) (io.ReadWriteCloser, error) {
	ours, theirs := net.Pipe()
	mux, err := yamux.Server(theirs, wire.Channel())
	if err != nil {
		return nil, err
	}
	a.mux = mux
	go func() {
		for {
			st, err := mux.AcceptStream()
			if err != nil {
				return
			}
			s := wire.NewStream(st)
			var req wire.Request
			_ = s.Recv(&req)
			switch req.Op {
			case wire.OpHello:
				hello(s)
			case wire.OpBuild:
				_ = s.Send(wire.Empty{})
			case wire.OpBuildStatus:
				_ = s.Send(wire.BuildResult{State: a.state})
			}
		}
	}()
	return ours, nil
}

// ask asks the server, and returns the stream after its answer.
func (a *asking) ask(t *testing.T, op string, in, out any) (*yamux.Stream, error) {
	t.Helper()
	st, err := a.mux.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s := wire.NewStream(st)
	if err := s.Open(op, in); err != nil {
		t.Fatal(err)
	}
	return st, s.Recv(out)
}

// index makes a listener on the loopback the index of the server's uv, and says what comes to it.
func index(t *testing.T) (addr string, store *uvx.Store) {
	t.Helper()
	addr = echo(t)
	dir := t.TempDir()
	text := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in\n*pylock*) echo 'url = \"https://files.example/x\"';;\n*) echo \"--index-url https://%s/simple\";;\nesac\n", addr)
	for name, text := range map[string]string{"uv": text, "python3": "#!/bin/sh\nexit 1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return addr, uvx.New(t.TempDir())
}

// echo listens on the loopback.
func echo(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	return l.Addr().String()
}

// TestRoute: a build that runs reaches the server's indexes and what its definition names outside of the server's
// network; others reach nothing.
func TestRoute(t *testing.T) {
	addr, store := index(t)
	a := &asking{state: wire.BuildRunning}
	c := &agentx.Conn{Session: agentx.NewSession(a.start)}
	c.UV = store
	defer c.Close()
	inside := echo(t)
	build := func(digest string) {
		t.Helper()
		if err := c.Build(t.Context(), digest, driver.Definition{Pip: []string{"--extra-index-url https://" + inside + "/simple", "x"}}); err != nil {
			t.Fatal(err)
		}
	}
	status := func(digest string) {
		t.Helper()
		if _, err := c.BuildStatus(t.Context(), digest); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(digest, addr, why string) {
		t.Helper()
		_, err := a.ask(t, wire.OpRoute, wire.Route{Digest: digest, Addr: addr}, &wire.Empty{})
		if fault.ReasonOf(err) != "RouteRefused" || !strings.Contains(err.Error(), why) {
			t.Errorf("%s for build %q: %v, want it refused: %s", addr, digest, err, why)
		}
	}
	routed := func(digest string) {
		t.Helper()
		st, err := a.ask(t, wire.OpRoute, wire.Route{Digest: digest, Addr: addr}, &wire.Empty{})
		if err != nil {
			t.Errorf("to the index: %v", err)
			return
		}
		_, _ = io.WriteString(st, "ping\n")
		if line, err := bufio.NewReader(st).ReadString('\n'); line != "ping\n" {
			t.Errorf("the index said %q, %v", line, err)
		}
	}
	if _, err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused("d", addr, "no build")
	build("d")
	routed("d")
	refused("other", addr, "no build")
	refused("d", "elsewhere.example:443", "neither the definition names it")
	refused("d", inside, "private network")
	a.state = wire.BuildFailed
	status("d")
	refused("d", addr, "no build")
	a.state = wire.BuildRunning
	status("before") // of a server before this one
	routed("before")
}

// TestSupply: builds are given uv and what this server knows of indexes; where it has none to give, they hear why.
func TestSupply(t *testing.T) {
	addr, store := index(t)
	a := &asking{}
	c := &agentx.Conn{Session: agentx.NewSession(a.start)}
	defer c.Close()
	if _, err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	var f wire.ToolFile
	if _, err := a.ask(t, wire.OpTool, wire.Tool{Name: "uv", Arch: "amd64"}, &f); fault.ReasonOf(err) != "SupplyNone" {
		t.Errorf("from a server that has nothing: %v", err)
	}
	c.HangUp()
	c.UV = store
	t.Setenv("UV_DEFAULT_INDEX", "https://"+addr+"/simple")
	if _, err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	var x wire.Index
	if _, err := a.ask(t, wire.OpIndex, wire.Empty{}, &x); err != nil || x.Default != "https://"+addr+"/simple" {
		t.Errorf("index %+v, %v", x, err)
	}
	if _, err := a.ask(t, wire.OpTool, wire.Tool{Name: "sh", Arch: "amd64"}, &f); fault.ReasonOf(err) != "ToolUnknown" {
		t.Errorf("another program: %v", err)
	}
	if _, err := a.ask(t, wire.OpTool, wire.Tool{Name: "uv", Arch: "m68k"}, &f); fault.ReasonOf(err) != "ServerUvMissing" {
		t.Errorf("for another machine: %v", err)
	}
}
