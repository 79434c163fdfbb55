package databricks_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/databricks"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// built is where the simulator is built; it goes with the tests.
var built string

func TestMain(m *testing.M) {
	code := 1
	dir, err := os.MkdirTemp("", "zaffre-databricks-")
	if err == nil {
		built = dir
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// simulator builds the simulator once. It needs the official client, which its module downloads.
var simulator = sync.OnceValues(func() (string, error) { return rig.BuildDatabricks(context.Background(), built) })

// start starts a workspace of the test's own.
func start(t testing.TB) *rig.Databricks {
	t.Helper()
	bin, err := simulator()
	if err == nil {
		_, err = exec.LookPath("python3")
	}
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "databricks") {
			t.Fatal(err)
		}
		t.Skipf("needs the simulator of Databricks: %v", err)
	}
	d, err := rig.StartDatabricks(bin, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	return d
}

const running, off = "0101-000000-running", "0101-000000-off" // clusters that the simulator has

func target(d *rig.Databricks, folder string) driver.Target {
	return driver.Target{
		ID: "t1", Secrets: map[string]string{"databricksAccessToken": d.Token},
		Options: map[string]any{"databricks": d.URL, "folder": folder, "cluster": running},
	}
}

// with returns a target with some options changed; nil takes one away.
func with(t driver.Target, changes map[string]any) driver.Target {
	return drivertest.With(databricks.Kind(), t, changes)
}

// script leaves out what a cluster cannot do: it ends a run without a signal that can be caught, and has no limit
// of memory.
func script(what string, args ...string) []string {
	if what == "stubborn" || what == "eat" {
		return nil
	}
	return drivertest.POSIX(what, args...)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{"DBFS": "dbfs:/zaffre", "Volume": "/Volumes/main/default/zaffre/runs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance(t, folder)
		})
	}
}

func conformance(t *testing.T, folder string) {
	hole := blackHole(t)
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		d := start(t)
		base := target(d, folder)
		return drivertest.Harness{
			Kind: databricks.Kind(), Target: base, Script: script,
			Restart:   func(t *testing.T) { set(t, d, "forget", nil) },
			BlackHole: new(with(base, map[string]any{"databricks": "http://" + hole})),
			Refusals:  refusals(base),
			Definition: func(what string) *driver.Definition {
				switch what {
				case "tiny":
					return &driver.Definition{Pip: []string{"toolz==0.12.1"}}
				case "impossible":
					return &driver.Definition{BaseImage: "docker.io/library/python:3.11"}
				}
				return nil
			},
		}
	})
}

func refusals(base driver.Target) []drivertest.Refusal {
	change := func(name, check string, code fault.Code, reason string, changes map[string]any) drivertest.Refusal {
		return drivertest.Refusal{Name: name, Target: with(base, changes), Check: check, Code: code, Reason: reason}
	}
	return []drivertest.Refusal{
		change("no URL", "address", fault.Precondition, "AddressUnknown", map[string]any{"databricks": nil}),
		change("URL in the clear", "", fault.Invalid, "OptionInvalid", map[string]any{"databricks": "http://adb-1.2.azuredatabricks.net"}),
		change("URL with a path", "", fault.Invalid, "OptionInvalid", map[string]any{"databricks": "https://adb-1.2.azuredatabricks.net/?o=1"}),
		change("folder elsewhere", "", fault.Invalid, "OptionInvalid", map[string]any{"folder": "/Workspace/zaffre"}),
		change("two clusters", "", fault.Invalid, "OptionInvalid", map[string]any{"newCluster": map[string]any{"num_workers": 1}}),
		change("nobody listens", "connection", fault.Unavailable, "ConnectionRefused", map[string]any{"databricks": "http://127.0.0.1:1"}),
		change("no such name", "connection", fault.Unavailable, "NameNotFound", map[string]any{"databricks": "https://no-such-host.invalid"}),
		change("wrong token", "token", fault.Unauthorized, "TokenRefused", map[string]any{"databricksAccessToken": "dapi-wrong"}),
		change("no volume", "folder", fault.Precondition, "FolderMissing", map[string]any{"folder": "/Volumes/main/default/other"}),
		change("unknown cluster", "cluster", fault.Precondition, "ClusterUnknown", map[string]any{"cluster": "0101-000000-none"}),
	}
}

// blackHole takes connections and says nothing.
func blackHole(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func set(t testing.TB, d *rig.Databricks, what string, values url.Values) {
	t.Helper()
	if err := d.Set(what, values); err != nil {
		t.Fatal(err)
	}
}

func connect(t testing.TB, target driver.Target) driver.Runner {
	t.Helper()
	return drivertest.Connect[driver.Runner](t, databricks.Kind(), target)
}
