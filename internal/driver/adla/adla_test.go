package adla_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/adla"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/usql/job"
)

// TestMain makes the test binary the agent, and the program for scripts, where it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case agent.Verb:
			syscall.Exit(agent.Main(os.Args[1:])) // not os.Exit: the race detector makes that one sleep
		case job.Verb:
			syscall.Exit(job.Main(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

// python returns an interpreter with DuckDB, or skips the test.
func python(t testing.TB) string {
	t.Helper()
	p := os.Getenv("TEST_DUCKDB_PYTHON")
	if p == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "duckdb") {
			t.Fatal("TEST_DUCKDB_PYTHON names no Python that has the package duckdb")
		}
		t.Skip("TEST_DUCKDB_PYTHON names no Python that has the package duckdb")
	}
	return p
}

// machine returns this machine as a target that another may stand on.
func machine(t testing.TB) driver.Conn {
	t.Helper()
	c, err := local.Kind().Connect(t.Context(), driver.Target{
		ID: "host-" + id.New(), Options: map[string]any{"user": "same", "workDirectory": t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// account returns a target with a store of its own, and takes what it leaves away.
func account(t testing.TB) driver.Target {
	t.Helper()
	target := driver.Target{
		ID: id.New(), Options: map[string]any{"host": "server", "store": t.TempDir(), "python": python(t), "duckdb": "1.4.5", "workDirectory": t.TempDir()},
		On: map[string][]driver.Conn{"host": {machine(t)}},
	}
	t.Cleanup(func() { clean(t, target) })
	return target
}

func clean(t testing.TB, target driver.Target) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	target.On = map[string][]driver.Conn{"host": {machine(uncleaned{t})}}
	c, err := adla.Kind().Connect(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer target.On["host"][0].Close()
	if _, err := c.(driver.Cleaner).Clean(ctx, false); err != nil {
		t.Errorf("it cannot be cleaned: %v", err)
	}
}

// uncleaned is a test that is over.
type uncleaned struct{ testing.TB }

func (uncleaned) Cleanup(func())           {}
func (uncleaned) Context() context.Context { return context.Background() }
func (u uncleaned) TempDir() string        { return os.TempDir() }

// with returns a target with another option.
func with(target driver.Target, name string, v any) driver.Target {
	return drivertest.With(adla.Kind(), target, map[string]any{name: v})
}

// files is code in memory.
type files map[string]string

func (f files) Manifest(context.Context) (list []driver.File, err error) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		list = append(list, driver.File{Path: name, Mode: 0o644, Size: int64(len(f[name])), Hash: hash(f[name])})
	}
	return list, nil
}

func (f files) OpenHash(_ context.Context, h string) (io.ReadCloser, error) {
	for _, text := range f {
		if hash(text) == h {
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	return nil, os.ErrNotExist
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// one is a script that writes a row into a file.
const one = `@r = SELECT 1 AS a FROM (VALUES (1)) AS v(n);
OUTPUT @r TO "/%s" USING Outputters.Csv();
`

// endless is a script that counts the 10^18 pairs of pairs of its rows.
func endless() string {
	rows := strings.TrimSuffix(strings.Repeat("(1), ", 1000), ", ")
	return `@t = SELECT n FROM (VALUES ` + rows + `) AS v(n);
@c = SELECT COUNT(*) AS c FROM @t AS a CROSS JOIN @t AS b CROSS JOIN @t AS c CROSS JOIN @t AS d CROSS JOIN @t AS e CROSS JOIN @t AS f;
OUTPUT @c TO "/never.csv" USING Outputters.Csv();
`
}

var plain = regexp.MustCompile(`^[\w ]+$`)

// script is what the suite wants, as the name of a script that does it: those print by the file that they write.
func script(what string, args ...string) []string {
	switch {
	case what == "exit" && args[0] == "0", what == "hang", what == "print" && plain.MatchString(args[0]):
		return []string{strings.Join(append([]string{what}, args...), " ") + ".usql"}
	}
	return nil
}

func code(argv []string) driver.Files {
	name := argv[0]
	if name == "hang.usql" {
		return files{name: endless()}
	}
	return files{name: fmt.Sprintf(one, strings.TrimPrefix(strings.TrimSuffix(name, ".usql"), "print "))}
}

var wrote = regexp.MustCompile(`(?m)^wrote /(.*): 1 row, after .*$`)

func printed(log string) string {
	out := ""
	for _, m := range wrote.FindAllStringSubmatch(log, -1) {
		out += m[1] + "\n"
	}
	return out
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		good := account(t)
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(good.Options["store"].(string), link); err != nil {
			t.Fatal(err)
		}
		alias := with(good, "store", link)
		alias.ID = id.New()
		nowhere := good
		nowhere.On = nil
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return drivertest.Harness{
			Kind: adla.Kind(), Target: good, Alias: &alias, Script: script, Code: code, Log: printed, Few: true,
			Crash: func(t *testing.T, _ driver.Conn) { crash(t, good) },
			Refusals: []drivertest.Refusal{
				{Name: "NoHost", Target: nowhere, Code: fault.Invalid, Reason: "OptionInvalid"},
				{Name: "NoStore", Target: with(good, "store", ""), Code: fault.Invalid, Reason: "StoreUnknown"},
				{Name: "Datastore", Target: with(good, "store", "adl://acc.azuredatalakestore.net/x"), Code: fault.Unsupported, Reason: "StoreUnsupported"},
				{Name: "RelativeStore", Target: with(good, "store", "data"), Code: fault.Invalid, Reason: "OptionInvalid"},
				{Name: "BadDuckDB", Target: with(good, "duckdb", "1.4; x"), Code: fault.Invalid, Reason: "OptionInvalid"},
				{Name: "StoreGone", Target: with(good, "store", "/no/such/lake"), Check: "store", Code: fault.Precondition, Reason: "StoreMissing"},
				{Name: "StoreIsFile", Target: with(good, "store", file), Check: "store", Code: fault.Precondition, Reason: "StoreNotFolder"},
				{Name: "StoreUnwritable", Target: with(good, "store", "/proc"), Check: "store", Code: fault.Precondition, Reason: "StoreUnwritable"},
				{Name: "ScratchUnwritable", Target: with(good, "scratch", "/proc/x"), Check: "scratch", Code: fault.Precondition, Reason: "ScratchUnwritable"},
				{Name: "NoPython", Target: with(good, "python", "/no/such/python"), Check: "duckdb", Code: fault.Precondition, Reason: "DuckDBMissing"},
				{Name: "NoWorkDirectory", Target: with(good, "workDirectory", "/dev/null/x"), Check: "work-directory", Code: fault.Precondition, Reason: "WorkDirectoryNotFolder"},
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
func crash(t *testing.T, target driver.Target) {
	t.Helper()
	work := target.Options["workDirectory"].(string)
	err := exec.CommandContext(t.Context(), "pkill", "-KILL", "-f", "agent serve --root "+filepath.Join(work, target.ID)).Run()
	if e, ok := err.(*exec.ExitError); err != nil && (!ok || e.ExitCode() > 1) {
		t.Errorf("killing the agent: %v", err)
	}
}
