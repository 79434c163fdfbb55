// Package e2e_test runs the real binary, end to end, on the target "server".
package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	// What the binary is made of: "go test" runs these scripts anew when any of it changed.
	_ "github.com/zaffre-ml/zaffre/internal/agent"
	_ "github.com/zaffre-ml/zaffre/internal/cli"
	_ "github.com/zaffre-ml/zaffre/internal/server"
	"github.com/zaffre-ml/zaffre/test/rig"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the binary once for all scripts.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "zaffre-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "zaffre"), "../../cmd/zaffre")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the binary:", err)
		return 1
	}
	os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return m.Run()
}

// TestScripts runs each script with a home of its own. Code runs as the server's own user, so that
// all it leaves lies below the script's folder.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			port, err := rig.Port()
			if err != nil {
				return err
			}
			e.Vars = append(e.Vars, "HOME="+home, "ZAFFRE_DATA="+filepath.Join(e.WorkDir, "data"), "ZAFFRE_LISTEN=127.0.0.1:0", "ZAFFRE_LOCAL_USER=same",
				"ZAFFRE_LOCAL_SLOTS=4", "XDG_CACHE_HOME="+filepath.Join(home, ".cache"), "LANG=C.UTF-8", "PYTHONUNBUFFERED=1", "NL=\n",
				fmt.Sprint("ADDRESS=127.0.0.1:", port)) // of a server that comes back where it was
			for _, v := range os.Environ() {
				if strings.HasPrefix(v, "PIP_") || strings.HasPrefix(v, "UV_") || strings.HasPrefix(v, "SSL_") || strings.HasPrefix(v, "ENGINES_") || strings.HasPrefix(v, "TEST_SLURM=") {
					e.Vars = append(e.Vars, v)
				}
			}
			return os.MkdirAll(home, 0o755)
		},
		// A package index is there for scripts that build environments: test/setup.sh says so.
		Condition: func(cond string) (bool, error) {
			variable, need := "TEST_UV_CACHE", "uv"
			switch cond {
			case "index":
			case "sshd": // real machines: test/engines/sshd.sh
				variable, need = "TEST_SSHD", "sshd"
			case "livysessions": // a simulator of Livy's sessions: test/engines/livysessions.sh
				variable, need = "TEST_LIVY_SESSIONS", "livysessions"
			case "slurm": // a cluster of Slurm's: test/engines/slurm.sh
				variable, need = "TEST_SLURM", "slurm"
			case "rsync": // and rsync on this one
				variable, need = "TEST_SSHD", "sshd"
				if _, err := exec.LookPath("rsync"); err != nil {
					variable = "TEST_RSYNC" // nobody sets it
				}
			default:
				return false, fmt.Errorf("there is no condition %q", cond)
			}
			required := slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), need)
			return required || os.Getenv(variable) != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "wait-for": waitFor, "keep": keep, "fix": fix, "livysessions": livysessions},
	})
}

// livysessions starts a simulator of Livy's sessions, and keeps its URL in $LIVY.
func livysessions(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: livysessions")
	}
	s, err := rig.StartLivySessions()
	if err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Defer(s.Stop)
	ts.Setenv("LIVY", s.URL)
}

// code runs a command that must exit with a code: code 3 zaffre run show nothing.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if e, ok := err.(*exec.ExitError); ok {
		got = fmt.Sprint(e.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// waitFor repeats a command until its output matches: wait-for PATTERN COMMAND….
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: wait-for PATTERN COMMAND…")
	}
	re, err := regexp.Compile(args[0])
	ts.Check(err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * time.Minute); ; <-tick.C {
		err := ts.Exec(args[1], args[2:]...)
		if out := ts.ReadFile("stdout"); err == nil && re.MatchString(out) {
			return
		} else if time.Now().After(deadline) {
			ts.Fatalf("%v did not come to match %q: %v\n%s", args[1:], args[0], err, out)
		}
	}
}

// keep puts the output of the last command, without its line end, into a variable: keep ID.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep NAME")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// fix runs the command that the last error told to run, with words in it replaced: fix NAME=guest.
// A server that it starts goes on in the background, as it would in another terminal.
func fix(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile(`run: (zaffre [^;\n]*)`).FindStringSubmatch(ts.ReadFile("stderr"))
	if neg || m == nil {
		ts.Fatalf("the last error names no command to run")
	}
	argv := strings.Fields(m[1])
	for i, word := range argv {
		for _, arg := range args {
			if from, to, _ := strings.Cut(arg, "="); word == from {
				argv[i] = to
			}
		}
	}
	ts.Logf("fix: %q", argv)
	if argv[1] == "serve" {
		server := exec.Command(argv[0], argv[1:]...)
		server.Env = append(os.Environ(), "ZAFFRE_DATA="+ts.Getenv("ZAFFRE_DATA"), "HOME="+ts.Getenv("HOME"), "ZAFFRE_LISTEN=127.0.0.1:0", "ZAFFRE_LOCAL_USER=same")
		ts.Check(server.Start())
		ts.Defer(func() { server.Process.Signal(os.Interrupt); server.Wait() })
		return
	}
	ts.Check(ts.Exec(argv[0], argv[1:]...))
}
