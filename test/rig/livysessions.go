package rig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// LivySessions is a running simulator of Livy's sessions: see test/engines/livysessions.
type LivySessions struct {
	URL string
	cmd *exec.Cmd
	in  io.Closer // its input: it ends with us
}

// StartLivySessions starts the simulator by the Python and the Java that test/engines/livysessions.sh names.
func StartLivySessions(args ...string) (*LivySessions, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	server := filepath.Join(root, "test", "engines", "livysessions", "server.py")
	s := &LivySessions{cmd: exec.Command(os.Getenv("TEST_LIVY_SESSIONS"), append([]string{server}, args...)...)}
	s.cmd.Env = append(os.Environ(), "JAVA_HOME="+os.Getenv("TEST_LIVY_JAVA_HOME"), "SPARK_LOCAL_IP=127.0.0.1", "PYTHONDONTWRITEBYTECODE=1")
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	s.URL = strings.TrimSpace(line)
	return s, err
}

// Stop ends the simulator, and the sessions that it has.
func (s *LivySessions) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.in.Close()
	_ = s.cmd.Wait()
}

// LivyFault is what happens to the next calls whose method is Method and whose path matches Path: Kind "lost" does
// what is asked and breaks the connection, "status" answers with Code and Body.
type LivyFault struct {
	Method string `json:"method"`
	Path   string `json:"path"` // a regular expression
	Kind   string `json:"kind"`
	Code   int    `json:"code"`
	Body   any    `json:"body"`
	Times  int    `json:"times"`
}

// Fail makes a fault.
func (s *LivySessions) Fail(f LivyFault) error { return s.tell("/sim/faults", f, nil) }

// Kill ends the interpreter of a session, by the name that Livy has it by.
func (s *LivySessions) Kill(name string) error {
	return s.tell("/sim/kill", map[string]string{"name": name}, nil)
}

// Calls says how often each route was called: "GET /sessions/{}".
func (s *LivySessions) Calls() (n map[string]int, err error) {
	return n, s.tell("/sim/calls", nil, &n)
}

func (s *LivySessions) tell(path string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := http.Post(s.URL+path, "application/json", bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
