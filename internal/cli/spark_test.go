//go:build linux

package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli"
)

// interpreter is a peer for the commands about sessions: an echo of each statement, but "fail" fails, and "hang"
// runs until it is cancelled.
type interpreter struct {
	mu         sync.Mutex
	stopped    bool
	statements []client.Statement
	asked      chan struct{} // of a statement that runs
}

func (p *interpreter) routes() map[string]http.HandlerFunc {
	const all = " /api/v1/workspaces/{ws}/computes/{name}/sessions"
	return map[string]http.HandlerFunc{
		"GET /api/v1/kinds": func(w http.ResponseWriter, _ *http.Request) {
			reply(w, client.Page[client.Kind]{Items: []client.Kind{{Name: "fake", Options: []client.Option{}, Capabilities: []string{"sessions"}}}})
		},
		"GET" + all: func(w http.ResponseWriter, _ *http.Request) {
			reply(w, client.Page[client.Session]{Items: []client.Session{p.session()}})
		},
		"GET" + all + "/{session}": func(w http.ResponseWriter, _ *http.Request) { reply(w, p.session()) },
		"DELETE" + all + "/{session}": func(w http.ResponseWriter, _ *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.stopped = true
			w.WriteHeader(http.StatusNoContent)
		},
		"PUT" + all + "/{session}/statements/{number}":         p.begin,
		"GET" + all + "/{session}/statements/{number}":         p.read,
		"POST" + all + "/{session}/statements/{number}/cancel": p.one(func(st *client.Statement) { st.State = "canceled" }),
	}
}

func (p *interpreter) session() client.Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return client.Session{Name: "mine", Compute: "gpu-box", Language: "pyspark", State: "idle", Statements: len(p.statements)}
}

func (p *interpreter) begin(w http.ResponseWriter, r *http.Request) {
	var q client.StatementRequest
	_ = json.NewDecoder(r.Body).Decode(&q)
	p.mu.Lock()
	defer p.mu.Unlock()
	st := client.Statement{Number: len(p.statements), Code: q.Code, State: "done", Output: map[string]string{"text/plain": fmt.Sprintf("%d: %q", len(p.statements), q.Code)}}
	switch q.Code {
	case "hang":
		st.State, st.Output = "running", nil
	case "fail":
		st.State, st.Output, st.Error, st.Trace = "failed", nil, "ValueError: no", []string{"Traceback:\n", "  line 1\n"}
	}
	p.statements = append(p.statements, st)
	reply(w, st)
}

// read answers late of what runs: Ctrl-C then comes while a question is open.
func (p *interpreter) read(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.PathValue("number"))
	p.mu.Lock()
	hangs := p.statements[n].State == "running"
	p.mu.Unlock()
	if hangs {
		select {
		case p.asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	}
	p.one(func(*client.Statement) {})(w, r)
}

func (p *interpreter) one(change func(*client.Statement)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("number"))
		p.mu.Lock()
		defer p.mu.Unlock()
		change(&p.statements[n])
		reply(w, p.statements[n])
	}
}

// pty is a terminal, and who types at it.
type pty struct {
	*testing.T
	master, slave *os.File
	mu            sync.Mutex
	shown         string
	changed       chan struct{}
}

func newPty(t *testing.T) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{T: t, master: master, slave: slave, changed: make(chan struct{}, 1)}
	go p.watch()
	t.Cleanup(func() { slave.Close(); master.Close() })
	return p
}

func (p *pty) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.shown += string(buf[:n])
		p.mu.Unlock()
		select {
		case p.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// types types keys, and returns what is shown from there until all of want has been.
func (p *pty) types(keys string, want ...string) string {
	p.Helper()
	p.mu.Lock()
	from := len(p.shown)
	p.mu.Unlock()
	if _, err := p.master.WriteString(keys); err != nil {
		p.Fatal(err)
	}
	late := time.After(3 * time.Minute)
	for {
		p.mu.Lock()
		got := p.shown[from:]
		p.mu.Unlock()
		rest, ok := got, true
		for _, w := range want {
			var found bool
			_, rest, found = strings.Cut(rest, w)
			ok = ok && found
		}
		if ok {
			return got
		}
		select {
		case <-p.changed:
		case <-late:
			p.Fatalf("after %q the terminal shows %q, want %q", keys, got, want)
		}
	}
}

func TestAttachAtATerminal(t *testing.T) {
	t.Parallel()
	f, peer := newFake(t), &interpreter{asked: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	for pattern, h := range peer.routes() {
		mux.HandleFunc(pattern, h)
	}
	mux.Handle("/", f.srv.Config.Handler)
	f.srv.Config.Handler = mux
	p, home := newPty(t), t.TempDir()
	attach := func(p *pty, args ...string) <-chan int {
		ended := make(chan int, 1)
		env := map[string]string{"HOME": home, "ZAFFRE_DATA": f.data}
		go func() {
			ended <- cli.Main(append([]string{"spark", "session", "attach"}, args...), cli.Env{Stdin: p.slave, Stdout: p.slave, Stderr: p.slave, Getenv: func(k string) string { return env[k] }})
		}()
		return ended
	}
	ended := attach(p, "mine")
	p.types("", "session mine on gpu-box (pyspark)", ">>> ")
	p.types("x = 1\r", `0: "x = 1"`, ">>> ")
	p.types("def f():\r", "... ")
	p.types("  return 1\r\r", `1: "def f():\n  return 1\n"`, ">>> ")
	p.types("fail\r", "Traceback:\r\n  line 1\r\nValueError: no\r\n", ">>> ")
	p.types("hang\r", "hang\r\n")
	<-peer.asked
	p.types("\x03", "statement 3 was cancelled", ">>> ")
	p.types("half a line\x03", "^C", ">>> ")
	p.types("for i in x:\r", "... ")
	p.types("  half a block\x03", "^C", ">>> ")
	p.types("\x1b[A\x1b[A\r", "hang") // one up is "for i in x:"
	<-peer.asked
	p.types("y = 2\r\x03", "statement 4 was cancelled", `5: "y = 2"`, ">>> ") // what is typed meanwhile is kept
	p.types("\x04", "session mine goes on", "next: ", "zaffre spark session stop --compute gpu-box mine")
	if code := <-ended; code != 0 {
		t.Errorf("it exits with %d", code)
	}
	file := filepath.Join(home, ".local", "state", "zaffre", "spark-pyspark.history")
	b, err := os.ReadFile(file)
	fi, statErr := os.Stat(file)
	if err != nil || statErr != nil || fi.Mode().Perm() != 0o600 || string(b) != "x = 1\ndef f():\n  return 1\nfail\nhang\nfor i in x:\nhang\ny = 2\n" {
		t.Errorf("the history is %q, %v, %v", b, fi.Mode(), err)
	}
	p = newPty(t)
	ended = attach(p, "--stop", "--compute", "gpu-box", "mine")
	p.types("", "session mine on gpu-box (pyspark)", ">>> ")
	p.types("\x1b[A\r", `6: "y = 2"`, ">>> ") // of the file
	p.types("\x04", "session mine on gpu-box stopped")
	if code := <-ended; code != 0 || !peer.stopped {
		t.Errorf("it exits with %d, stopped %v", code, peer.stopped)
	}
}
