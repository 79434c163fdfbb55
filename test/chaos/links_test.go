package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/test/chaos/lab"

	// What the binary is made of: "go test" runs this anew when any of it changed.
	_ "github.com/zaffre-ml/zaffre/internal/agent"
	_ "github.com/zaffre-ml/zaffre/internal/cli"
	_ "github.com/zaffre-ml/zaffre/internal/server"
)

// asProgram has the test's binary be the program, which starts itself again in its namespaces.
const asProgram = "CHAOS_IS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is the built zaffre, once for all tests.
func program(t *testing.T) string {
	t.Helper()
	if lack := lab.Missing(); lack != "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "sshd") {
			t.Fatalf("this machine lacks %s", lack)
		}
		t.Skipf("needs %s", lack)
	}
	bin := filepath.Join(t.TempDir(), "zaffre")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/zaffre").CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v: %s", err, out)
	}
	return bin
}

// links runs the trial of links, and returns what it said and whether all was right.
func links(t *testing.T, bin string, args ...string) (said string, right bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"links", "-bin", bin, "-log", filepath.Join(t.TempDir(), "log")}, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// TestLinks is the trial in its short form: a few cuts, and one of each of the other blows.
func TestLinks(t *testing.T) {
	t.Parallel()
	bin := program(t)
	t.Run("nothing lost, nothing twice", func(t *testing.T) {
		t.Parallel()
		said, right := links(t, bin, "-cuts", "5", "-kills", "1", "-others", "1", "-loss", "6s", "-full", "5s", "-long=false", "-machines", "2")
		if !right {
			t.Error(said)
		}
	})
	for lie, found := range map[string]string{
		"line":   `WRONG 1: log of run long-001: line 7 is "line 8"`,
		"point":  "WRONG 1: run long-001 lacks point 7",
		"twice":  "WRONG 1: run long-001 has point 7",
		"output": "WRONG 1: run long-001 left outputs/model",
		"end":    "WRONG 1: run long-001: the events tell",
	} {
		t.Run("sees a lie about a "+lie, func(t *testing.T) {
			t.Parallel()
			said, right := links(t, bin, "-cuts", "1", "-kills", "0", "-others", "0", "-loss", "0", "-full", "0", "-long=false", "-machines", "1", "-lie", lie)
			if right || !strings.Contains(said, found) {
				t.Errorf("it does not say %q:\n%s", found, said)
			}
		})
	}
}
