package azbatch_test

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/batch"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// start starts an account of the test's own.
func start(t testing.TB) *rig.AzureBatch {
	t.Helper()
	a, err := rig.StartAzureBatch(drivertest.Need(t, "TEST_AZUREBATCH", "azurebatch"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Stop()
		if s := a.Errors(); s != "" {
			t.Errorf("the simulator says: %s", s)
		}
	})
	return a
}

// storage makes a container of the test's own.
func storage(t testing.TB) (rig.Azurite, string) {
	t.Helper()
	a, name := rig.Azurite(drivertest.Need(t, "TEST_AZURITE", "azurite")), "test-"+strings.ToLower(id.New())
	if err := a.MakeContainer(name); err != nil {
		t.Fatal(err)
	}
	return a, name
}

const allRights = "racwdl"

// target is an account with a container of its own.
func target(t testing.TB, a *rig.AzureBatch) driver.Target {
	t.Helper()
	blobs, name := storage(t)
	return driver.Target{
		ID: strings.ToLower(id.New()), Options: map[string]any{"batch": a.URL, "accountName": a.Account, "pool": "pool", "relay": true},
		Secrets: map[string]string{"accountKey": a.Key, "container": blobs.SAS(name, allRights, time.Now().Add(time.Hour))},
	}
}

// with returns a target with some options changed; nil takes one away.
func with(t driver.Target, changes map[string]any) driver.Target {
	return drivertest.With(batch.Kind(), t, changes)
}

func connect(t testing.TB, target driver.Target) driver.Runner {
	t.Helper()
	return drivertest.Connect[driver.Runner](t, batch.Kind(), target)
}

// script leaves out a limit of memory, which nodes do not set.
func script(what string, args ...string) []string {
	if what == "eat" {
		return nil
	}
	return drivertest.POSIX(what, args...)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	shared := sync.OnceValue(func() *rig.AzureBatch { return start(t) })
	hole := blackHole(t)
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		drivertest.Need(t, "TEST_AZUREBATCH", "azurebatch")
		base := target(t, shared())
		return drivertest.Harness{
			Kind: batch.Kind(), Target: base, Script: script, Few: true,
			Alias:     new(with(base, map[string]any{"pool": nil})),
			Restart:   func(t *testing.T) { forget(t, base) },
			BlackHole: new(with(base, map[string]any{"batch": "http://" + hole})),
			Refusals:  refusals(t, base),
			Definition: func(what string) *driver.Definition {
				if what == "tiny" {
					return &driver.Definition{UserManaged: true, Interpreter: "python3"}
				}
				return &driver.Definition{Pip: []string{"toolz==0.12.1"}}
			},
		}
	})
}

// forget has the account forget the tasks of a target, as when somebody deletes its jobs.
func forget(t *testing.T, target driver.Target) {
	t.Helper()
	c := connect(t, with(target, map[string]any{"container": nil}))
	if _, err := c.(driver.Cleaner).Clean(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

func refusals(t *testing.T, base driver.Target) []drivertest.Refusal {
	blobs := rig.Azurite(drivertest.Need(t, "TEST_AZURITE", "azurite"))
	name := strings.SplitN(strings.TrimPrefix(base.Secrets["container"], string(blobs)+"/"), "?", 2)[0]
	change := func(name, check string, code fault.Code, reason string, changes map[string]any) drivertest.Refusal {
		return drivertest.Refusal{Name: name, Target: with(base, changes), Check: check, Code: code, Reason: reason}
	}
	return []drivertest.Refusal{
		change("no engine", "", fault.Invalid, "EngineMissing", map[string]any{"batch": nil}),
		change("two engines", "", fault.Invalid, "OptionInvalid", map[string]any{"slurm": "login"}),
		change("an option of Slurm", "", fault.Invalid, "OptionInvalid", map[string]any{"partition": "gpu"}),
		change("key in the clear", "", fault.Invalid, "OptionInvalid", map[string]any{"batch": "http://a.westeurope.batch.azure.com"}),
		change("two logins", "", fault.Invalid, "OptionInvalid", map[string]any{"bearerToken": "t"}),
		change("key that is none", "", fault.Invalid, "OptionInvalid", map[string]any{"accountKey": "not base64"}),
		change("container without signature", "", fault.Invalid, "OptionInvalid", map[string]any{"container": "https://a.blob.core.windows.net/data"}),
		change("nobody listens", "connection", fault.Unavailable, "ConnectionRefused", map[string]any{"batch": "http://127.0.0.1:1"}),
		change("no such name", "connection", fault.Unavailable, "NameNotFound", map[string]any{"batch": "https://no-such-host.invalid"}),
		change("wrong key", "login", fault.Unauthorized, "LoginRefused", map[string]any{"accountKey": "d3Jvbmc="}),
		change("key of another account", "login", fault.Unauthorized, "LoginRefused", map[string]any{"accountName": "other"}),
		change("wrong token", "login", fault.Unauthorized, "LoginRefused", map[string]any{"accountKey": nil, "bearerToken": "wrong"}),
		change("no login", "login", fault.Unauthorized, "LoginRefused", map[string]any{"accountKey": nil}),
		change("no container", "container", fault.Precondition, "ContainerNone", map[string]any{"container": nil}),
		change("container elsewhere", "container", fault.Precondition, "ContainerMissing", map[string]any{"container": blobs.SAS("no-such-container", allRights, time.Now().Add(time.Hour))}),
		change("signature that ended", "container", fault.Unauthorized, "ContainerExpired", map[string]any{"container": blobs.SAS(name, allRights, time.Now().Add(-time.Hour))}),
		change("signature without rights", "container", fault.Denied, "ContainerDenied", map[string]any{"container": blobs.SAS(name, "rl", time.Now().Add(time.Hour))}),
		change("unknown pool", "pool", fault.Precondition, "PoolUnknown", map[string]any{"pool": "no-such-pool"}),
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
