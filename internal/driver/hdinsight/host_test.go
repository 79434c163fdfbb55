package hdinsight_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/hdinsight"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// onHost returns a target whose head node is this machine, by another target.
func onHost(t testing.TB, master string) driver.Target {
	t.Helper()
	head(t) // Spark is there, or the test is left out
	host, err := local.Kind().Connect(context.Background(), driver.Target{ID: "server", Options: map[string]any{"user": "same", "workDirectory": t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	return own(t, driver.Target{
		ID: strings.ToLower(id.New()), On: map[string][]driver.Conn{"host": {host}}, Secrets: map[string]string{},
		Options: map[string]any{
			"host": "server", "master": master, "sparkHome": os.Getenv("SPARK_HOME"), "javaHome": os.Getenv("JAVA_HOME"), "workDirectory": t.TempDir(),
		},
	})
}

// onHostCan is what a connection can that has no login of its own.
type onHostCan struct {
	driver.Host
	runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
	sessions
}

// runner and sessions are those capabilities without what each connection has.
type (
	runner interface {
		Start(ctx context.Context, job driver.Job) (driver.Handle, error)
		Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error)
		Cancel(ctx context.Context, h driver.Handle) error
		Release(ctx context.Context, h driver.Handle) error
	}
	sessions interface {
		StartSession(ctx context.Context, s driver.Session) (driver.SessionStatus, error)
		ListSessions(ctx context.Context) ([]driver.SessionStatus, error)
		SessionStatus(ctx context.Context, name string) (driver.SessionStatus, error)
		BeginStatement(ctx context.Context, session string, number int, code string) (driver.Statement, error)
		ReadStatement(ctx context.Context, session string, number int) (driver.Statement, error)
		CancelStatement(ctx context.Context, session string, number int) error
		StopSession(ctx context.Context, name string) error
	}
)

func TestHostConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		good := onHost(t, "local[*]")
		alias := good
		alias.ID = strings.ToLower(id.New())
		kind := hdinsight.Kind()
		kind.Prototype = onHostCan{} // the kind's own is one with a login, which gives a shell besides
		return drivertest.Harness{
			Kind: kind, Target: good, Alias: &alias, Script: script,
			Crash: func(t *testing.T, _ driver.Conn) { crashHere(t, good) },
			Refusals: []drivertest.Refusal{
				{Name: "NoSpark", Target: with(good, "sparkHome", "/no/such/spark"), Check: "spark-submit", Code: fault.Precondition, Reason: "SparkMissing"},
				{Name: "NoMaster", Target: with(good, "master", "spark://127.0.0.1:1"), Check: "master", Code: fault.Unavailable, Reason: "MasterAway"},
				{Name: "NoYARN", Target: with(good, "master", "yarn"), Check: "configuration", Code: fault.Precondition, Reason: "YARNUnconfigured"},
				{Name: "AddressToo", Target: with(good, "address", "10.0.0.4"), Code: fault.Invalid, Reason: "OptionInvalid"},
				{Name: "BadMaster", Target: with(good, "master", "mesos://x"), Code: fault.Invalid, Reason: "OptionInvalid"},
			},
			Definition: func(what string) *driver.Definition {
				if what == "tiny" {
					return &driver.Definition{UserManaged: true, Interpreter: "python3"}
				}
				return &driver.Definition{UserManaged: true, Interpreter: "/no/such/python"}
			},
		}
	})
}

// crashHere kills the target's agent on this machine.
func crashHere(t *testing.T, target driver.Target) {
	t.Helper()
	err := exec.CommandContext(t.Context(), "pkill", "-KILL", "-f", fmt.Sprintf("agent serve --root %s/%s", target.Options["workDirectory"], target.ID)).Run()
	if e, ok := err.(*exec.ExitError); err != nil && (!ok || e.ExitCode() > 1) {
		t.Errorf("killing the agent: %v", err)
	}
}

// TestHostRun gives a login, as clients of an HDInsight cluster must.
func TestHostRun(t *testing.T) {
	target := with(onHost(t, "local[1]"), "administratorAccount.username", "sshuser")
	target.Secrets["administratorAccount.password"] = "pw-canary"
	c := connect(t, target)
	o, err := c.Observe(t.Context())
	if err != nil || !o.Ready || o.Facts["spark.master"] != "local[1]" || len(o.Machines) != 1 || !strings.HasPrefix(o.Identity, "hdinsight/") {
		t.Fatalf("Observe: %v, %+v", err, o)
	}
	if first := o.Checks[0]; first.Name != "credentials" || !first.OK || !strings.Contains(first.Evidence[0], "not used") || strings.Contains(fmt.Sprintf("%+v", o), "canary") {
		t.Errorf("it says of the login %+v", first)
	}
	h := start(t, c, job(begin+`print("sum", spark.range(100).selectExpr("sum(id)").first()[0], flush=True)`, map[string]any{"conf": map[string]any{"spark.ui.enabled": false}}))
	if st := await(t, c, h, "the end", final); st.State != driver.JobDone || !strings.Contains(logOf(t, c, h), "sum 4950") {
		t.Errorf("the job is %+v\n%s", st, logOf(t, c, h))
	}
}

// TestHostUnfit: what is no machine is no head node, and one that takes no runs is said to be none.
func TestHostUnfit(t *testing.T) {
	target := onHost(t, "local[1]")
	good := target.On["host"][0].(driver.Host)
	target.On = map[string][]driver.Conn{"host": {bare{good}}}
	_, err := hdinsight.Kind().Connect(t.Context(), target)
	if fault.ReasonOf(err) != "CapabilityMissing" {
		t.Errorf("on what is no machine: %v", err)
	}
	target.On = map[string][]driver.Conn{"host": {full{good}}}
	if _, err := connect(t, target).Observe(t.Context()); fault.ReasonOf(err) != "HostNotReady" || fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("on a machine whose disk is full: %v", err)
	}
	target.On["host"] = []driver.Conn{good} // what is left is taken away there
}

type bare struct{ driver.Conn }

// full is a machine that takes no runs.
type full struct{ driver.Host }

func (full) Observe(context.Context) (driver.Observation, error) {
	return driver.Observation{Exists: true, Reason: "DiskFull", Message: "its disk is full", Observed: time.Now()}, nil
}
