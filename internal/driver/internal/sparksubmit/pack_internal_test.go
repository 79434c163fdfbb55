package sparksubmit

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// environment makes what looks like one, in a work directory with a Python, below a home.
func environment(t *testing.T, interpreter string) (home, prefix string) {
	t.Helper()
	home = t.TempDir()
	prefix = filepath.Join(home, "work", "envs", "d", "env")
	for name, text := range map[string]string{
		"work/envs/d/env/lib/python3/site-packages/one.py":                "one = 1\n",
		"work/envs/d/env/lib/python3/site-packages/__pycache__/one.3.pyc": "x",
		"work/envs/d/env/pyvenv.cfg":                                      "home = /usr/bin\n",
		"work/envs/d/env/pip.txt":                                         "--index-url https://u:pw-canary@host/\n",
		"work/envs/d/env/zaffre.json":                                     "{}",
		"work/envs/d/env/environment.tar.gz.1":                            "half of one",
		"work/envs/d/env/bin/activate":                                    "",
		"work/pythons/cpython-3.11/bin/python3.11":                        "",
	} {
		file := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(strings.ReplaceAll(interpreter, "WORK", filepath.Join(home, "work")), filepath.Join(prefix, "bin", "python")); err != nil {
		t.Fatal(err)
	}
	return home, prefix
}

// pack runs a command as a run does that has an environment, and returns what both said.
func pack(t *testing.T, home, prefix string, command ...string) (string, error) {
	t.Helper()
	argv := packed(prefix, command)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// TestPackOnce: many runs begin at once, after one that was killed.
func TestPackOnce(t *testing.T) {
	t.Parallel()
	home, prefix := environment(t, "/bin/sh")
	said := make([]string, 8)
	var wg sync.WaitGroup
	for i := range said {
		wg.Go(func() {
			out, err := pack(t, home, prefix, "sh", "-c", `echo "goes on with $1 $2"`, "sh", "a b", "c")
			if err != nil || !strings.Contains(out, "goes on with a b c\n") || strings.Contains(out, "warning") {
				t.Errorf("%v: %s", err, out)
			}
			said[i] = out
		})
	}
	wg.Wait()
	if n := strings.Count(strings.Join(said, ""), "packing the environment"); n != 1 {
		t.Errorf("it was packed %d times", n)
	}
	list, err := exec.CommandContext(t.Context(), "tar", "-tzf", prefix+"/environment.tar.gz").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(list))
	slices.Sort(got)
	want := []string{"bin/", "bin/activate", "bin/python", "lib/", "lib/python3/", "lib/python3/site-packages/", "lib/python3/site-packages/one.py", "pyvenv.cfg"}
	if !slices.Equal(got, want) {
		t.Errorf("packed is %q, not %q", got, want)
	}
	left, _ := filepath.Glob(prefix + "/environment.tar.gz*")
	if want := []string{prefix + "/environment.tar.gz", prefix + "/environment.tar.gz.lock"}; !slices.Equal(left, want) {
		t.Errorf("left is %q, not %q", left, want)
	}
}

// TestPackWarns: the workers need the interpreter that an environment's link names, and no worker has the head node's home.
func TestPackWarns(t *testing.T) {
	t.Parallel()
	for interpreter, warns := range map[string]bool{"/bin/sh": false, "activate": false, "WORK/pythons/cpython-3.11/bin/python3.11": true} {
		home, prefix := environment(t, interpreter)
		out, err := pack(t, home, prefix, "true")
		if err != nil || strings.Contains(out, "warning: the Python of the environment is ") != warns || warns && !strings.Contains(out, "--worker-python") {
			t.Errorf("with the interpreter %s: %v, %q", interpreter, err, out)
		}
	}
}

// TestPackFails: what cannot be packed starts nothing, and leaves nothing half.
func TestPackFails(t *testing.T) {
	t.Parallel()
	_, prefix := environment(t, "/bin/sh")
	tools := t.TempDir() // a tar that stops in the middle, as on a full disk
	if err := os.WriteFile(filepath.Join(tools, "tar"), []byte("#!/bin/sh\nprintf half >\"$2\"\necho 'No space left on device' >&2\nexit 2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	argv := packed(prefix, []string{"echo", "goes on"})
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
	said, err := cmd.CombinedOutput()
	if err == nil || strings.Contains(string(said), "goes on") || !strings.Contains(string(said), "cannot be packed") || !strings.Contains(string(said), "No space left") {
		t.Errorf("without space: %v: %s", err, said)
	}
	if left, _ := filepath.Glob(prefix + "/environment.tar.gz*"); len(left) != 1 || !strings.HasSuffix(left[0], ".lock") {
		t.Errorf("left is %q", left)
	}
}
