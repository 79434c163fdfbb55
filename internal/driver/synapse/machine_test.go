package synapse_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/driver/synapse"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// TestMain makes the test binary the agent where it is started as one: it carries itself to the machine.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		syscall.Exit(agent.Main(os.Args[1:])) // not os.Exit: the race detector makes that one sleep
	}
	os.Exit(m.Run())
}

// server returns this machine as a target of its own, whose work directory is dir.
func server(t testing.TB, dir string) driver.Conn {
	t.Helper()
	c, err := local.Kind().Connect(context.Background(), driver.Target{ID: "server", Options: map[string]any{"user": "same", "workDirectory": dir}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// onMachine returns a target that stands on this machine, and takes what it leaves away.
func onMachine(t testing.TB, options, secrets map[string]string) driver.Target {
	t.Helper()
	target := driver.Target{
		ID: strings.ToLower(id.New()), Options: map[string]any{"host": "server", "workDirectory": t.TempDir()}, Secrets: secrets,
	}
	for k, v := range options {
		target.Options[k] = v
	}
	dir := t.TempDir()
	host := server(t, dir)
	target.On = map[string][]driver.Conn{"host": {host}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		defer host.Close()
		c, err := synapse.Kind().Connect(ctx, target)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.(driver.Cleaner).Clean(ctx, false); err != nil {
			t.Errorf("it cannot be cleaned: %v", err)
		}
	})
	return target
}

// onMaster returns a pool by spark-submit on the Spark of test/engines/spark.sh.
func onMaster(t testing.TB, master string) driver.Target {
	t.Helper()
	drivertest.Need(t, "TEST_SPARK", "spark")
	return onMachine(t, map[string]string{"master": master, "sparkHome": os.Getenv("SPARK_HOME"), "javaHome": os.Getenv("JAVA_HOME")}, nil)
}

// remote returns the Spark Connect server of test/engines/sparkconnect.sh, whose token the target has.
func remote(t testing.TB) driver.Target {
	t.Helper()
	address := drivertest.Need(t, "TEST_SPARK_CONNECT", "sparkconnect")
	return onMachine(t, map[string]string{"connect": address, "python": os.Getenv("ENGINES_SPARKCONNECT_PYTHON")},
		map[string]string{"bearerToken": os.Getenv("ENGINES_SPARKCONNECT_TOKEN")})
}

// posix is the suite's script, but for a Python script that is not there: spark-submit says that in the log.
func posix(what string, args ...string) []string {
	if what == "missing-script" {
		return nil
	}
	return drivertest.POSIX(what, args...)
}

func definition(what string) *driver.Definition {
	if what == "tiny" {
		return &driver.Definition{UserManaged: true, Interpreter: "python3"}
	}
	return &driver.Definition{UserManaged: true, Interpreter: "/no/such/python"}
}

// crash kills the target's agent.
func crash(t *testing.T, target driver.Target) {
	t.Helper()
	kill(t, fmt.Sprintf("agent serve --root %s/%s", target.Options["workDirectory"], target.ID))
}

// kill kills the processes whose command line is like pattern.
func kill(t *testing.T, pattern string) {
	t.Helper()
	err := exec.CommandContext(t.Context(), "pkill", "-KILL", "-f", pattern).Run()
	if e, ok := err.(*exec.ExitError); err != nil && (!ok || e.ExitCode() > 1) {
		t.Errorf("killing %q: %v", pattern, err)
	}
}

// interpreter is the command line of a session's Python, and of no other process.
func interpreter(session string) string {
	return `^[^ ]*python[^ ]* [^ ]*zaffre-session.py .*` + session + `$`
}

// stated runs one statement of a session, and returns how it ended.
func stated(t *testing.T, c driver.Sessions, session string, number int, code string) driver.Statement {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	st, err := c.BeginStatement(ctx, session, number, code)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for err == nil && (st.State == driver.StatementWaiting || st.State == driver.StatementRunning) {
		<-tick.C
		st, err = c.ReadStatement(ctx, session, number)
	}
	if err != nil {
		t.Fatalf("statement %d: %v", number, err)
	}
	return st
}

// session starts one, and waits until it takes statements.
func session(t *testing.T, c driver.Sessions, s driver.Session) {
	t.Helper()
	if _, err := c.StartSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if st := stands(t, c, s.Name, driver.SessionIdle, driver.SessionDead); st.State != driver.SessionIdle {
		t.Fatalf("the session is %+v", st)
	}
}

// stands waits until a session is in one of the states.
func stands(t *testing.T, c driver.Sessions, name string, states ...driver.SessionState) driver.SessionStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := c.SessionStatus(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(states, st.State) {
			return st
		}
		<-tick.C
	}
}

// code is the code of a run: texts by path.
type code map[string]string

func (c code) Manifest(context.Context) ([]driver.File, error) {
	var out []driver.File
	for name, text := range c {
		out = append(out, driver.File{Path: name, Mode: 0o644, Size: int64(len(text)), Hash: hashOf(text)})
	}
	return out, nil
}

func (c code) OpenHash(_ context.Context, hash string) (io.ReadCloser, error) {
	for _, text := range c {
		if hashOf(text) == hash {
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	return nil, os.ErrNotExist
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// holds is driver.Sessions without what each connection has.
type holds interface {
	StartSession(ctx context.Context, s driver.Session) (driver.SessionStatus, error)
	ListSessions(ctx context.Context) ([]driver.SessionStatus, error)
	SessionStatus(ctx context.Context, name string) (driver.SessionStatus, error)
	BeginStatement(ctx context.Context, session string, number int, code string) (driver.Statement, error)
	ReadStatement(ctx context.Context, session string, number int) (driver.Statement, error)
	CancelStatement(ctx context.Context, session string, number int) error
	StopSession(ctx context.Context, name string) error
}
