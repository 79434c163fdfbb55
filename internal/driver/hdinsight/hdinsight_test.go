package hdinsight_test

import (
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/hdinsight"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// TestMain makes the test binary the agent where it is started as one: it carries itself to the head node.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		syscall.Exit(agent.Main(os.Args[1:])) // not os.Exit: the race detector makes that one sleep
	}
	os.Exit(m.Run())
}

// head returns the head node of test/engines/spark.sh, whose environment TEST_SPARK stands for, with its standalone
// master.
func head(t testing.TB) driver.Target {
	t.Helper()
	place := os.Getenv("TEST_SPARK")
	if place == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "spark") {
			t.Fatal(`TEST_SPARK is not set; run: eval "$(test/engines/spark.sh env)"`)
		}
		t.Skip(`needs Spark: test/engines/spark.sh up; eval "$(test/engines/spark.sh env)"`)
	}
	key, err := os.ReadFile(os.Getenv("ENGINES_SPARK_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	return driver.Target{
		ID: strings.ToLower(id.New()), Secrets: map[string]string{"administratorAccount.privateKeyData": string(key)}, On: map[string][]driver.Conn{},
		Options: map[string]any{
			"address": host(t, place), "sshPort": port(t, place), "administratorAccount.username": os.Getenv("ENGINES_SPARK_USER"),
			"connectTimeout": 20 * time.Second, "slots": int64(0), "workDirectory": t.TempDir(),
			"master": os.Getenv("ENGINES_SPARK_MASTER"), "sparkHome": os.Getenv("SPARK_HOME"),
		},
	}
}

func host(t testing.TB, place string) string {
	h, _, err := net.SplitHostPort(place)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func port(t testing.TB, place string) int64 {
	_, p, _ := net.SplitHostPort(place)
	n, err := strconv.ParseInt(p, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// own takes what a target leaves away.
func own(t testing.TB, target driver.Target) driver.Target {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		c, err := hdinsight.Kind().Connect(ctx, target)
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

func with(target driver.Target, name string, v any) driver.Target {
	options := map[string]any{}
	for k, old := range target.Options {
		options[k] = old
	}
	options[name] = v
	target.Options = options
	return target
}

func connect(t testing.TB, target driver.Target) driver.Runner {
	t.Helper()
	c, err := hdinsight.Kind().Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(driver.Runner)
}

// script is that of the suite, but for a Python script that is not there: spark-submit says that in the log.
func script(what string, args ...string) []string {
	if what == "missing-script" {
		return nil
	}
	return drivertest.POSIX(what, args...)
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		good := own(t, head(t))
		alias := with(good, "master", "local[*]")
		alias.ID = strings.ToLower(id.New())
		wrong := with(good, "sparkHome", "/no/such/spark")
		closed := with(good, "sshPort", int64(1))
		away := with(good, "master", "spark://127.0.0.1:1")
		bare := good
		bare.Secrets = nil
		return drivertest.Harness{
			Kind: hdinsight.Kind(), Target: good, Alias: &alias, Script: script,
			Crash: func(t *testing.T, c driver.Conn) { crash(t, c, good) },
			Refusals: []drivertest.Refusal{
				{Name: "NoSpark", Target: wrong, Check: "spark-submit", Code: fault.Precondition, Reason: "SparkMissing"},
				{Name: "ClosedPort", Target: closed, Check: "tcp", Code: fault.Unavailable, Reason: "ConnectionRefused"},
				{Name: "NoCredentials", Target: bare, Check: "credentials", Code: fault.Invalid, Reason: "CredentialsMissing"},
				{Name: "NoMaster", Target: away, Check: "master", Code: fault.Unavailable, Reason: "MasterAway"},
				{Name: "NoYARN", Target: with(good, "master", "yarn"), Check: "configuration", Code: fault.Precondition, Reason: "YARNUnconfigured"},
				{Name: "BadMaster", Target: with(good, "master", "mesos://x"), Code: fault.Invalid, Reason: "OptionInvalid"},
				{Name: "NoPort", Target: with(good, "sshPort", int64(70000)), Code: fault.Invalid, Reason: "OptionInvalid"},
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

// crash kills the target's agent.
func crash(t *testing.T, c driver.Conn, target driver.Target) {
	t.Helper()
	exit, err := c.(driver.Host).Exec(t.Context(), []string{"pkill", "-KILL", "-f", "agent serve --root .*/" + target.ID}, driver.Stdio{})
	if err != nil || exit > 1 {
		t.Errorf("killing the agent: exit %d, %v", exit, err)
	}
}
