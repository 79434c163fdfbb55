package synapse_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/synapse"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// livy returns the endpoint of test/engines/livy.sh, and a folder that it reads.
func livy(t testing.TB) (endpoint, folder string) {
	t.Helper()
	endpoint = drivertest.Need(t, "TEST_LIVY", "livy")
	folder, err := os.MkdirTemp(os.Getenv("ENGINES_LIVY_FILES"), "test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return endpoint, folder
}

func target(endpoint, folder string) driver.Target {
	return driver.Target{ID: "t1", Options: map[string]any{"livy": endpoint, "store": folder}, Secrets: map[string]string{}, On: map[string][]driver.Conn{}}
}

// with returns a target with some options changed; nil takes one away.
func with(t driver.Target, changes map[string]any) driver.Target {
	return drivertest.With(synapse.Kind(), t, changes)
}

// script leaves out a limit of memory, which is Spark's own setting.
func script(what string, args ...string) []string {
	if what == "eat" {
		return nil
	}
	return drivertest.POSIX(what, args...)
}

func TestConformance(t *testing.T) {
	hole, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		endpoint, folder := livy(t)
		base := target(endpoint, folder)
		kind := synapse.Kind()
		kind.Prototype = livyCan{} // the kind's own is one of another way to a pool, which can more
		return drivertest.Harness{
			Kind: kind, Target: base, Script: script, Few: true,
			Restart:   func(t *testing.T) { forget(t, endpoint, folder) },
			BlackHole: new(with(base, map[string]any{"livy": "http://" + hole.Addr().String()})),
			Refusals:  refusals(t, base),
		}
	})
}

// livyCan is what a connection to a Livy endpoint can.
type livyCan struct {
	driver.Runner
	driver.LogReader
	driver.Outputs
	driver.Cleaner
	holds
}

func refusals(t *testing.T, base driver.Target) []drivertest.Refusal {
	change := func(name, check string, code fault.Code, reason string, changes map[string]any) drivertest.Refusal {
		return drivertest.Refusal{Name: name, Target: with(base, changes), Check: check, Code: code, Reason: reason}
	}
	return []drivertest.Refusal{
		change("no URL", "address", fault.Precondition, "AddressUnknown", map[string]any{"livy": nil}),
		change("password in the clear", "", fault.Invalid, "OptionInvalid", map[string]any{"livy": "http://spark.example.com:8998", "administratorAccount.username": "u", "administratorAccount.password": "p"}),
		change("password of nobody", "", fault.Invalid, "OptionInvalid", map[string]any{"administratorAccount.password": "p"}),
		change("two logins", "", fault.Invalid, "OptionInvalid", map[string]any{"administratorAccount.username": "u", "administratorAccount.password": "p", "bearerToken": "t"}),
		change("folder that is relative", "", fault.Invalid, "OptionInvalid", map[string]any{"store": "shared"}),
		change("folder of HDFS", "", fault.Invalid, "OptionInvalid", map[string]any{"folderUrl": "hdfs://n/zaffre"}),
		change("nobody listens", "connection", fault.Unavailable, "ConnectionRefused", map[string]any{"livy": "http://127.0.0.1:1"}),
		change("no such name", "connection", fault.Unavailable, "NameNotFound", map[string]any{"livy": "https://no-such-host.invalid"}),
		change("no folder", "folder", fault.Unavailable, "FolderMissing", map[string]any{"store": filepath.Join(t.TempDir(), "none")}),
	}
}

// forget has the endpoint forget the batches of the target: those whose jobs are in its folder.
func forget(t *testing.T, endpoint, folder string) {
	t.Helper()
	for _, b := range batches(t, endpoint) {
		if _, err := os.Stat(filepath.Join(folder, "t1", "jobs", b.Name)); err == nil {
			deleteBatch(t, endpoint, b.ID)
		}
	}
}

func connect(t testing.TB, target driver.Target) driver.Runner {
	t.Helper()
	return drivertest.Connect[driver.Runner](t, synapse.Kind(), target)
}
