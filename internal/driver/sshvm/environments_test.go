package sshvm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// one is a machine with what the server keeps for it.
func one(t *testing.T) driver.Target {
	t.Helper()
	target := own(t, vm(t))
	target.Tools = tools(t)
	return target
}

// tools returns the server's folder for programs, which tests share: what is in it is downloaded once.
func tools(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	return filepath.Join(dir, "zaffre-test", "tools")
}

// behind returns the machine that is reached through vm1 only, and has no route to a package index.
func behind(t *testing.T) driver.Target {
	t.Helper()
	first := vm(t)
	target := at(t, os.Getenv("ENGINES_VM2"))
	target.Secrets, target.Tools = first.Secrets, tools(t)
	target.On["via"] = []driver.Conn{connect(t, first)}
	return own(t, target)
}

// pip is a definition of packages that pip installs.
func pip(lines ...string) driver.Definition {
	return driver.Definition{Pip: lines}
}

// machine is a target in use.
type machine struct {
	*testing.T
	driver.Conn
}

func on(t *testing.T, target driver.Target) machine { return machine{t, connect(t, target)} }

func (m machine) envs() driver.EnvBuilder { return m.Conn.(driver.EnvBuilder) }

// build has an environment built, and returns how it ended, with its log.
func (m machine) build(digest string, d driver.Definition) (driver.BuildStatus, string) {
	m.Helper()
	m.start(digest, d)
	return m.end(digest)
}

func (m machine) start(digest string, d driver.Definition) {
	m.Helper()
	if err := m.envs().Build(m.Context(), digest, d); err != nil {
		m.Fatal(err)
	}
}

func (m machine) end(digest string) (driver.BuildStatus, string) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), 3*time.Minute)
	defer cancel()
	for {
		st, err := m.envs().BuildStatus(ctx, digest)
		if err != nil {
			m.Fatal(err)
		}
		if st.State != driver.BuildRunning {
			return st, m.log(digest)
		}
		select {
		case <-ctx.Done():
			m.Fatalf("the build does not end:\n%s", m.log(digest))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// log returns the log of a build that ended.
func (m machine) log(digest string) string {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), 3*time.Minute)
	defer cancel()
	r, err := m.envs().BuildLog(ctx, digest, 0)
	if err != nil {
		m.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil && ctx.Err() == nil {
		m.Error(err)
	}
	return string(text)
}

// built is build of what must succeed.
func (m machine) built(digest string, d driver.Definition) (driver.BuildStatus, string) {
	m.Helper()
	st, log := m.build(digest, d)
	if st.State != driver.BuildDone {
		m.Fatalf("the build is %s, %s: %s\n%s", st.State, st.Reason, st.Message, log)
	}
	return st, log
}

// python runs code in an environment and returns what it prints.
func (m machine) python(st driver.BuildStatus, run, code string) string {
	m.Helper()
	r := m.Conn.(driver.Runner)
	ctx, cancel := context.WithTimeout(m.Context(), 3*time.Minute)
	defer cancel()
	h, err := r.Start(ctx, driver.Job{ID: run + "-1", Run: run, Attempt: 1, Command: []string{"python", "-c", code}, Runtime: st.Runtime})
	if err != nil {
		m.Fatal(err)
	}
	body, err := m.Conn.(driver.LogReader).ReadLog(ctx, h, 0)
	if err != nil {
		m.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		m.Fatal(err)
	}
	if now, err := r.Poll(ctx, h); err != nil || now.State != driver.JobDone {
		m.Errorf("the run is %+v, %v: %s", now, err, text)
	}
	if err := r.Release(ctx, h); err != nil {
		m.Error(err)
	}
	return strings.TrimSpace(string(text))
}

// sh runs a script on the machine.
func (m machine) sh(script string) {
	m.Helper()
	var out strings.Builder
	exit, err := m.Conn.(driver.Host).Exec(context.WithoutCancel(m.Context()), []string{"sh", "-c", script}, driver.Stdio{Out: &out, Err: &out})
	if err != nil || exit != 0 {
		m.Fatalf("%s: exit %d, %v: %s", script, exit, err, out.String())
	}
}

// refused checks how a build failed: every part is there, in words that fit.
func (m machine) refused(st driver.BuildStatus, log, reason, why, fix string) {
	m.Helper()
	if st.State != driver.BuildFailed || st.Reason != reason || !strings.Contains(st.Message, why) || !strings.Contains(st.Fix, fix) {
		m.Fatalf("the build is %s, %s: %s (fix: %s)\nwant %s with %q, fix %q; log:\n%s", st.State, st.Reason, st.Message, st.Fix, reason, why, fix, log)
	}
	if !strings.Contains(log, st.Fix) {
		m.Errorf("the log does not say what to do:\n%s", log)
	}
}

// digest is that of a definition, as far as a target cares.
func digest(t *testing.T, n int) string {
	t.Helper()
	return fmt.Sprintf("%064x", n)
}

func TestEnvironmentsOnARemoteMachine(t *testing.T) {
	t.Run("Cold and warm", func(t *testing.T) {
		t.Parallel()
		target := one(t)
		m, id := on(t, target), digest(t, 1)
		begin := time.Now()
		st, log := m.built(id, pip("six==1.16.0"))
		cold := time.Since(begin)
		if got := m.python(st, "first", "import six; print(six.__version__)"); got != "1.16.0" {
			t.Errorf("the run said %q", got)
		}
		if strings.Contains(log, "by way of the server") || !strings.Contains(log, "Building with uv") {
			t.Errorf("the machine has a route of its own; log:\n%s", log)
		}
		again := on(t, target) // another server process
		begin = time.Now()
		st, same := again.built(id, pip("six==1.16.0"))
		t.Logf("cold %v, known %v; log:\n%s", cold, time.Since(begin), log)
		if same != log {
			t.Errorf("it was built again:\n%s", same)
		}
		begin = time.Now()
		again.built(digest(t, 2), pip("six==1.16.0", "--pre"))
		t.Logf("warm, another environment of the same packages: %v", time.Since(begin))
		again.python(st, "second", "import six")
	})
	t.Run("No such package", func(t *testing.T) {
		t.Parallel()
		m := on(t, one(t))
		st, log := m.build(digest(t, 3), pip("zaffre-no-such-package"))
		m.refused(st, log, "PackageNotFound", `"zaffre-no-such-package"`, "correct its name")
	})
	t.Run("No such interpreter", func(t *testing.T) {
		t.Parallel()
		m := on(t, one(t))
		d := pip("six")
		d.Python, d.Exact = "3.7", true
		st, log := m.build(digest(t, 4), d)
		m.refused(st, log, "PythonMissing", "no Python 3.7", "install Python 3.7 there")
	})
	t.Run("No disk", func(t *testing.T) {
		t.Parallel()
		target := one(t)
		target.Options["workDirectory"] = ".zaffre-test-disk-" + target.ID
		root := on(t, vm(t))
		root.sh("d=$HOME/" + target.Options["workDirectory"].(string) + "; mkdir $d && sudo mount -t tmpfs -o size=130m,mode=700,uid=$(id -u) tmpfs $d")
		t.Cleanup(func() { // before the one that cleans
			on := machine{t, root.Conn}
			on.sh("sudo umount -l $HOME/" + target.Options["workDirectory"].(string) + "; rm -rf $HOME/" + target.Options["workDirectory"].(string))
		})
		m := on(t, target)
		st, log := m.build(digest(t, 5), pip("numpy", "scipy", "pandas"))
		m.refused(st, log, "DiskFull", "disk of the target is full", "free space")
	})
	t.Run("Two at once", func(t *testing.T) {
		t.Parallel()
		target := one(t)
		a, b, id := on(t, target), on(t, target), digest(t, 6)
		d := pip("six==1.16.0")
		var both sync.WaitGroup
		var errs [2]error
		for i, m := range []machine{a, b} {
			both.Go(func() { errs[i] = m.envs().Build(t.Context(), id, d) })
		}
		both.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		st, log := a.end(id)
		if n := strings.Count(log, "Building with uv"); n != 1 || st.State != driver.BuildDone {
			t.Errorf("it is %s and was built %d times:\n%s", st.State, n, log)
		}
		st, _ = b.end(id)
		a.python(st, "one", "import six")
		b.python(st, "other", "import six")
	})
	t.Run("Broken in the middle", func(t *testing.T) {
		t.Parallel()
		target := one(t)
		m := on(t, target)
		d := pip("numpy", "pandas", "six==1.16.0")
		for try := range 5 { // it may be built before it is broken
			id := digest(t, 70+try)
			r := m.reading(id, d)
			for !strings.Contains(r.line(), "Interpreter: ") {
			}
			m.sh("pkill -KILL -f 'agent [sb].*/" + target.ID + "'; true")
			st, log := m.end(id)
			builds := strings.Count(log, "Building with uv")
			if st.State != driver.BuildDone || builds > 2 {
				t.Fatalf("it is %s, %s:\n%s", st.State, st.Message, log)
			}
			m.python(st, fmt.Sprint("after", try), "import six, numpy, pandas")
			if builds == 2 {
				return
			}
		}
		t.Error("no build was broken")
	})
}

// TestEnvironmentsBehindAMachine: the machine behind the first one has no route to an index, nor uv, nor a way to
// install it. What it lacks comes from the server, and its run goes as anywhere.
func TestEnvironmentsBehindAMachine(t *testing.T) {
	t.Parallel()
	m := on(t, behind(t))
	begin := time.Now()
	st, log := m.built(digest(t, 1), pip("six==1.16.0"))
	t.Logf("cold, by way of the server: %v; log:\n%s", time.Since(begin), log)
	if strings.Count(log, "by way of the server") != 1 || !strings.Contains(log, "It came from the server") {
		t.Errorf("log:\n%s", log)
	}
	if got := m.python(st, "first", "import six; print(six.__version__)"); got != "1.16.0" {
		t.Errorf("the run said %q", got)
	}
	begin = time.Now()
	m.built(digest(t, 2), pip("six==1.16.0", "--pre"))
	t.Logf("warm: %v", time.Since(begin))

	st, log = m.build(digest(t, 3), pip("--extra-index-url https://index.zaffre.invalid/simple", "zaffre-no-such-package"))
	m.refused(st, log, "NetworkUnreachable", "cannot connect to index.zaffre.invalid:443", "the server's network")
	st, log = m.build(digest(t, 4), pip("--extra-index-url https://"+os.Getenv("ENGINES_VM1")+"/simple", "six"))
	m.refused(st, log, "NetworkUnreachable", "private network", "UV_INDEX")
	d := pip("six")
	d.Python, d.Exact = "3.7", true
	st, log = m.build(digest(t, 5), d)
	m.refused(st, log, "PythonMissing", "no Python 3.7", "install Python 3.7 there")
	m.sh("! ls -d ~/.local/share/uv ~/.cache/uv 2>/dev/null") // beside our folder
}

// TestEnvironmentsWithoutHelp: where the server has nothing to give either, the fault says what the machine lacks.
func TestEnvironmentsWithoutHelp(t *testing.T) {
	t.Parallel()
	target := behind(t)
	target.Tools = ""
	m := on(t, target)
	st, log := m.build(digest(t, 1), pip("six==1.16.0"))
	m.refused(st, log, "NetworkUnreachable", "cannot reach the package index", "check the network of the target")
}

// reading starts a build and reads its log.
func (m machine) reading(digest string, d driver.Definition) *following {
	m.Helper()
	m.start(digest, d)
	r, err := m.envs().BuildLog(m.Context(), digest, 0)
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { r.Close() })
	return &following{m, r}
}

type following struct {
	machine
	r io.Reader
}

// line returns the next line.
func (f *following) line() string {
	f.Helper()
	var text []byte
	for b := make([]byte, 1); ; text = append(text, b[0]) {
		if _, err := io.ReadFull(f.r, b); err != nil {
			f.Fatalf("the log ends with %q: %v", text, err)
		}
		if b[0] == '\n' {
			return string(text)
		}
	}
}
