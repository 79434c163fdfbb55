package envbuild_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// anyPython returns an interpreter of this machine.
func anyPython(t *testing.T) wire.Python {
	t.Helper()
	all := envbuild.Interpreters(t.Context(), "", nil)
	if len(all) == 0 {
		absent(t, "python", "this machine has no CPython 3")
	}
	return all[0]
}

func script(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// Real messages of uv 0.13.9, said by a program in its place.
func TestFailuresAreRead(t *testing.T) {
	py := anyPython(t)
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv("HOME", t.TempDir())
	for _, c := range []struct{ reason, message, said string }{
		{"PackageNotFound", `"nosuch"`, "error: No solution found when resolving dependencies\n  cause: Because nosuch was not found in the package registry and you require nosuch, we can conclude that your requirements are unsatisfiable."},
		{"ResolutionFailed", "cp37m", "error: No solution found when resolving dependencies\n  cause: Because tensorflow==1.15.0 has no wheels with a matching Python ABI tag (e.g., `cp310`) and you require tensorflow==1.15, we can conclude that your requirements are unsatisfiable.\n\nhint: we only found wheels for `tensorflow` (v1.15.0) with the following Python ABI tags: `cp37m`"},
		{"DiskFull", "disk of the target is full", "error: Failed to prepare distributions\n  cause: failed to copy file\n  cause: No space left on device (os error 28)"},
		{"NetworkUnreachable", "cannot reach", "error: Failed to fetch: https://index.example/simple/six/\n  cause: client error (Connect)\n  cause: dns error"},
		{"BuildFailed", "fusepy", "error: Failed to build `fusepy==3.0.1`\n  cause: The build backend returned an error"},
		{"BuildFailed", "out of cheese", "error: out of cheese"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			root := t.TempDir()
			script(t, filepath.Join(root, "tools/uv/bin/uv"), fmt.Sprintf(`case "$1" in
venv) for last; do :; done; mkdir -p "$last/bin"; exit 0;;
esac
printf 'Using \033[1mPython\033[0m\n' >&2
cat >&2 <<'END'
%s
END
exit 1
`, c.said))
			r, log := build(t, root, wire.Build{Digest: "d", Interpreters: []string{py.Path}, PipOnly: []string{"x"}})
			wantFailure(t, r, log, c.reason, c.message)
			if !strings.Contains(log, "Using Python\n") {
				t.Errorf("the log lacks what uv said: %q", log)
			}
		})
	}
}

func TestUserManaged(t *testing.T) {
	py := anyPython(t)
	r, log := mustBuild(t, t.TempDir(), wire.Build{UserManaged: true, Interpreter: py.Path})
	want := wire.BuildResult{State: wire.BuildDone, Way: envbuild.WayHost, Version: py.Version, Python: py.Path}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if !strings.Contains(log, "its user manages the packages") {
		t.Errorf("the log does not say why: %q", log)
	}
	r, log = build(t, t.TempDir(), wire.Build{UserManaged: true, Interpreter: "/no/such/python"})
	wantFailure(t, r, log, "PythonMissing", "/no/such/python")
	notPython := filepath.Join(t.TempDir(), "python3")
	script(t, notPython, "echo hello\n")
	r, log = build(t, t.TempDir(), wire.Build{UserManaged: true, Interpreter: notPython})
	wantFailure(t, r, log, "PythonMissing", "not a Python interpreter")
}

// A wrapper such as pyenv's shim is seen through: it costs more than the interpreter's own start.
func TestUserManagedWrapper(t *testing.T) {
	py := anyPython(t)
	dir := t.TempDir()
	script(t, filepath.Join(dir, "python3"), "exec "+py.Path+" \"$@\"\n")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	r, _ := mustBuild(t, t.TempDir(), wire.Build{UserManaged: true, Interpreter: "python"})
	if r.Python != py.Path {
		t.Errorf("interpreter = %s, want %s", r.Python, py.Path)
	}
}

func TestUvMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PIP_NO_INDEX", "1")
	t.Setenv("PIP_FIND_LINKS", t.TempDir())
	root := t.TempDir()
	if envbuild.FindUV(root) != "" {
		t.Skip("this machine has uv in a system folder")
	}
	r, log := build(t, root, wire.Build{Digest: "d"})
	wantFailure(t, r, log, "UvMissing", "uv is not on this machine")
}

func TestInterpreters(t *testing.T) {
	py := anyPython(t)
	root, dir := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "some", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(py.Path, filepath.Join(dir, "some", "bin", "python3")); err != nil {
		t.Fatal(err)
	}
	script(t, filepath.Join(dir, "python3"), "exit 1\n")
	first := envbuild.Interpreters(t.Context(), root, []string{dir, py.Path})
	seen := map[string]bool{}
	for _, p := range first {
		if seen[p.Path] || p.Path != py.Path && p.Version == "" {
			t.Errorf("%+v is there twice, or has no version", p)
		}
		seen[p.Path] = true
	}
	if !seen[py.Path] || seen[filepath.Join(dir, "python3")] {
		t.Errorf("interpreters = %v, want %s among them and no script", first, py.Path)
	}
	// The second time nothing is started: what is remembered is believed.
	memory := filepath.Join(root, "interpreters.json")
	text, err := os.ReadFile(memory)
	if err != nil {
		t.Fatal(err)
	}
	write(t, memory, strings.ReplaceAll(string(text), `"version":"`+py.Version+`"`, `"version":"3.77.7"`))
	second := envbuild.Interpreters(t.Context(), root, []string{dir})
	if len(second) != len(first) || second[0].Version != "3.77.7" {
		t.Errorf("second look = %v, want what interpreters.json says", second)
	}
	write(t, memory, "{broken")
	if diff := cmp.Diff(first, envbuild.Interpreters(t.Context(), root, []string{dir})); diff != "" {
		t.Errorf("after a broken memory (-want +got):\n%s", diff)
	}
}

// A conda that makes what conda makes: a prefix with an interpreter.
func TestConda(t *testing.T) {
	py := anyPython(t)
	tools := t.TempDir()
	script(t, filepath.Join(tools, "micromamba"), fmt.Sprintf(`[ "$1 $2 $3 $4" = "create --yes --quiet --prefix" ] || exit 9
if grep -q breakme "$7"; then echo "nothing provides breakme" >&2; exit 1; fi
mkdir -p "$5/bin" && ln -s %s "$5/bin/python" && echo "made of $(cat "$7")"
`, py.Path))
	t.Setenv("PATH", tools+":/usr/bin:/bin")
	t.Setenv("HOME", t.TempDir())
	root := t.TempDir()
	b := translated(t, "d", "channels: [conda-forge]\ndependencies: [python=3.10, ffmpeg=4, pip: ['--pre']]")
	b.PipOnly = nil
	r, log := mustBuild(t, root, b)
	if r.Way != envbuild.WayConda || r.Version != py.Version || !strings.Contains(log, "only a channel has ffmpeg=4") {
		t.Errorf("result = %+v, want way conda; log:\n%s", r, log)
	}
	if !strings.Contains(log, `made of {"channels":["conda-forge"],"dependencies":["python=3.10","ffmpeg=4"]}`) {
		t.Errorf("conda got another specification:\n%s", log)
	}
	b.Digest, b.Conda = "e", []byte(`{"dependencies":["breakme"]}`)
	r, log = build(t, root, b)
	wantFailure(t, r, log, "CondaFailed", "nothing provides breakme")
}

func TestPrune(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	now := time.Now()
	env := func(digest string, unused time.Duration, bytes int) {
		prefix := envbuild.Prefix(root, digest)
		if err := os.MkdirAll(prefix, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(prefix, "package"), strings.Repeat("x", bytes))
		write(t, filepath.Join(prefix, "zaffre.json"), "")
		if err := os.Chtimes(filepath.Join(prefix, "zaffre.json"), now, now.Add(-unused)); err != nil {
			t.Fatal(err)
		}
	}
	there := func() (out []string) {
		for _, d := range []string{"ancient", "held", "old", "recent", "fresh"} {
			if _, err := os.Stat(envbuild.Prefix(root, d)); err == nil {
				out = append(out, d)
			}
		}
		return out
	}
	env("ancient", 90*24*time.Hour, 100)
	env("held", 80*24*time.Hour, 100)
	env("old", 3*time.Hour, 100)
	env("recent", 2*time.Hour, 100)
	env("fresh", time.Hour, 100)
	if err := os.MkdirAll(filepath.Join(root, "envs", "ancient", "env.trash-1", "env"), 0o755); err != nil {
		t.Fatal(err)
	}
	keep := func(d string) bool { return d == "held" }
	for _, c := range []struct {
		reason   string
		maxAge   time.Duration
		maxBytes int64
		removed  int
		want     []string
	}{
		{"no limits: only what a crash left", 0, 0, 1, []string{"ancient", "held", "old", "recent", "fresh"}},
		{"by age, but what is kept", 30 * 24 * time.Hour, 0, 1, []string{"held", "old", "recent", "fresh"}},
		{"by size, the longest unused first", 30 * 24 * time.Hour, 350, 1, []string{"held", "recent", "fresh"}},
		{"nothing left to do", 30 * 24 * time.Hour, 350, 0, []string{"held", "recent", "fresh"}},
	} {
		removed, err := envbuild.Prune(root, keep, c.maxAge, c.maxBytes)
		if err != nil || len(removed) != c.removed {
			t.Errorf("%s: Prune = %v, %v; want %d items", c.reason, removed, err, c.removed)
		}
		if diff := cmp.Diff(c.want, there()); diff != "" {
			t.Errorf("%s: there (-want +got):\n%s", c.reason, diff)
		}
	}
	envbuild.Touch(root, "recent")
	if _, err := envbuild.Prune(root, keep, 0, 250); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"held", "recent"}, there()); diff != "" {
		t.Errorf("after a use (-want +got):\n%s", diff)
	}
	if items, err := envbuild.Prune(t.TempDir(), nil, 1, 1); err != nil || len(items) > 0 {
		t.Errorf("Prune of nothing = %v, %v", items, err)
	}
}

func TestDigestIsNoPath(t *testing.T) {
	t.Parallel()
	for _, d := range []string{"", "..", "../x", "a/b", ".hidden", "a b"} {
		r, log := build(t, t.TempDir(), wire.Build{Digest: d})
		wantFailure(t, r, log, "BuildInvalid", "digest")
	}
}
