package clients_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestGoClient builds the program of the module armgo and runs it against the server.
func TestGoClient(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "armgo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Dir = "armgo"
	if out, err := build.CombinedOutput(); err != nil {
		absent(t, "armmachinelearning cannot be built: "+string(out))
	}
	b := start(t)
	home := t.TempDir()
	b.writeConfig(t, home)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin)
	cmd.Dir, cmd.Env = home, b.variables(t, home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, lastLines(b.log.String(), 30))
	}
	t.Log(string(out))
	holds(t, string(out), "workspace default local", "REFUSED bad-vm PasswordRefused", "the password is wrong",
		"TAKEN my-vm Succeeded 10.0.0.4 2222 true", "list [bad-vm my-vm]", "gone true")
}
