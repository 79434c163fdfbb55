package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/carry"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// insideVar marks an agent's environment. A process that has it starts no agent: otherwise a binary
// that does not know the agent's verb, such as another package's test, would start itself for ever.
const insideVar = "ZAFFRE_AGENT"

// stopLimit is how long an agent has to end by itself.
const stopLimit = 3 * time.Second

// start starts the agent.
func (p *place) start(context.Context) (io.ReadWriteCloser, error) {
	if os.Getenv(insideVar) != "" {
		return nil, startFault(errors.New("this process is itself an agent"), "")
	}
	who, err := p.who()
	if err != nil {
		return nil, err
	}
	root, base, err := p.root(who)
	if err != nil {
		return nil, err
	}
	binary, err := install(base)
	if err != nil {
		return nil, dirFault(err)
	}
	cmd := exec.Command(binary, "agent", "serve", "--root", root)
	cmd.Dir = "/"
	cmd.Env = environ(who, root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: who.credential()}
	return launch(cmd, who)
}

// launch starts cmd with its standard input and output as one stream.
func launch(cmd *exec.Cmd, who identity) (io.ReadWriteCloser, error) {
	r := &running{cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = &r.said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, startFault(err, "")
	}
	// Not StdoutPipe: Wait closes that one while the channel still reads.
	out, w, err := os.Pipe()
	if err != nil {
		return nil, startFault(err, "")
	}
	defer w.Close()
	cmd.Stdout = w
	r.in, r.out = in, out
	if err := cmd.Start(); err != nil {
		out.Close()
		in.Close()
		if who.other && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL)) {
			return nil, userFault("UserSwitchDenied", "the server may not start processes as "+who.text(),
				`choose the user "same", or let the server change its user (CAP_SETUID, CAP_SETGID)`)
		}
		return nil, startFault(err, "")
	}
	go func() {
		defer close(r.done)
		_ = cmd.Wait()
	}()
	return r, nil
}

// running is an agent's process and its standard input and output.
type running struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *os.File
	said tail
	done chan struct{}
	once sync.Once
}

func (r *running) Write(b []byte) (int, error) { return r.in.Write(b) }

// Read fails with what the agent said where it ended by itself.
func (r *running) Read(b []byte) (int, error) {
	n, err := r.out.Read(b)
	if err == io.EOF {
		<-r.done
		if text := r.said.text(); text != "" {
			return n, startFault(err, text)
		}
	}
	return n, err
}

// Close ends the agent and waits for it.
func (r *running) Close() error {
	r.once.Do(func() {
		_ = r.in.Close()
		select {
		case <-r.done:
		case <-time.After(stopLimit):
			_ = r.cmd.Process.Kill()
			<-r.done
		}
		_ = r.out.Close()
	})
	return nil
}

// tail keeps the last words of a process.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	t.buf = t.buf[max(0, len(t.buf)-2000):]
	return len(b), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(bytes.TrimSpace(t.buf)), "?")
}

// install returns the path of the agent's binary. It stands where the user that runs the code
// cannot change it. A server that carries none is the agent itself; the path then works even where
// nobody else could enter the folder, or the file is gone.
func install(base string) (string, error) {
	agent, ok := carry.For(runtime.GOOS, runtime.GOARCH)
	if !ok {
		return "/proc/self/exe", nil
	}
	name := filepath.Join(base, "bin", "agent-"+agent.Version)
	if fi, err := os.Stat(name); err == nil && fi.Size() == agent.Size {
		return name, nil
	}
	binary, err := agent.Open()
	if err != nil {
		return "", err
	}
	defer binary.Close()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", err
	}
	// A child that is forked while the file is open holds it too, and the agent cannot be started then: ETXTBSY.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.CreateTemp(filepath.Dir(name), ".agent-")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, binary)
	err = errors.Join(err, f.Chmod(0o755), f.Close())
	if err != nil {
		return "", err
	}
	return name, os.Rename(f.Name(), name)
}

// passed are the variables that an agent has from the server; those that end in "*" are prefixes.
// Those of the package tools are for the builds: jobs do not get them.
var passed = []string{
	"PATH", "LANG", "LC_*", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
	"NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO", "HTTPLIB2_CA_CERTS",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy",
	"PIP_*", "UV_*", "CONDA_*", "MAMBA_*", "DOCKER_*", "SLURM_CONF",
}

// ownOnly are those that mean something only to the server's own user.
var ownOnly = []string{"HOME", "USER", "LOGNAME", "TMPDIR", "PYENV_*", "XDG_*"}

// environ returns the agent's environment. Another user has a home of its own.
func environ(who identity, root string) []string {
	list := slices.Clone(passed)
	if !who.other {
		list = append(list, ownOnly...)
	}
	env := []string{insideVar + "=1"}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if slices.ContainsFunc(list, func(p string) bool {
			prefix, wild := strings.CutSuffix(p, "*")
			return name == p || wild && strings.HasPrefix(name, prefix)
		}) {
			env = append(env, kv)
		}
	}
	if who.other {
		name := who.name
		if name == "" {
			name = runUser
		}
		env = append(env, "HOME="+filepath.Join(root, "home"), "USER="+name, "LOGNAME="+name)
	}
	return env
}

func startFault(err error, said string) error {
	e := &fault.Error{
		Code: fault.Unavailable, Reason: "AgentNotStarted", What: "the agent of the server's machine does not start",
		Why: "its process could not be started or ended at once", Fix: "look into the server's log; check memory, disk and processes of the machine",
		Err: err,
	}
	if said != "" {
		e.Evidence = []string{said}
	}
	return e
}
